//! Text with captured parameters in it, for rewritten paths and redirects.

use gateway_config::{Template, TemplatePart};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::sync::Arc;

/// What a path segment cannot hold as it is (RFC 3986 3.3). Slashes stay: `{*rest}` has several segments.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Fills in what the path captured, percent-encoded again.
#[must_use]
pub fn expand(template: &Template, parameters: &[(Arc<str>, String)]) -> String {
    let mut text = String::new();
    for part in &template.parts {
        match part {
            TemplatePart::Text(part) => text.push_str(part),
            TemplatePart::Parameter(name) => {
                if let Some((_, value)) = parameters.iter().find(|(known, _)| known == name) {
                    text.extend(utf8_percent_encode(value, SEGMENT));
                }
            }
        }
    }
    text
}
