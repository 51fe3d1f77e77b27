//! Text with captured parameters in it, for rewritten paths and redirects.

use crate::router::Captured;
use gateway_config::{Template, TemplatePart};

/// Fills in what the path captured, encoded as it stood there.
#[must_use]
pub fn expand(template: &Template, captured: &Captured) -> String {
    let parts = template.parts.iter().map(|part| match part {
        TemplatePart::Text(text) => text.as_str(),
        TemplatePart::Parameter(name) => captured.get(name).unwrap_or_default(),
    });
    parts.collect()
}
