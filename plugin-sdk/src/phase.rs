//! What phases answer and are told. The types stand for those of the WIT, field by field.

use crate::Response;

/// What happens after `on_request` or `on_response`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// Go on with the next plugin.
    Next,
    /// In `on_request`: answer with this; the service is not asked, and the response phases run.
    /// In `on_response`: answer with this in place of what the service said.
    Respond(Response),
    /// Gather the whole body, then call this plugin's body phase. `limits.body` bounds it (1 MiB by default).
    AwaitBody,
}

/// What happens after a body phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyFlow {
    /// The body stays as it is.
    Next,
    /// The body becomes this one.
    Replace(Vec<u8>),
    /// Answer with this instead.
    Respond(Response),
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The status that was sent; 499 when the client went away before there was one.
    pub status: u16,
    /// From the first byte of the request to the last of the response, in microseconds.
    pub duration: u64,
    /// Bytes of body received from the client.
    pub request_bytes: u64,
    /// Bytes of body sent to the client.
    pub response_bytes: u64,
    /// The kind of failure in the words of RFC 9209 section 2.3, where there was one.
    pub error: Option<String>,
}

impl From<Response> for Flow {
    fn from(response: Response) -> Self {
        Self::Respond(response)
    }
}

impl From<Response> for BodyFlow {
    fn from(response: Response) -> Self {
        Self::Respond(response)
    }
}
