//! Header fields as a plugin writes them: checked like a client's, and never those that frame a message.

use super::{invalid, quoted};
use crate::abi::gateway::wit::types::Error;
use gateway_core::headers::{is_reserved, join};
use http::header::{Entry, HeaderMap, HeaderName, HeaderValue};

/// The lines of a name as one: that line, where there is no other.
pub(crate) enum Joined {
    Line(HeaderValue),
    Lines(String),
}

impl Joined {
    fn of<'h, I: Iterator<Item = &'h HeaderValue>>(name: &HeaderName, lines: impl Fn() -> I) -> Option<Self> {
        let mut each = lines();
        match (each.next()?, each.next()) {
            (line, None) => std::str::from_utf8(line.as_bytes()).is_ok().then(|| Self::Line(line.clone())),
            (_, Some(_)) => join(name, lines()).map(Self::Lines),
        }
    }

    /// It is UTF-8.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Line(line) => line.as_bytes(),
            Self::Lines(lines) => lines.as_bytes(),
        }
    }

    pub(crate) fn into_string(self) -> String {
        match self {
            Self::Line(line) => String::from_utf8_lossy(line.as_bytes()).into_owned(),
            Self::Lines(lines) => lines,
        }
    }
}

/// Fields of one message.
pub(crate) const COUNT: usize = 200;

/// Names and values of one message, in bytes.
const SIZE: usize = 64 << 10;

/// The name of a field that a plugin may write.
pub(crate) fn writable(name: &str) -> Result<HeaderName, Error> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unnamed(name))?;
    if is_reserved(&name) { Err(framing(&name)) } else { Ok(name) }
}

fn unnamed(name: &str) -> Error {
    invalid(format!("{} is not a field name", quoted(name)))
}

fn framing(name: &HeaderName) -> Error {
    invalid(format!("`{name}` frames the message and is written by the gateway only"))
}

/// A field's value; the white space around it is no part of it (RFC 9110 5.5), and HTTP/2 peers refuse it.
pub(crate) fn value(value: &[u8]) -> Result<HeaderValue, Error> {
    HeaderValue::from_bytes(value.trim_ascii())
        .map_err(|_| invalid("a field's value has no control characters (CR, LF, NUL)"))
}

/// Replaces every line of a name.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, text: &str) -> Result<(), Error> {
    let (name, value) = (writable(name)?, value(text.as_bytes())?);
    fits(headers, name.as_str().len() + value.len())?;
    headers.insert(name, value);
    Ok(())
}

/// Adds a line.
pub(crate) fn append(headers: &mut HeaderMap, name: &str, text: &str) -> Result<(), Error> {
    let (name, value) = (writable(name)?, value(text.as_bytes())?);
    fits(headers, name.as_str().len() + value.len())?;
    headers.append(name, value);
    Ok(())
}

/// Removes every line of a name.
pub(crate) fn remove(headers: &mut HeaderMap, name: &str) -> Result<(), Error> {
    headers.remove(writable(name)?);
    Ok(())
}

/// The lines of a name as one, and they are gone.
pub(crate) fn take(headers: &mut HeaderMap, name: &str) -> Result<Option<Joined>, Error> {
    // Looked up once, and by the guest's own text: most names that filters take are in no registry.
    match headers.try_entry(name) {
        Ok(entry) if is_reserved(entry.key()) => Err(framing(entry.key())),
        Ok(Entry::Occupied(entry)) => {
            let joined = Joined::of(entry.key(), || entry.iter());
            entry.remove();
            Ok(joined)
        }
        Ok(Entry::Vacant(_)) => Ok(None),
        Err(_) => Err(unnamed(name)),
    }
}

/// Each line's value.
pub(crate) fn values(headers: &HeaderMap, name: &str) -> Vec<Vec<u8>> {
    headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
}

/// The lines of a name as one.
pub(crate) fn joined(headers: &HeaderMap, name: &str) -> Option<Joined> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    Joined::of(&name, || headers.get_all(&name).iter())
}

/// Whether these fields and `more` bytes in one more are within the bounds.
pub(crate) fn fits(headers: &HeaderMap, more: usize) -> Result<(), Error> {
    if headers.len() + usize::from(more > 0) > COUNT {
        return Err(too_many());
    }
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size + more > SIZE {
        return Err(Error::TooLarge(format!("the fields of a message have at most {SIZE} bytes")));
    }
    Ok(())
}

pub(crate) fn too_many() -> Error {
    Error::TooLarge(format!("a message has at most {COUNT} fields"))
}
