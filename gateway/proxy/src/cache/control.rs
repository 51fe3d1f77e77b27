//! What `cache-control` says, of a request and of an answer (RFC 9111 5.2, RFC 5861, RFC 9213).

use http::header::{CACHE_CONTROL, HeaderMap, HeaderName, PRAGMA};
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use std::time::Duration;

/// Fields that speak to this cache, the closest first (RFC 9213 2.2). The first one that is there and is a structured field counts
/// in place of `cache-control` and `expires`.
const TARGETED: [HeaderName; 2] =
    [HeaderName::from_static("gateway-cache-control"), HeaderName::from_static("cdn-cache-control")];

/// The longest time that is told apart from always (RFC 9111 1.2.2).
pub(super) const LONGEST: u64 = 1 << 31;

/// What a request says. Its client is asked for no more than it wants to say (RFC 9111 5.2.1).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) min_fresh: Option<Duration>,
    /// How stale an answer may be.
    pub(crate) max_stale: Option<Duration>,
}

/// What an answer says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    pub(crate) stale_while_revalidate: Option<Duration>,
    pub(crate) stale_if_error: Option<Duration>,
    /// Fields that `no-cache="…"` and `private="…"` keep from being given again.
    pub(crate) withheld: Vec<HeaderName>,
    /// It was said to caches like this one, by a field of their own.
    pub(crate) is_targeted: bool,
    /// Some of it cannot be read. It may well forbid to store the answer, and nothing else that is said allows it again.
    pub(crate) is_unreadable: bool,
}

impl Asked {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut asked = Self::default();
        let mut has_any = false;
        for line in headers.get_all(CACHE_CONTROL) {
            has_any = true;
            for (name, value) in directives(&String::from_utf8_lossy(line.as_bytes())) {
                asked.take(&name, value.as_deref());
            }
        }
        if !has_any && headers.get_all(PRAGMA).iter().any(|line| line.as_bytes().eq_ignore_ascii_case(b"no-cache")) {
            asked.no_cache = true;
        }
        asked
    }

    fn take(&mut self, name: &str, value: Option<&str>) {
        match name {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => self.max_age = least(self.max_age, seconds(value)),
            "min-fresh" => self.min_fresh = value.and_then(number).max(self.min_fresh),
            "max-stale" => self.max_stale = value.map_or(Some(Duration::MAX), number),
            _ => {}
        }
    }
}

impl Said {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        TARGETED.iter().find_map(|field| targeted(headers, field)).unwrap_or_else(|| {
            let mut said = Self::default();
            for line in headers.get_all(CACHE_CONTROL) {
                match line.to_str() {
                    Ok(line) => directives(line).for_each(|(name, value)| said.take(&name, value.as_deref())),
                    Err(_) => said.is_unreadable = true,
                }
            }
            said
        })
    }

    fn take(&mut self, name: &str, value: Option<&str>) {
        match (name, value) {
            ("no-store", _) => self.no_store = true,
            ("no-cache", None) => self.no_cache = true,
            ("private", None) => self.private = true,
            ("no-cache" | "private", Some(fields)) => self.withhold(fields),
            ("public", _) => self.public = true,
            ("must-revalidate", _) => self.must_revalidate = true,
            ("proxy-revalidate", _) => self.proxy_revalidate = true,
            ("must-understand", _) => self.must_understand = true,
            ("max-age", value) => self.max_age = least(self.max_age, seconds(value)),
            ("s-maxage", value) => self.s_maxage = least(self.s_maxage, seconds(value)),
            ("stale-while-revalidate", Some(value)) => self.stale_while_revalidate = number(value),
            ("stale-if-error", Some(value)) => self.stale_if_error = number(value),
            _ => {}
        }
    }

    /// Names that are none cannot be withheld: then nothing is given again.
    fn withhold(&mut self, fields: &str) {
        for name in fields.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) => self.withheld.push(name),
                Err(_) => self.no_cache = true,
            }
        }
    }
}

/// A field that speaks to this cache; none where it is absent, empty or no dictionary (RFC 9213 2.1).
fn targeted(headers: &HeaderMap, field: &HeaderName) -> Option<Said> {
    let text = gateway_core::headers::joined(headers, field)?;
    let members: Dictionary = Parser::new(&text).parse().ok().filter(|members: &Dictionary| !members.is_empty())?;
    let mut said = Said { is_targeted: true, ..Said::default() };
    for (name, member) in &members {
        let ListEntry::Item(item) = member else { continue };
        match &item.bare_item {
            BareItem::Boolean(true) => said.take(name.as_str(), None),
            BareItem::Integer(number) => said.take(name.as_str(), Some(&number.to_string())),
            BareItem::String(fields) if matches!(name.as_str(), "no-cache" | "private") => {
                said.take(name.as_str(), Some(fields.as_str()));
            }
            // A value of another type is as good as none.
            _ => {}
        }
    }
    Some(said)
}

/// The fields that speak to this cache and to nobody behind it.
pub(crate) fn remove_own(headers: &mut HeaderMap) {
    let [own, _] = &TARGETED;
    headers.remove(own);
}

/// A time that was given twice: the shorter one, so that nothing is used for longer than anybody meant.
fn least(before: Option<Duration>, now: Duration) -> Option<Duration> {
    Some(before.map_or(now, |before| before.min(now)))
}

/// What is no number of seconds counts as none left (RFC 9111 4.2.1).
fn seconds(value: Option<&str>) -> Duration {
    value.and_then(number).unwrap_or_default()
}

fn number(value: &str) -> Option<Duration> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(value.parse().unwrap_or(LONGEST).min(LONGEST)))
}

/// The directives of a line: names in lower case, arguments without their quotes. A comma in quotes separates nothing.
fn directives(line: &str) -> impl Iterator<Item = (String, Option<String>)> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let (mut quoted, mut escaped) = (false, false);
            let end = rest.bytes().position(|byte| match byte {
                _ if escaped => {
                    escaped = false;
                    false
                }
                b'\\' if quoted => {
                    escaped = true;
                    false
                }
                b'"' => {
                    quoted = !quoted;
                    false
                }
                byte => byte == b',' && !quoted,
            });
            let (directive, left) = match end {
                Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default()),
                None => (rest, ""),
            };
            rest = left;
            let directive = directive.trim();
            if directive.is_empty() {
                continue;
            }
            return Some(match directive.split_once('=') {
                None => (directive.to_ascii_lowercase(), None),
                Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(unquoted(value.trim()))),
            });
        }
    })
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(inner) => inner.replace('\\', ""),
        None => value.to_owned(),
    }
}
