//! The response, in the response phases. Before them readers answer as if it were empty, and setters with
//! [`Error::WrongPhase`](crate::Error::WrongPhase).

use crate::sys::response as sys;
use crate::{Field, Result};

/// 200 to 599, or 0 when there is no response yet.
#[must_use]
pub fn status() -> u16 {
    sys::status()
}

/// Changes the status.
///
/// # Errors
/// It is not 200 to 599, or there is no response.
pub fn set_status(status: u16) -> Result<()> {
    sys::set_status(status)
}

/// The field's value; several lines are joined, but of `set-cookie` the first is given.
#[must_use]
pub fn header(name: impl AsRef<str>) -> Option<String> {
    sys::header(name.as_ref())
}

/// Each line's value in order.
#[must_use]
pub fn header_values(name: impl AsRef<str>) -> Vec<Vec<u8>> {
    sys::header_values(name.as_ref())
}

/// All fields in order.
#[must_use]
pub fn headers() -> Vec<Field> {
    sys::headers()
}

/// Replaces every line of this name.
///
/// # Errors
/// The field is malformed or frames the message, or there is no response.
pub fn set_header(name: impl AsRef<str>, value: impl AsRef<str>) -> Result<()> {
    sys::set_header(name.as_ref(), value.as_ref())
}

/// Adds a line.
///
/// # Errors
/// As for [`set_header`].
pub fn append_header(name: impl AsRef<str>, value: impl AsRef<str>) -> Result<()> {
    sys::append_header(name.as_ref(), value.as_ref())
}

/// Removes every line of this name; none is no error.
///
/// # Errors
/// As for [`set_header`].
pub fn remove_header(name: impl AsRef<str>) -> Result<()> {
    sys::remove_header(name.as_ref())
}

/// Gives every line of a name another one; a line that is not UTF-8 is lost.
///
/// # Errors
/// As for [`set_header`].
pub fn rename_header(name: impl AsRef<str>, to: impl AsRef<str>) -> Result<()> {
    let lines = header_values(&name);
    remove_header(name)?;
    let mut lines = lines.into_iter().filter_map(|line| String::from_utf8(line).ok());
    lines.try_for_each(|line| append_header(&to, line))
}
