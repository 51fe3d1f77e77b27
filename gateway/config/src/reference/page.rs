//! The reference page, in Markdown.

use std::fmt::Write as _;

use crate::document::definition::{Key, Presence, Rule, Section, Shape};

/// The page: a heading for each section, a table of its keys.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Configuration reference\n\n\
         <!-- Generated from the definitions in gateway/config: `BLESS=1 cargo test -p gateway-config` rewrites it. -->\n\n\
         Files are written in [TOML](https://toml.io). Unknown keys are errors. Durations are written `\"250 ms\"`, `\"10 s\"`, \
         `\"5 m\"` or `\"1 h\"`, sizes `\"64 KiB\"` or `\"1 MB\"`. For completion in an editor, point it at \
         [gateway.schema.json](gateway.schema.json).\n",
    );
    for section in super::sections() {
        page.push('\n');
        page.push_str(&describe(section));
    }
    page
}

fn describe(section: &Section) -> String {
    let mut text = format!("## {}\n\n{}\n\n", section.name, section.doc);
    text.push_str("| Key | Type | When not written | Meaning |\n|---|---|---|---|\n");
    for key in &section.keys {
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", key.name, kind(&key.shape), absence(key), cell(&key.doc));
    }
    for rule in &section.rules {
        let _ = write!(text, "\n{}.\n", sentence(rule));
    }
    text
}

fn absence(key: &Key) -> String {
    match &key.presence {
        Presence::Required => "**required**".to_owned(),
        Presence::Optional | Presence::Empty => String::new(),
        Presence::Default(value) => format!("`{value}`"),
    }
}

fn kind(shape: &Shape) -> String {
    match shape {
        Shape::Text(text) => match text.example {
            Some(example) => format!("{}, like `\"{}\"`", text.what, cell(example)),
            None => text.what.to_owned(),
        },
        Shape::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
        Shape::Integer { least, most } => format!("whole number, {least} to {most}"),
        Shape::Number(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
            numbers.join(", ")
        }
        Shape::Boolean => "`true` or `false`".to_owned(),
        Shape::True => "`true`".to_owned(),
        Shape::List(element) => format!("list of: {}", kind(element)),
        Shape::NonEmpty(element) => format!("list, not empty, of: {}", kind(element)),
        Shape::Named(element) => format!("by name: {}", kind(element)),
        Shape::Section(section) => {
            let name = section().name;
            format!("[{name}](#{})", name.to_lowercase())
        }
        Shape::Anything => "any table".to_owned(),
        Shape::Either(shapes) => {
            let each: Vec<String> = shapes.iter().map(kind).collect();
            each.join("; or ")
        }
    }
}

fn sentence(rule: &Rule) -> String {
    let list = |names: &[&str]| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    };
    match rule {
        Rule::ExactlyOne(names) => format!("Exactly one of {} is written", list(names)),
        Rule::AtMostOne(names) => format!("At most one of {} is written", list(names)),
        Rule::Needs(names) => match names.split_first() {
            Some((name, needed)) => format!("`{name}` is written only together with `{}`", needed.join("` or `")),
            None => String::new(),
        },
    }
}

/// A bar would end the table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
