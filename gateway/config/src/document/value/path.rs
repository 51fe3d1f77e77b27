//! Paths and path patterns, brought to the normal form that requests are matched in.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::{Fault, Scalar, Text};
use crate::{PathPattern, Segment};

/// `path = "/orders/{id}"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExactPath(pub(crate) PathPattern);

impl Scalar for ExactPath {
    const CODE: &'static str = "invalid-path";
    const TEXT: Text = Text { what: "a path", example: Some("/orders/{id}"), pattern: Some("^/[^?#]*$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        let segments = parse_segments(text)?;
        Ok(Self(PathPattern { text: text.to_owned(), segments, prefix: false }))
    }
}

/// `prefix = "/orders"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PrefixPath(pub(crate) PathPattern);

impl Scalar for PrefixPath {
    const CODE: &'static str = "invalid-path";
    const TEXT: Text = Text { what: "a path", example: Some("/orders"), pattern: Some("^/[^?#]*$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        let mut segments = parse_segments(text)?;
        match segments.last() {
            Some(Segment::Rest(_)) => {
                let fault = Fault::new("a prefix leaves open what follows: it has no `{*…}`");
                return Err(fault.hint("leave the last segment out, or use `path`"));
            }
            // `/` is a prefix of everything.
            Some(Segment::Literal(last)) if last.is_empty() && segments.len() == 1 => segments.clear(),
            Some(Segment::Literal(last)) if last.is_empty() => {
                let short = text.trim_end_matches('/');
                let fault = Fault::new("a prefix ends without a slash");
                return Err(fault.hint(format!("`\"{short}\"` matches `{short}` and all that follows `{short}/`")));
            }
            _ => {}
        }
        Ok(Self(PathPattern { text: text.to_owned(), segments, prefix: true }))
    }
}

/// A path without parameters and without a slash at its end, as `strip` and `add` take it: `/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainPath(pub(crate) String);

impl Scalar for PlainPath {
    const CODE: &'static str = "invalid-path";
    const TEXT: Text = Text { what: "a path", example: Some("/v1"), pattern: Some("^/[^?#{}]*[^/]$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > 1 && text.ends_with('/') || text == "/" {
            return Err(Fault::new("a prefix ends without a slash").hint("for example `\"/v1\"`"));
        }
        let mut normal = String::new();
        for segment in parse_segments(text)? {
            let Segment::Literal(literal) = segment else {
                return Err(Fault::new("`strip` and `add` take no parameters").hint("use `rewrite = { path = … }`"));
            };
            normal.push('/');
            normal.push_str(&literal);
        }
        Ok(Self(normal))
    }
}

/// The segments of a pattern, its literals in normal form.
fn parse_segments(text: &str) -> Result<Vec<Segment>, Fault> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err(Fault::new("a path begins with a slash").hint(format!("write `\"/{text}\"`")));
    };
    if let Some(mark) = text.find(['?', '#']) {
        let (path, _) = text.split_at(mark);
        let fault = Fault::new("a path has neither query nor fragment");
        return Err(
            fault.hint(format!("`\"{path}\"`; query parameters are matched by `query = {{ name = \"value\" }}`"))
        );
    }
    let mut captured = BTreeSet::new();
    let mut segments = Vec::new();
    let mut parts = rest.split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let segment = parse_segment(part)?;
        match &segment {
            Segment::Literal(literal) if literal.is_empty() && !is_last => {
                return Err(Fault::new("a path has no empty segment")
                    .hint("requests with `//` are brought to one slash; write one"));
            }
            Segment::Literal(literal) if literal == "." || literal == ".." => {
                let fault = Fault::new(format!("`{part}` never comes in a path"));
                return Err(fault.hint("requests are matched once their dots are resolved"));
            }
            Segment::Rest(name) if !is_last => {
                let fault = Fault::new(format!("`{{*{name}}}` takes all that is left, so it stands at the end"));
                return Err(fault.hint(format!("`{{{name}}}` is one segment")));
            }
            Segment::Parameter(name) | Segment::Rest(name) if !captured.insert(Arc::clone(name)) => {
                return Err(Fault::new(format!("`{{{name}}}` is captured twice")).hint("give each its own name"));
            }
            _ => segments.push(segment),
        }
    }
    Ok(segments)
}

fn parse_segment(part: &str) -> Result<Segment, Fault> {
    let Some(inside) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        if part.contains(['{', '}']) {
            let fault = Fault::new(format!("`{part}` is neither text nor a parameter"));
            return Err(fault.hint("a parameter is a whole segment: `/{id}/`; write `%7B` and `%7D` for braces"));
        }
        return normal_form(part).map(Segment::Literal);
    };
    match inside.strip_prefix('*') {
        Some(name) => parameter_name(name).map(Segment::Rest),
        None => parameter_name(inside).map(Segment::Parameter),
    }
}

/// What may stand between braces.
pub(super) fn parameter_name(name: &str) -> Result<Arc<str>, Fault> {
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match is_name {
        true => Ok(name.into()),
        false => {
            Err(Fault::new(format!("`{name}` is no name of a parameter")).hint("letters, digits and `_`: `{order_id}`"))
        }
    }
}

/// One spelling for each text: what needs no escape is written plain, everything else escaped in upper case (RFC 3986
/// 6.2.2).
pub(super) fn normal_form(text: &str) -> Result<String, Fault> {
    let mut normal = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|byte| hex_digit(byte.unwrap_or(b'%')));
                let [Some(high), Some(low)] = digits else {
                    let fault = Fault::new("`%` is not followed by two hex digits");
                    return Err(fault.hint("a percent sign itself is written `%25`"));
                };
                let value = high << 4 | low;
                match is_unreserved(value) {
                    true => normal.push(char::from(value)),
                    false => push_escaped(&mut normal, value),
                }
            }
            b'\\' => {
                return Err(Fault::new("a path has no backslash")
                    .hint("write `%5C`, and allow it with `allow = [\"backslash\"]`"));
            }
            byte if byte.is_ascii_control() => {
                return Err(Fault::new("a path has no control characters"));
            }
            byte if is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte) => normal.push(char::from(byte)),
            byte => push_escaped(&mut normal, byte),
        }
    }
    Ok(normal)
}

fn push_escaped(text: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(text, "%{byte:02X}");
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// RFC 3986 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
