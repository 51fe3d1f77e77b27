//! Statuses of answers: `503`, or `"5xx"` for a class.

use toml::de::DeValue;

use super::{Fault, Scalar, Text};
use crate::Diagnostic;
use crate::document::decode::{Decode, Decoder, Node};
use crate::document::definition::Shape;

/// One status, or all of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statuses(pub(crate) crate::Statuses);

/// `"5xx"`.
struct Class(u16);

impl Scalar for Class {
    const CODE: &'static str = "invalid-status";
    const TEXT: Text = Text { what: "a class of statuses", example: Some("5xx"), pattern: Some("^[2-5]xx$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        match text.as_bytes() {
            [digit @ b'2'..=b'5', b'x' | b'X', b'x' | b'X'] => Ok(Self(u16::from(digit - b'0') * 100)),
            _ => {
                let hint = match text.parse::<u16>() {
                    Ok(status) => format!("a single status stands without quotes: `{status}`"),
                    Err(_) => "`503` for one status, `\"5xx\"` for a class".to_owned(),
                };
                Err(Fault::new(format!("`{}` is no class of statuses", text.escape_debug())).hint(hint))
            }
        }
    }
}

impl Decode for Statuses {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Integer { least: 200, most: 599 }, Class::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Integer(integer) => {
                let status = u16::from_str_radix(integer.as_str(), integer.radix()).ok();
                let status = status.filter(|status| (200..600).contains(status));
                if status.is_none() {
                    let message = format!("expected a status from 200 to 599, found {integer}");
                    decoder.report(node, Diagnostic::error("out-of-range", message));
                }
                status.map(|status| Self(crate::Statuses { first: status, last: status }))
            }
            DeValue::String(_) => {
                Class::decode(node, decoder).map(|Class(first)| Self(crate::Statuses { first, last: first + 99 }))
            }
            _ => {
                decoder.wrong_type(node, "a status or a class of statuses", None);
                None
            }
        }
    }
}
