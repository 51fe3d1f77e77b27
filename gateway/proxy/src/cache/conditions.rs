//! What a client wants only under conditions, or only a part of, answered from what is stored (RFC 9110 13 and 14, RFC 9111 4.3.2).

use super::policy::date;
use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{Method, StatusCode};

/// What this cache answers by itself.
const OWN: [HeaderName; 4] = [IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE, IF_RANGE];

/// What a client asks beside the answer itself.
#[derive(Debug, Default, Clone)]
pub(crate) struct Conditions {
    none_match: Vec<HeaderValue>,
    modified_since: Option<HeaderValue>,
    range: Option<HeaderValue>,
    if_range: Option<HeaderValue>,
}

/// Which part of a body is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// From the first byte up to before the second.
    Bytes(usize, usize),
    /// None that there is.
    Outside,
}

/// Conditions that only the service can judge: they are about what is there now (RFC 9111 4.3.2).
pub(crate) fn are_the_services(headers: &HeaderMap) -> bool {
    [IF_MATCH, IF_UNMODIFIED_SINCE].iter().any(|name| headers.contains_key(name))
}

impl Conditions {
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        // A range means nothing for other methods (RFC 9110 14.2).
        let of_get = |name: HeaderName| headers.get(name).filter(|_| *method == Method::GET).cloned();
        Self {
            none_match: headers.get_all(IF_NONE_MATCH).iter().cloned().collect(),
            modified_since: headers.get(IF_MODIFIED_SINCE).cloned(),
            range: of_get(RANGE),
            if_range: of_get(IF_RANGE),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.none_match.is_empty() && self.modified_since.is_none() && self.range.is_none()
    }

    /// Takes them out of a request, so that the service answers with the whole.
    pub(crate) fn remove(headers: &mut HeaderMap) {
        for name in OWN {
            headers.remove(name);
        }
    }

    /// Makes of a whole answer what its client wants.
    pub(crate) fn apply(&self, status: StatusCode, headers: &mut HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
        // Conditions are about a representation (RFC 9110 13.2.1).
        if status != StatusCode::OK {
            return (status, body);
        }
        if self.is_unmodified(headers) {
            for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE] {
                headers.remove(name);
            }
            return (StatusCode::NOT_MODIFIED, Bytes::new());
        }
        match self.part(headers, body.len()) {
            None => (status, body),
            Some(Part::Bytes(from, to)) => {
                let range = format!("bytes {from}-{}/{}", to.saturating_sub(1), body.len());
                set(headers, &range);
                headers.remove(CONTENT_LENGTH);
                (StatusCode::PARTIAL_CONTENT, body.slice(from..to))
            }
            Some(Part::Outside) => {
                set(headers, &format!("bytes */{}", body.len()));
                for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
                    headers.remove(name);
                }
                (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new())
            }
        }
    }

    /// Whether the client has it already. Where it tells tags, dates do not count (RFC 9110 13.1.3).
    pub(crate) fn is_unmodified(&self, headers: &HeaderMap) -> bool {
        if !self.none_match.is_empty() {
            let lines = || self.none_match.iter().map(HeaderValue::as_bytes);
            if lines().any(|line| line.trim_ascii() == b"*") {
                return true;
            }
            let Some(tag) = headers.get(ETAG).map(|tag| weak(tag.as_bytes())) else { return false };
            return lines().flat_map(tags).any(|held| weak(held) == tag);
        }
        let Some(since) = self.modified_since.as_ref().and_then(date) else { return false };
        // Without a date of its own it has not changed since it was made (RFC 9111 4.3.2).
        let modified = headers.get(LAST_MODIFIED).or_else(|| headers.get(DATE)).and_then(date);
        modified.is_some_and(|modified| modified <= since)
    }

    /// One range; several are answered by the whole, which is allowed (RFC 9110 14.2).
    fn part(&self, headers: &HeaderMap, length: usize) -> Option<Part> {
        let range = self.range.as_ref()?.to_str().ok()?;
        if let Some(only) = &self.if_range
            && !is_same(only, headers)
        {
            return None;
        }
        let spec = range.trim().strip_prefix("bytes=")?;
        let (from, to) = spec.split_once('-')?;
        let (from, to) = (from.trim(), to.trim());
        let number = |digits: &str| -> Option<usize> {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().unwrap_or(usize::MAX))
        };
        let part = match (number(from), number(to)) {
            (None, Some(last)) if from.is_empty() && last > 0 && length > 0 => {
                Part::Bytes(length.saturating_sub(last), length)
            }
            (None, Some(_)) if from.is_empty() => Part::Outside,
            (Some(from), _) if to.is_empty() && from < length => Part::Bytes(from, length),
            (Some(from), Some(to)) if from <= to && from < length => {
                Part::Bytes(from, to.saturating_add(1).min(length))
            }
            (Some(from), Some(to)) if from > to => return None,
            (Some(_), None) if !to.is_empty() => return None,
            (Some(_), _) => Part::Outside,
            (None, _) => return None,
        };
        Some(part)
    }
}

fn set(headers: &mut HeaderMap, range: &str) {
    if let Ok(range) = HeaderValue::from_str(range) {
        headers.insert(CONTENT_RANGE, range);
    }
}

/// Whether a part can be joined with what the client has: by a strong tag or by the exact date (RFC 9110 13.1.5).
fn is_same(only: &HeaderValue, headers: &HeaderMap) -> bool {
    match only.as_bytes().first() {
        Some(b'"') => headers.get(ETAG) == Some(only),
        Some(b'W') => false,
        _ => headers.get(LAST_MODIFIED) == Some(only),
    }
}

/// The tags of a list; a comma may stand in one.
fn tags(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    line.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
}

/// By the weak comparison the mark of a weak tag says nothing (RFC 9110 8.8.3.2).
fn weak(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Asks the service whether what is stored still holds (RFC 9111 4.3.1). False: it has nothing to ask by.
pub(crate) fn validate(request: &mut HeaderMap, stored: &HeaderMap) -> bool {
    Conditions::remove(request);
    let mut has_any = false;
    for (validator, condition) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
        if let Some(value) = stored.get(validator) {
            request.insert(condition, value.clone());
            has_any = true;
        }
    }
    has_any
}

/// Whether "not modified" is said of what is stored (RFC 9111 4.3.4).
pub(crate) fn confirms(said: &HeaderMap, stored: &HeaderMap) -> bool {
    match (said.get(ETAG), stored.get(ETAG)) {
        (Some(said), Some(stored)) => weak(said.as_bytes()) == weak(stored.as_bytes()),
        (Some(_), None) => false,
        (None, _) => match (said.get(LAST_MODIFIED), stored.get(LAST_MODIFIED)) {
            (Some(said), Some(stored)) => said == stored || date(said).is_some_and(|said| date(stored) == Some(said)),
            _ => true,
        },
    }
}

/// Fields that describe the stored body: a validation, which has none, says nothing of them (RFC 9111 3.2).
const OF_THE_BODY: [HeaderName; 3] = [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE];

/// Brings the fields of a stored answer up to date by those of a validation.
pub(crate) fn update(stored: &HeaderMap, said: &HeaderMap) -> HeaderMap {
    let mut fields = stored.clone();
    for name in said.keys().filter(|name| !OF_THE_BODY.contains(name)) {
        fields.remove(name);
        for value in said.get_all(name) {
            fields.append(name.clone(), value.clone());
        }
    }
    fields
}
