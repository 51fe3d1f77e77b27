//! A record as a line: an object, or `key=value` for people.
//!
//! There is one for each request that was served, so nothing here goes by `Display` that is in every line.

use super::Settings;
use super::entry::{Told, each};
use gateway_config::LogFormat;
use gateway_core::hex::digits;
use gateway_core::observe::Record;
use itoa::Buffer;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// How a line begins, and what stands before each value of it.
pub(super) struct Labels {
    /// As it is where the value is the first of its line.
    first: Vec<Label>,
    next: Vec<Label>,
}

/// What stands before a value. So many bytes are always copied, and those that are not its own cut off again: copying as many as there are is
/// guessed wrong most of the time, and costs more.
struct Label {
    begin: [u8; 24],
    length: usize,
    /// What does not fit.
    rest: Vec<u8>,
}

impl Label {
    fn new(text: &str) -> Self {
        let (mut begin, bytes) = ([0; 24], text.as_bytes());
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
    /// Names are words and tokens, which have nothing to escape.
    pub(super) fn new(names: &[String], format: LogFormat) -> Self {
        let label = |begin: &str| {
            let label = |name: &String| match format {
                LogFormat::Json => Label::new(&format!("{begin}\"{name}\":")),
                LogFormat::Text => Label::new(&format!("{begin}{name}=")),
            };
            names.iter().map(label).collect()
        };
        match format {
            LogFormat::Json => Self { first: label("{"), next: label(",") },
            LogFormat::Text => Self { first: label(""), next: label(" ") },
        }
    }
}

/// Lines that are written together.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) bytes: Vec<u8>,
    /// The second that was told last, and its text up to the point before its fraction.
    second: Option<(u64, String)>,
}

impl Lines {
    /// Puts a line behind the others.
    pub(super) fn put(&mut self, record: &Record, settings: &Settings) {
        let is_json = settings.log.format == LogFormat::Json;
        let mut labels = &settings.labels.first;
        for (position, told) in each(record, settings) {
            let Some(label) = labels.get(position) else { continue };
            label.put(&mut self.bytes);
            labels = &settings.labels.next;
            match told {
                Told::Text(text) => self.text(&text, is_json),
                Told::Word(word) => self.quoted(is_json, |lines| lines.bytes.extend_from_slice(word.as_bytes())),
                Told::Whole(number) => self.whole(number),
                Told::Time(time) => self.quoted(is_json, |lines| lines.time(time)),
                Told::Address(address) => self.quoted(is_json, |lines| lines.address(address)),
                Told::Trace(id) => self.quoted(is_json, |lines| {
                    lines.bytes.extend_from_slice(&digits((id >> 64) as u64));
                    lines.bytes.extend_from_slice(&digits(id as u64));
                }),
                Told::Milliseconds(duration) => self.milliseconds(duration),
            }
        }
        self.bytes.extend_from_slice(if is_json { b"}\n" } else { b"\n" });
    }

    fn quoted(&mut self, is_json: bool, tell: impl FnOnce(&mut Self)) {
        if is_json {
            self.bytes.push(b'"');
        }
        tell(self);
        if is_json {
            self.bytes.push(b'"');
        }
    }

    fn text(&mut self, text: &str, is_json: bool) {
        if !is_json && is_word(text) {
            self.bytes.extend_from_slice(text.as_bytes());
        } else if is_plain(text) {
            self.quoted(true, |lines| lines.bytes.extend_from_slice(text.as_bytes()));
        } else {
            let _ = serde_json::to_writer(&mut self.bytes, text);
        }
    }

    fn whole(&mut self, number: u64) {
        self.bytes.extend_from_slice(Buffer::new().format(number).as_bytes());
    }

    /// `2026-11-26T18:40:00.000001Z` (RFC 3339).
    fn time(&mut self, time: SystemTime) {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (second, text) = match self.second.take() {
            Some((second, text)) if second == since.as_secs() => (second, text),
            _ => {
                let mut text = humantime::format_rfc3339_seconds(time).to_string();
                text.truncate(text.trim_end_matches('Z').len());
                (since.as_secs(), text)
            }
        };
        self.bytes.extend_from_slice(text.as_bytes());
        self.second = Some((second, text));
        self.fraction::<6>(since.subsec_micros());
        self.bytes.push(b'Z');
    }

    /// A point and so many digits.
    fn fraction<const DIGITS: usize>(&mut self, mut number: u32) {
        let mut text = [b'0'; DIGITS];
        for digit in text.iter_mut().rev() {
            *digit += (number % 10) as u8;
            number /= 10;
        }
        self.bytes.push(b'.');
        self.bytes.extend_from_slice(&text);
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                for (position, octet) in address.octets().into_iter().enumerate() {
                    if position > 0 {
                        self.bytes.push(b'.');
                    }
                    self.whole(octet.into());
                }
            }
            // Writing to memory does not fail.
            IpAddr::V6(address) => drop(write!(self.bytes, "{address}")),
        }
    }

    /// As far as whole microseconds: what is behind them is noise.
    fn milliseconds(&mut self, duration: Duration) {
        self.whole(duration.as_millis().try_into().unwrap_or(u64::MAX));
        self.fraction::<3>(duration.subsec_micros() % 1000);
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
