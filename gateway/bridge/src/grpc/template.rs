//! Path templates as `google.api.http` writes them: `/v1/{name=shelves/*}/books/{book.id}:archive`.

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) segments: Vec<Part>,
    pub(super) variables: Vec<Variable>,
    /// What follows the last colon.
    pub(super) verb: Option<String>,
}

/// What one segment of a path must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// This text.
    Literal(String),
    /// `*`: any one segment.
    One,
    /// `**`: all that are left, also none. The last one.
    Rest,
}

/// A field that is taken from the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// The names of the fields that lead to it.
    pub(super) field: Vec<String>,
    /// The first of its segments.
    pub(super) first: usize,
    /// How many parts of the template it has.
    pub(super) length: usize,
}

/// Reads one.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(text: &str) -> Result<Template, String> {
    let path = text.strip_prefix('/').ok_or("a path begins with `/`")?;
    let (path, verb) = split_verb(path)?;
    let mut template = Template { segments: Vec::new(), variables: Vec::new(), verb };
    if !path.is_empty() {
        for piece in pieces(path)? {
            match piece.strip_prefix('{') {
                Some(inside) => variable(inside.strip_suffix('}').ok_or("a `{` is not closed")?, &mut template)?,
                None => template.segments.push(part(piece)?),
            }
        }
    }
    let rest = template.segments.iter().position(|part| *part == Part::Rest);
    if rest.is_some_and(|rest| rest + 1 != template.segments.len()) {
        return Err("`**` stands at the end only".into());
    }
    for (number, variable) in template.variables.iter().enumerate() {
        if template.variables.iter().skip(number + 1).any(|other| other.field == variable.field) {
            return Err(format!("`{}` is taken twice", variable.field.join(".")));
        }
    }
    Ok(template)
}

/// The verb is what follows the last colon behind the last segment and outside of braces.
fn split_verb(path: &str) -> Result<(&str, Option<String>), String> {
    let end = path.rfind(['/', '}']).map_or(0, |position| position + 1);
    match path.get(end..).unwrap_or_default().rfind(':') {
        None => Ok((path, None)),
        Some(colon) => {
            let (before, verb) = path.split_at(end + colon);
            match verb.get(1..) {
                Some(verb) if !verb.is_empty() => Ok((before, Some(verb.to_owned()))),
                _ => Err("nothing follows the `:`".into()),
            }
        }
    }
}

/// Split at slashes, but for those inside of braces.
fn pieces(path: &str) -> Result<Vec<&str>, String> {
    let (mut pieces, mut begin, mut is_inside) = (Vec::new(), 0, false);
    for (position, letter) in path.char_indices() {
        match letter {
            '{' if is_inside => return Err("a `{` stands inside of another one".into()),
            '{' => is_inside = true,
            '}' if !is_inside => return Err("a `}` closes nothing".into()),
            '}' => is_inside = false,
            '/' if !is_inside => {
                pieces.push(path.get(begin..position).unwrap_or_default());
                begin = position + 1;
            }
            _ => {}
        }
    }
    pieces.push(path.get(begin..).unwrap_or_default());
    Ok(pieces)
}

fn variable(text: &str, template: &mut Template) -> Result<(), String> {
    let (field, segments) = text.split_once('=').unwrap_or((text, "*"));
    let field: Vec<String> = field.split('.').map(str::to_owned).collect();
    let is_name =
        |name: &String| !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !field.iter().all(is_name) {
        return Err(format!("`{}` names no field", field.join(".")));
    }
    let parts = segments.split('/').map(part).collect::<Result<Vec<_>, _>>()?;
    template.variables.push(Variable { field, first: template.segments.len(), length: parts.len() });
    template.segments.extend(parts);
    Ok(())
}

fn part(text: &str) -> Result<Part, String> {
    match text {
        "" => Err("a segment is empty".into()),
        "*" => Ok(Part::One),
        "**" => Ok(Part::Rest),
        literal if literal.contains(['*', '{', '}', '=', '?', '#']) => {
            Err(format!("`{literal}` is neither a text nor a wildcard"))
        }
        literal => Ok(Part::Literal(literal.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Part {
        Part::Literal(text.into())
    }

    fn variable(field: &[&str], first: usize, length: usize) -> Variable {
        Variable { field: field.iter().map(ToString::to_string).collect(), first, length }
    }

    #[test]
    fn templates_are_read() {
        for (text, segments, variables, verb) in [
            ("/v1/shelves", vec![literal("v1"), literal("shelves")], vec![], None),
            ("/v1/{id}", vec![literal("v1"), Part::One], vec![variable(&["id"], 1, 1)], None),
            (
                "/v1/{name=shelves/*/books/*}:archive",
                vec![literal("v1"), literal("shelves"), Part::One, literal("books"), Part::One],
                vec![variable(&["name"], 1, 4)],
                Some("archive"),
            ),
            (
                "/v1/{book.name=shelves/**}",
                vec![literal("v1"), literal("shelves"), Part::Rest],
                vec![variable(&["book", "name"], 1, 2)],
                None,
            ),
            ("/v1/*/x:go", vec![literal("v1"), Part::One, literal("x")], vec![], Some("go")),
            ("/a:b/c", vec![literal("a:b"), literal("c")], vec![], None),
            ("/", vec![], vec![], None),
        ] {
            let verb = verb.map(str::to_owned);
            assert_eq!(parse(text), Ok(Template { segments, variables, verb }), "{text}");
        }
    }

    #[test]
    fn what_is_no_template_is_told() {
        for (text, expected) in [
            ("v1", "a path begins with `/`"),
            ("/v1/", "a segment is empty"),
            ("/v1//a", "a segment is empty"),
            ("/v1/**/a", "`**` stands at the end only"),
            ("/v1/{a", "a `{` is not closed"),
            ("/v1/a}", "a `}` closes nothing"),
            ("/v1/{a={b}}", "a `{` stands inside of another one"),
            ("/v1/{a..b}", "`a..b` names no field"),
            ("/v1/{a}/{a}", "`a` is taken twice"),
            ("/v1/a*", "`a*` is neither a text nor a wildcard"),
            ("/v1/a:", "nothing follows the `:`"),
            ("/v1/{a=}", "a segment is empty"),
        ] {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
        }
    }
}
