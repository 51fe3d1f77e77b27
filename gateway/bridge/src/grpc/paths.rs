//! Which binding takes a request: a tree of segments, in which a text goes before `*`, and that before `**`.

use super::template::{Part, Template};
use percent_encoding::percent_decode_str;
use std::collections::HashMap;

/// Bindings by their paths and methods.
#[derive(Debug, Default)]
pub(super) struct Paths(Node);

/// What follows one segment.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    one: Option<Box<Node>>,
    /// Paths that end here.
    here: Vec<Leaf>,
    /// Paths that go on in any way.
    rest: Vec<Leaf>,
}

#[derive(Debug)]
struct Leaf {
    verb: Option<String>,
    method: Method,
    /// The number of the binding.
    binding: usize,
}

/// The method of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Method {
    /// This one; `GET` is also `HEAD`.
    Is(String),
    /// Any that no other binding has.
    Any,
}

/// What there is for a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This binding.
    Binding(usize),
    /// The path with other methods.
    Methods(Vec<String>),
    Nothing,
}

impl Paths {
    /// Adds a binding by its number.
    ///
    /// # Errors
    /// The number of another one that has the same path and method.
    pub(super) fn add(&mut self, template: &Template, method: Method, binding: usize) -> Result<(), usize> {
        let (mut node, mut is_open) = (&mut self.0, false);
        for part in &template.segments {
            match part {
                Part::Literal(text) => node = node.literals.entry(decode(text)).or_default(),
                Part::One => node = node.one.get_or_insert_default(),
                Part::Rest => is_open = true,
            }
        }
        let leaves = if is_open { &mut node.rest } else { &mut node.here };
        if let Some(same) = leaves.iter().find(|leaf| leaf.verb == template.verb && leaf.method == method) {
            return Err(same.binding);
        }
        leaves.push(Leaf { verb: template.verb.clone(), method, binding });
        Ok(())
    }

    /// The binding that takes a request.
    pub(super) fn find(&self, method: &str, path: &str) -> Found {
        let segments = segments(path);
        let mut allowed = Vec::new();
        // A colon may begin a verb, or belong to the last segment.
        let with_verb = split_verb(&segments).and_then(|(segments, verb)| {
            let mut asked = Asked { method, verb: Some(verb), allowed: &mut allowed };
            asked.visit(&self.0, &segments)
        });
        let found = with_verb.or_else(|| Asked { method, verb: None, allowed: &mut allowed }.visit(&self.0, &segments));
        match found {
            Some(binding) => Found::Binding(binding),
            None if allowed.is_empty() => Found::Nothing,
            None => Found::Methods(allowed),
        }
    }
}

/// The segments of a path as they were sent.
pub(super) fn segments(path: &str) -> Vec<&str> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" => Vec::new(),
        path => path.split('/').collect(),
    }
}

fn split_verb<'p>(segments: &[&'p str]) -> Option<(Vec<&'p str>, &'p str)> {
    let (last, before) = segments.split_last()?;
    let (segment, verb) = last.rsplit_once(':')?;
    Some((before.iter().copied().chain([segment]).collect(), verb))
}

/// What is looked for.
struct Asked<'a> {
    method: &'a str,
    verb: Option<&'a str>,
    /// The methods of bindings that have this path.
    allowed: &'a mut Vec<String>,
}

impl Asked<'_> {
    /// No deeper than the longest template.
    fn visit(&mut self, node: &Node, segments: &[&str]) -> Option<usize> {
        let Some((first, after)) = segments.split_first() else {
            return self.pick(&node.here).or_else(|| self.pick(&node.rest));
        };
        let literal = match node.literals.is_empty() {
            true => None,
            false => node.literals.get(&decode(first)).and_then(|node| self.visit(node, after)),
        };
        let one = |asked: &mut Self| {
            let node = node.one.as_ref().filter(|_| !first.is_empty())?;
            asked.visit(node, after)
        };
        literal.or_else(|| one(self)).or_else(|| self.pick(&node.rest))
    }

    fn pick(&mut self, leaves: &[Leaf]) -> Option<usize> {
        let mut any = None;
        for leaf in leaves.iter().filter(|leaf| leaf.verb.as_deref() == self.verb) {
            match &leaf.method {
                Method::Is(method) if method == self.method => return Some(leaf.binding),
                // RFC 9110 9.3.2: the same without a body.
                Method::Is(method) if method == "GET" && self.method == "HEAD" => any = Some(leaf.binding),
                Method::Is(method) => {
                    if !self.allowed.contains(method) {
                        self.allowed.push(method.clone());
                    }
                }
                Method::Any => any = any.or(Some(leaf.binding)),
            }
        }
        any
    }
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::template;
    use super::*;

    #[test]
    fn the_most_specific_binding_that_has_the_method_takes_a_request() {
        let mut paths = Paths::default();
        let written = [
            ("GET", "/v1/books/{id}"),
            ("DELETE", "/v1/books/{id}"),
            ("GET", "/v1/books/top"),
            ("POST", "/v1/books/{id}:archive"),
            ("GET", "/v1/files/{name=**}"),
            ("*", "/v1/books/{id}/any"),
            ("GET", "/v1/{kind}/{id}"),
            ("POST", "/v1/books/top/any"),
        ];
        for (number, (method, path)) in written.iter().enumerate() {
            let method = if *method == "*" { Method::Any } else { Method::Is((*method).to_owned()) };
            paths.add(&template::parse(path).unwrap(), method, number).unwrap();
        }
        let same = paths.add(&template::parse("/v1/books/{other}").unwrap(), Method::Is("GET".into()), 99);
        assert_eq!(same, Err(0));
        let methods = |methods: &[&str]| Found::Methods(methods.iter().map(ToString::to_string).collect());
        for (method, path, expected) in [
            ("GET", "/v1/books/7", Found::Binding(0)),
            ("HEAD", "/v1/books/7", Found::Binding(0)),
            ("DELETE", "/v1/books/7", Found::Binding(1)),
            ("GET", "/v1/books/top", Found::Binding(2)),
            ("GET", "/v1/books/t%6fp", Found::Binding(2)),
            ("DELETE", "/v1/books/top", Found::Binding(1)),
            ("POST", "/v1/books/7:archive", Found::Binding(3)),
            ("GET", "/v1/books/a:b", Found::Binding(0)),
            ("GET", "/v1/files", Found::Binding(4)),
            ("GET", "/v1/files/a/b", Found::Binding(4)),
            ("PURGE", "/v1/books/7/any", Found::Binding(5)),
            ("POST", "/v1/books/top/any", Found::Binding(7)),
            ("PUT", "/v1/books/top/any", Found::Binding(5)),
            ("GET", "/v1/shelves/3", Found::Binding(6)),
            ("PUT", "/v1/shelves/3", methods(&["GET"])),
            ("PUT", "/v1/books/7", methods(&["GET", "DELETE"])),
            ("GET", "/v1/books/", Found::Nothing),
            ("GET", "/v2", Found::Nothing),
            ("GET", "/", Found::Nothing),
        ] {
            assert_eq!(paths.find(method, path), expected, "{method} {path}");
        }
    }
}
