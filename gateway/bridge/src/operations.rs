//! Which operation a request is, and what its path captures.

use gateway_config::{Bridge, MessagePart, MessageSource, MessageTemplate, Operation, PathPattern, Payload, Segment};
use gateway_core::exchange::Answer;
use gateway_core::problem;
use http::header::{ALLOW, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// What a path captured, decoded.
pub(crate) type Captured = Vec<(Arc<str>, String)>;

/// The first operation whose path and method fit.
///
/// # Errors
/// The answer where there is none: 404, or 405 where only the method is another.
pub(crate) fn find<'b>(
    operations: &'b [Operation],
    method: &Method,
    path: &str,
) -> Result<(&'b Operation, Captured), Box<Answer>> {
    let mut allowed: Vec<&str> = Vec::new();
    for operation in operations {
        let Some(captured) = capture(&operation.path, path) else { continue };
        if operation.methods.is_empty() || operation.methods.iter().any(|allowed| allowed == method.as_str()) {
            return Ok((operation, captured));
        }
        allowed.extend(operation.methods.iter().map(String::as_str));
    }
    if allowed.is_empty() {
        return Err(Box::new(problem::answer(StatusCode::NOT_FOUND, Some("no operation has this path"))));
    }
    let mut answer =
        problem::answer(StatusCode::METHOD_NOT_ALLOWED, Some("the operations with this path have other methods"));
    if let Ok(value) = HeaderValue::try_from(allowed.join(", ")) {
        answer.headers.insert(ALLOW, value);
    }
    Err(Box::new(answer))
}

fn capture(pattern: &PathPattern, path: &str) -> Option<Captured> {
    let mut captured = Vec::new();
    let mut rest = Some(path.strip_prefix('/')?);
    for segment in &pattern.segments {
        let left = rest?;
        if let Segment::Rest(name) = segment {
            captured.push((Arc::clone(name), decode(left)?));
            return Some(captured);
        }
        let (this, after) = match left.split_once('/') {
            Some((this, after)) => (this, Some(after)),
            None => (left, None),
        };
        match segment {
            Segment::Literal(literal) if literal != this => return None,
            Segment::Parameter(_) if this.is_empty() => return None,
            Segment::Parameter(name) => captured.push((Arc::clone(name), decode(this)?)),
            _ => {}
        }
        rest = after;
    }
    rest.is_none().then_some(captured)
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// The attributes that any operation takes from, each once.
pub(crate) fn attributes(bridge: &Bridge) -> Vec<Arc<str>> {
    fn of(template: &MessageTemplate, found: &mut Vec<Arc<str>>) {
        for part in &template.parts {
            if let MessagePart::Place { source: MessageSource::Attribute(name), .. } = part
                && !found.contains(name)
            {
                found.push(Arc::clone(name));
            }
        }
    }
    fn inside(payload: &Payload, found: &mut Vec<Arc<str>>) {
        match payload {
            Payload::Fixed(_) => {}
            Payload::Text(template) => of(template, found),
            Payload::List(items) => items.iter().for_each(|item| inside(item, found)),
            Payload::Object(entries) => entries.iter().for_each(|(_, item)| inside(item, found)),
        }
    }
    let mut found = Vec::new();
    for operation in &bridge.operations {
        of(&operation.to, &mut found);
        operation.headers.iter().for_each(|(_, template)| of(template, &mut found));
        operation.id.iter().for_each(|template| of(template, &mut found));
        operation.payload.iter().for_each(|payload| inside(payload, &mut found));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(segments: Vec<Segment>) -> PathPattern {
        PathPattern { text: String::new(), segments, prefix: false }
    }

    #[test]
    fn a_path_is_captured_decoded_or_does_not_fit() {
        let order = pattern(vec![Segment::Literal("orders".into()), Segment::Parameter("id".into())]);
        let rest = pattern(vec![Segment::Literal("files".into()), Segment::Rest("name".into())]);
        let cases: [(&PathPattern, &str, Option<&str>); 7] = [
            (&order, "/orders/7", Some("7")),
            (&order, "/orders/a%20b", Some("a b")),
            (&order, "/orders/", None),
            (&order, "/orders", None),
            (&order, "/orders/7/lines", None),
            (&rest, "/files/a/b", Some("a/b")),
            (&order, "/orders/%FF", None),
        ];
        for (pattern, path, expected) in cases {
            let captured = capture(pattern, path);
            let value = captured.as_ref().and_then(|captured| captured.first()).map(|(_, value)| value.as_str());
            assert_eq!(value, expected, "{path}");
        }
    }
}
