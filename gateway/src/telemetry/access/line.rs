//! A record as a line: an object, or `key=value` for people.
//!
//! There is one for each request that was served, so nothing here goes by `Display` that is in every line.

use super::Settings;
use super::entry::{Form, tell};
use gateway_config::{LogField, LogFormat};
use gateway_core::hex::digits;
use gateway_core::observe::Record;
use itoa::Buffer;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What stands before each value of a line, in JSON with the quote that it begins with.
pub(super) struct Labels(Vec<Label>);

/// A text that is the same in line after line. So many bytes are always copied, and those that are not its own cut off again: copying as many as there are is
/// guessed wrong most of the time, and costs more.
struct Label {
    begin: [u8; 32],
    length: usize,
    /// What does not fit.
    rest: Vec<u8>,
}

impl Label {
    fn new(text: &str) -> Self {
        let (mut begin, bytes) = ([0; 32], text.as_bytes());
        let (fits, rest) = bytes.split_at(bytes.len().min(begin.len()));
        if let Some(place) = begin.get_mut(..fits.len()) {
            place.copy_from_slice(fits);
        }
        Self { begin, length: fits.len(), rest: rest.to_vec() }
    }

    fn put(&self, line: &mut Vec<u8>) {
        let before = line.len();
        line.extend_from_slice(&self.begin);
        line.truncate(before + self.length);
        if !self.rest.is_empty() {
            line.extend_from_slice(&self.rest);
        }
    }
}

impl Labels {
    pub(super) fn new(fields: &[LogField], format: LogFormat) -> Self {
        // Names are words and tokens, which have nothing to escape.
        let label = |field: &LogField| match (format, field) {
            (LogFormat::Text, _) => Label::new(&format!("{}=", field.name())),
            (LogFormat::Json, LogField::Status | LogField::Received | LogField::Sent | LogField::Milliseconds) => {
                Label::new(&format!("\"{}\":", field.name()))
            }
            (LogFormat::Json, _) => Label::new(&format!("\"{}\":\"", field.name())),
        };
        Self(fields.iter().map(label).collect())
    }
}

/// Lines that are written together.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    /// The second that was told last, and its text up to the point before its fraction.
    second: Option<(u64, Label)>,
}

impl Lines {
    /// Puts a line behind the others.
    pub(super) fn put(&mut self, record: &Record, settings: &Settings) {
        let is_json = settings.log.format == LogFormat::Json;
        if is_json {
            self.bytes.push(b'{');
        }
        let before = self.bytes.len();
        tell(record, settings, &mut Line { lines: self, labels: &settings.labels, is_json });
        // What stands between two values stands behind the last one as well.
        if self.bytes.len() > before {
            self.bytes.pop();
        }
        self.bytes.extend_from_slice(if is_json { b"}\n" } else { b"\n" });
    }
}

/// One of them, as it is made.
struct Line<'a> {
    lines: &'a mut Lines,
    labels: &'a Labels,
    is_json: bool,
}

impl Line<'_> {
    /// Begins a value.
    fn label(&mut self, field: usize) {
        if let Some(label) = self.labels.0.get(field) {
            label.put(&mut self.lines.bytes);
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.lines.bytes.extend_from_slice(bytes);
    }

    /// Ends one that is quoted in JSON.
    fn close(&mut self) {
        self.put(if self.is_json { b"\"," } else { b" " });
    }

    /// Ends a number.
    fn end(&mut self) {
        self.put(if self.is_json { b"," } else { b" " });
    }

    /// A point and so many digits.
    fn fraction<const DIGITS: u32>(&mut self, number: u32) {
        let mut buffer = Buffer::new();
        // Its first digit is where the point is.
        let text = buffer.format(const { 10_u32.pow(DIGITS) } + number);
        self.lines.bytes.push(b'.');
        self.put(text.get(1..).unwrap_or_default().as_bytes());
    }
}

impl Form for Line<'_> {
    fn text(&mut self, field: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        self.label(field);
        if is_plain(text) && (self.is_json || is_word(text)) {
            self.put(text.as_bytes());
            return self.close();
        }
        if self.is_json {
            // The label's quote: what comes has quotes of its own.
            self.lines.bytes.pop();
        }
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut self.lines.bytes, text);
        self.end();
    }

    fn word(&mut self, field: usize, word: &str) {
        if !self.is_json && !is_word(word) {
            return self.text(field, word);
        }
        if !word.is_empty() {
            self.label(field);
            self.put(word.as_bytes());
            self.close();
        }
    }

    fn whole(&mut self, field: usize, number: u64) {
        self.label(field);
        self.put(Buffer::new().format(number).as_bytes());
        self.end();
    }

    /// `2026-11-26T18:40:00.000001Z` (RFC 3339).
    fn time(&mut self, field: usize, time: SystemTime) {
        self.label(field);
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.lines.second.as_ref().is_none_or(|(second, _)| *second != since.as_secs()) {
            let text = humantime::format_rfc3339_seconds(time).to_string();
            self.lines.second = Some((since.as_secs(), Label::new(text.trim_end_matches('Z'))));
        }
        if let Some((_, text)) = &self.lines.second {
            text.put(&mut self.lines.bytes);
        }
        self.fraction::<6>(since.subsec_micros());
        self.lines.bytes.push(b'Z');
        self.close();
    }

    fn address(&mut self, field: usize, address: IpAddr) {
        self.label(field);
        match address {
            IpAddr::V4(address) => {
                for octet in address.octets() {
                    self.put(Buffer::new().format(octet).as_bytes());
                    self.lines.bytes.push(b'.');
                }
                self.lines.bytes.pop();
            }
            // Writing to memory does not fail.
            IpAddr::V6(address) => drop(write!(self.lines.bytes, "{address}")),
        }
        self.close();
    }

    fn trace(&mut self, field: usize, id: u128) {
        self.label(field);
        self.put(&digits((id >> 64) as u64));
        self.put(&digits(id as u64));
        self.close();
    }

    /// As far as whole microseconds: what is behind them is noise.
    fn milliseconds(&mut self, field: usize, duration: Duration) {
        self.label(field);
        let micros = duration.subsec_micros();
        let whole = duration.as_secs().saturating_mul(1_000).saturating_add((micros / 1_000).into());
        self.put(Buffer::new().format(whole).as_bytes());
        self.fraction::<3>(micros % 1_000);
        self.end();
    }
}

/// Whether a text is in JSON what it is.
fn is_plain(text: &str) -> bool {
    let (whole, rest) = text.as_bytes().as_chunks();
    let mut last = [b' '; 8];
    if let Some(place) = last.get_mut(..rest.len()) {
        place.copy_from_slice(rest);
    }
    whole.iter().chain([&last]).all(|eight| !has_special(u64::from_ne_bytes(*eight)))
}

/// Whether one of eight bytes is a control character, a quote or a backslash.
fn has_special(eight: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The highest bit of a byte that is below, as long as none of those after it has borrowed from it: then one of those is.
    let below = |value: u64, bound: u8| value.wrapping_sub(ONES * u64::from(bound)) & !value;
    let is = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
    (below(eight, b' ') | is(b'"') | is(b'\\')) & (ONES << 7) != 0
}

/// Whether a text needs no quotes to be told from what follows.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_config::{AccessLog, LogField, LogTarget};
    use gateway_core::plugin::Summary;
    use http::{HeaderValue, Method};
    use proptest::prelude::*;

    fn record() -> Record {
        Record {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
            request: HeaderValue::from_static("r-1"),
            trace: Some((0xabc, 1)),
            listener: "public".into(),
            client: IpAddr::from([192, 0, 2, 1]),
            consumer: None,
            method: Method::GET,
            scheme: "https",
            authority: "shop.example".into(),
            path: "/a b\n".into(),
            query: Some("token=x&page=1".into()),
            protocol: "2",
            route: "orders".into(),
            upstream: None,
            summary: Summary {
                status: 200,
                duration: Duration::from_micros(1_234),
                response_bytes: 7,
                ..Summary::default()
            },
            fields: vec![Some(HeaderValue::from_static("curl")), Some(HeaderValue::from_static("Bearer x")), None],
        }
    }

    fn log(format: LogFormat, fields: Vec<LogField>) -> AccessLog {
        AccessLog { target: LogTarget::Stdout, format, fields, sample: 1_000_000, redact: Vec::new() }
    }

    fn written(record: &Record, format: LogFormat, fields: Vec<LogField>) -> String {
        let mut lines = Lines::default();
        lines.put(record, &Settings::new(&log(format, fields)));
        String::from_utf8(lines.bytes).unwrap()
    }

    #[test]
    fn an_entry_has_what_was_chosen_and_no_credentials() {
        let header = |name: &str| LogField::Header(name.to_owned());
        let fields = vec![
            LogField::Consumer,
            LogField::Status,
            header("x-a-name-that-fits-no-label"),
            LogField::Query,
            header("authorization"),
            header("x-none"),
            LogField::Milliseconds,
        ];
        let expected = "{\"status\":200,\"header.x-a-name-that-fits-no-label\":\"curl\",\"query\":\"token=REDACTED&page=1\",\
                        \"header.authorization\":\"REDACTED\",\"milliseconds\":1.234}\n";
        assert_eq!(written(&record(), LogFormat::Json, fields), expected);
    }

    #[test]
    fn an_entry_without_anything_is_an_object() {
        assert_eq!(written(&record(), LogFormat::Json, vec![LogField::Consumer]), "{}\n");
        assert_eq!(written(&record(), LogFormat::Text, vec![LogField::Consumer]), "\n");
    }

    #[test]
    fn a_line_for_people_is_one_line() {
        let expected = "time=1970-01-01T00:00:01.500000Z request=r-1 client=192.0.2.1 method=GET host=shop.example \
                        path=\"/a b\\n\" status=200 milliseconds=1.234 received=0 sent=7 route=orders \
                        trace=00000000000000000000000000000abc listener=public scheme=https protocol=2\n";
        assert_eq!(written(&record(), LogFormat::Text, LogField::usual()), expected);
    }

    #[test]
    fn what_has_to_be_escaped_is_seen_wherever_it_stands() {
        for length in 1..20 {
            for (position, special) in
                (0..length).flat_map(|position| [1, 0x1f, b'"', b'\\'].map(|byte| (position, byte)))
            {
                for other in ["a", " ", "~", "!", "#"] {
                    let mut text = other.repeat(length).into_bytes();
                    assert!(is_plain(std::str::from_utf8(&text).unwrap()), "{text:?}");
                    text[position] = special;
                    assert!(!is_plain(std::str::from_utf8(&text).unwrap()), "{text:?}");
                }
            }
        }
        assert!(is_plain("übergröße \u{7f}\u{80} €") && is_plain(""));
    }

    proptest! {
        #[test]
        fn an_object_is_what_it_is_by_serde(
            micros in 0..4_000_000_000_000_000_u64,
            took in 0..9_000_000_u64,
            client: IpAddr,
            path in ".*",
        ) {
            let mut record = record();
            record.at = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
            record.client = client;
            record.path = path;
            record.summary.duration = Duration::from_micros(took);
            let settings = Settings::new(&log(LogFormat::Json, LogField::usual()));
            let expected: serde_json::Map<_, _> = super::super::entry(&record, &settings).into_iter().collect();
            let line = written(&record, LogFormat::Json, LogField::usual());
            let told: serde_json::Map<_, _> = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(told, expected);
        }
    }
}
