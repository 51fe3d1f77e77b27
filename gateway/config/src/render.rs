//! Diagnostics as a person reads them: the sentence, the line it speaks of with carets, the hint.

use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::{Diagnostic, Place, Severity, Sources};

/// All diagnostics, each followed by a line break; `colour` asks for ANSI escapes.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut output = String::new();
    for diagnostic in diagnostics {
        output.push_str(&renderer.render(&[group(diagnostic, sources)]));
        output.push_str("\n\n");
    }
    output
}

fn group<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut group = Group::with_title(title);

    // Places of one file share one excerpt, the file of the problem itself first.
    let mut files: Vec<&Path> = Vec::new();
    let places = diagnostic.place.iter().chain(diagnostic.labels.iter().map(|label| &label.place));
    for place in places {
        if !files.contains(&place.file.as_path()) {
            files.push(&place.file);
        }
    }
    for file in files {
        let text = sources.text(file).unwrap_or_default();
        let mut snippet = Snippet::source(text).path(file.to_string_lossy());
        if let Some(place) = diagnostic.place.as_ref().filter(|place| place.file.as_path() == file) {
            snippet = snippet.annotation(AnnotationKind::Primary.span(span(place, text)));
        }
        for label in diagnostic.labels.iter().filter(|label| label.place.file.as_path() == file) {
            let annotation = AnnotationKind::Context.span(span(&label.place, text));
            snippet = snippet.annotation(annotation.label(label.text.as_str()));
        }
        group = group.element(snippet);
    }
    match &diagnostic.hint {
        Some(hint) => group.element(Level::HELP.with_name("hint").message(hint.as_str())),
        None => group,
    }
}

/// The range to underline: of a place over several lines only the first, because an excerpt of a whole array helps nobody.
fn span(place: &Place, text: &str) -> std::ops::Range<usize> {
    let (start, end) = place.span;
    let start = start.min(text.len());
    let end = end.min(text.len());
    let first_line = text.get(start..end).map_or(0, |part| part.find('\n').unwrap_or(part.len()));
    start..start + first_line
}
