//! The request: readable in every phase. What the setters change goes to the service, so they answer
//! [`Error::WrongPhase`](crate::Error::WrongPhase) once the request was sent.
//!
//! A header read costs half a microsecond, all of them several: take what you need by name.

use crate::query::Query;
use crate::sys::request as sys;
use crate::{Field, Result};
use http::Method;

/// The method.
#[must_use]
pub fn method() -> Method {
    Method::from_bytes(sys::method().as_bytes()).unwrap_or_default()
}

/// Changes the method.
///
/// # Errors
/// It is `CONNECT`, or the request was sent.
pub fn set_method(method: &Method) -> Result<()> {
    sys::set_method(method.as_str())
}

/// `http` or `https`, as the client asked.
#[must_use]
pub fn scheme() -> String {
    sys::scheme()
}

/// Host and, where it was written, port, as the client asked: `shop.example:8080`.
#[must_use]
pub fn authority() -> String {
    sys::authority()
}

/// The path in its one normal form, without the query: `/orders/17`.
#[must_use]
pub fn path() -> String {
    sys::path()
}

/// Changes the path.
///
/// # Errors
/// It does not begin with `/`, has a `?` or `#`, or the request was sent.
pub fn set_path(path: &str) -> Result<()> {
    sys::set_path(path)
}

/// The query without its `?`, percent-encoded as the client sent it; empty when there is none.
#[must_use]
pub fn query() -> String {
    sys::query()
}

/// The parameters of the query.
#[must_use]
pub fn parameters() -> Query {
    Query::parse(&query())
}

/// The first parameter of this name in the query, decoded.
#[must_use]
pub fn parameter(name: &str) -> Option<String> {
    parameters().get(name)
}

/// Changes the query; an empty one removes it.
///
/// # Errors
/// It is not percent-encoded ASCII, or the request was sent.
pub fn set_query(query: &str) -> Result<()> {
    sys::set_query(query)
}

/// The field's value; several lines are joined (RFC 9110 5.3). None when it is absent or not UTF-8.
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
/// The field is malformed or frames the message (`host`, `content-length`, …), or the request was sent.
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

/// Gives the value as [`header`] does and removes every line, in one call: what is meant for this plugin and not for the service.
///
/// # Errors
/// As for [`set_header`].
pub fn take_header(name: impl AsRef<str>) -> Result<Option<String>> {
    sys::take_header(name.as_ref())
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
