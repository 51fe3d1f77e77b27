//! Text with captured parameters in it: where a request goes on to.

use super::path::{normal_form, parameter_name};
use super::{Fault, Scalar, Text};
use crate::{Template, TemplatePart};

/// `rewrite = { path = "/v1/orders/{id}" }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathTemplate(pub(crate) Template);

impl Scalar for PathTemplate {
    const CODE: &'static str = "invalid-template";
    const TEXT: Text = Text { what: "a path", example: Some("/v1/orders/{id}"), pattern: Some("^/[^?#]*$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        if !text.starts_with('/') {
            return Err(Fault::new("a path begins with a slash").hint(format!("write `\"/{text}\"`")));
        }
        if text.contains(['?', '#']) {
            return Err(Fault::new("a path has neither query nor fragment").hint("the query is passed on as it came"));
        }
        let mut template = parse_template(text)?;
        for part in &mut template.parts {
            if let TemplatePart::Text(text) = part {
                let segments: Result<Vec<String>, Fault> = text.split('/').map(normal_form).collect();
                *text = segments?.join("/");
            }
        }
        Ok(Self(template))
    }
}

/// `to = "https://www.example.com/orders/{id}"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocationTemplate(pub(crate) Template);

impl Scalar for LocationTemplate {
    const CODE: &'static str = "invalid-template";
    const TEXT: Text = Text {
        what: "a URL or a path",
        example: Some("https://www.example.com/orders/{id}"),
        pattern: Some("^(/|https?://)"),
    };

    fn parse(text: &str) -> Result<Self, Fault> {
        if !["/", "http://", "https://"].iter().any(|start| text.starts_with(start)) {
            return Err(
                Fault::new(format!("`{text}` is neither a URL nor a path")).hint(format!("write `\"https://{text}\"`"))
            );
        }
        if text.chars().any(|letter| letter.is_control() || letter == ' ' || !letter.is_ascii()) {
            return Err(
                Fault::new("a location is ASCII without spaces").hint("escape other characters: `%20` is a space")
            );
        }
        parse_template(text).map(Self)
    }
}

fn parse_template(text: &str) -> Result<Template, Fault> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let (before, inside) = rest.split_at(open);
        let parameter = inside.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let Some((name, after)) = parameter else {
            return Err(
                Fault::new(format!("a brace in `{text}` has no counterpart")).hint("a parameter is written `{id}`")
            );
        };
        if !before.is_empty() {
            parts.push(TemplatePart::Text(before.to_owned()));
        }
        // What was captured by `{*rest}` is written without the star, but nobody means anything else by it.
        parts.push(TemplatePart::Parameter(parameter_name(name.trim_start_matches('*'))?));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(TemplatePart::Text(rest.to_owned()));
    }
    Ok(Template { parts })
}
