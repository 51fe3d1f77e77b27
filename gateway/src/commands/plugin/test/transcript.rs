//! What happened in a scenario, as text that is compared with what was expected.

use http::HeaderMap;
use parking_lot::Mutex;
use similar::{ChangeTag, TextDiff};
use std::fmt::Write as _;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};

/// Fields that say nothing of the plugin: the client's transport, and the time.
const LEFT_OUT: [&str; 4] = ["content-length", "date", "transfer-encoding", "x-request-id"];

/// What was seen so far, line by line.
#[derive(Default)]
pub(super) struct Transcript(Mutex<String>);

impl Transcript {
    /// A request or an answer: a line that says what it is, its fields by name, its body.
    pub(super) fn message(&self, what: &str, headers: &HeaderMap, body: &[u8]) {
        let mut fields: Vec<_> = headers.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())).collect();
        fields.sort_by_key(|(name, _)| name.as_str());
        let mut text = self.0.lock();
        let _ = writeln!(text, "--- {what}");
        for (name, value) in fields {
            let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
        if !body.is_empty() {
            let _ = writeln!(text, "\n{}", String::from_utf8_lossy(body).trim_end_matches('\n'));
        }
    }

    /// Something of one line.
    pub(super) fn note(&self, what: &str, value: &str) {
        let _ = writeln!(self.0.lock(), "--- {what}: {value}");
    }

    /// An exchange begins.
    pub(super) fn begin(&self, title: &str) {
        let mut text = self.0.lock();
        let separator = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{separator}=== {title}");
    }

    /// All of it, and nothing is left.
    pub(super) fn take(&self) -> String {
        std::mem::take(&mut self.0.lock())
    }
}

/// Both texts line by line: what is missing with a minus, what is too much with a plus.
pub(super) fn differences(expected: &str, seen: &str) -> String {
    let mut text = String::new();
    for change in TextDiff::from_lines(expected, seen).iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        let _ = writeln!(text, "    {sign} {}", change.value().trim_end_matches('\n'));
    }
    text
}

/// Takes what plugins log, and what is logged of their failures, into a transcript.
pub(super) struct Log(pub(super) std::sync::Arc<Transcript>);

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let data = event.metadata();
        if data.target() == "gateway::plugin" {
            self.0.note(&format!("log {}", data.level().as_str().to_ascii_lowercase()), &said.message);
        } else if said.message == "plugin failed" {
            self.0.note("failed", &format!("{} in {}", said.kind, said.phase));
        }
    }
}

#[derive(Default)]
struct Said {
    message: String,
    kind: String,
    phase: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let into = match field.name() {
            "message" => &mut self.message,
            "kind" => &mut self.kind,
            "phase" => &mut self.phase,
            _ => return,
        };
        *into = format!("{value:?}").trim_matches('"').to_owned();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked_and_the_rest_is_there() {
        assert_eq!(differences("a\nb\nc\n", "a\nx\nc\n"), "      a\n    - b\n    + x\n      c\n");
    }

    #[test]
    fn fields_come_by_name_and_without_the_transport() {
        let transcript = Transcript::default();
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-b", "1"), ("date", "today"), ("accept", "2"), ("accept", "1")] {
            headers.append(name, value.parse().unwrap());
        }
        transcript.begin("GET /");
        transcript.message("answer 200", &headers, b"{}\n");
        assert_eq!(transcript.take(), "=== GET /\n--- answer 200\naccept: 2\naccept: 1\nx-b: 1\n\n{}\n");
        assert_eq!(transcript.take(), "");
    }
}
