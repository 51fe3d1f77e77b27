//! What the user wrote: files, sections, values, each with its place.
//!
//! Not here: what it means together (`resolve`).

pub(crate) mod decode;
pub(crate) mod definition;
pub(crate) mod endpoints;
mod parse;
pub(crate) mod read;
pub(crate) mod reports;
mod section;
pub(crate) mod sections;
pub(crate) mod value;
