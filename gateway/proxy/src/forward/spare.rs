//! A request kept to be sent once more: on HTTP/1.1 as its connection wrote it, else as bytes. A clone of a header map would count two
//! references for each of its fields, up and down.

use crate::upstream::Connection;
use bytes::Bytes;
use gateway_core::bridge::Repeatable;
use gateway_core::{Body, Error, Kind};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body::Body as _;

/// The head of a request without a body, or of one whose body is at hand.
pub(super) enum Spare {
    /// The connection that it was given to keeps it as it is written.
    Sent,
    Copied(Box<Copied>),
}

/// One that is copied before it is sent.
pub(super) struct Copied {
    method: Method,
    /// What a target has on HTTP/2 beside path and query.
    scheme: Option<Scheme>,
    authority: Option<Authority>,
    /// Path and query, then names and values one after the other.
    bytes: Vec<u8>,
    /// How long path and query are.
    target: u32,
    /// How long each name and its value are.
    lengths: Vec<(u32, u32)>,
    /// Where it was told to be [`Repeatable`].
    body: Option<Box<Bytes>>,
}

impl Spare {
    /// Of the request that the connection is given next.
    pub(super) fn of(request: &Request<Body>, connection: &Connection) -> Self {
        match request.body().is_end_stream() && connection.keep() {
            true => Self::Sent,
            false => Self::Copied(Box::new(Copied::of(request))),
        }
    }

    /// Whether one can be kept of this request, to be sent twice: nothing of a body is kept but where it is at hand.
    pub(super) fn may_be(request: &Request<Body>) -> bool {
        (request.method().is_idempotent() && request.body().is_end_stream())
            || request.extensions().get::<Repeatable>().is_some_and(|_| request.body().at_hand().is_some())
    }

    /// The request again; `connection` is the one that it was given to.
    ///
    /// # Errors
    /// Not all of its head was written.
    pub(super) fn request(&self, connection: &Connection) -> Result<Request<Body>, Error> {
        match self {
            Self::Sent => connection.kept().ok_or_else(lost),
            Self::Copied(copied) => copied.request(),
        }
    }
}

fn lost() -> Error {
    Error::new(Kind::Internal, "a request could not be made once more")
}

impl Copied {
    /// The head of this one.
    fn of(request: &Request<Body>) -> Self {
        let headers = request.headers();
        let uri = request.uri();
        let mut bytes = Vec::with_capacity(1024);
        bytes.extend_from_slice(uri.path_and_query().map_or("/", PathAndQuery::as_str).as_bytes());
        let target = length(0, bytes.len());
        let mut lengths = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            let before = bytes.len();
            bytes.extend_from_slice(name.as_str().as_bytes());
            let between = bytes.len();
            bytes.extend_from_slice(value.as_bytes());
            lengths.push((length(before, between), length(between, bytes.len())));
        }
        let (scheme, authority) = (uri.scheme().cloned(), uri.authority().cloned());
        let body = request.extensions().get::<Repeatable>().and_then(|_| request.body().at_hand()).map(Box::new);
        Self { method: request.method().clone(), scheme, authority, bytes, target, lengths, body }
    }

    /// The request again.
    ///
    /// # Errors
    /// Never: it was one.
    fn request(&self) -> Result<Request<Body>, Error> {
        let mut request = Request::new(Body::empty());
        if let Some(body) = &self.body {
            *request.body_mut() = Body::from(Bytes::clone(body));
            request.extensions_mut().insert(Repeatable);
        }
        request.method_mut().clone_from(&self.method);
        let mut rest = self.bytes.as_slice();
        let mut next = |length: u32| rest.split_off(..length as usize);
        let mut target = http::uri::Parts::default();
        (target.scheme, target.authority) = (self.scheme.clone(), self.authority.clone());
        target.path_and_query = next(self.target).and_then(|target| PathAndQuery::try_from(target).ok());
        *request.uri_mut() = Uri::from_parts(target).map_err(|_| lost())?;
        for (name, value) in &self.lengths {
            let name = next(*name).and_then(|name| HeaderName::from_bytes(name).ok()).ok_or_else(lost)?;
            let value = next(*value).and_then(|value| HeaderValue::from_bytes(value).ok()).ok_or_else(lost)?;
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }
}

/// A head has a bound far below this one.
fn length(from: usize, to: usize) -> u32 {
    u32::try_from(to - from).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_request_without_its_body() {
        for target in ["/orders/17?x=%20", "https://shop.example:8443/orders/17?x=%20"] {
            it_is_the_request(target);
        }
    }

    #[test]
    fn a_body_is_kept_where_it_may_be_sent_twice() {
        let request = |extension: bool| {
            let mut request = Request::post("/a.B/C").body(Body::from(Bytes::from_static(b"message"))).unwrap();
            if extension {
                request.extensions_mut().insert(Repeatable);
            }
            request
        };
        assert!(!Spare::may_be(&request(false)));
        assert!(Spare::may_be(&request(true)));
        let again = Copied::of(&request(true)).request().unwrap();
        assert_eq!(again.body().at_hand().unwrap(), "message");
        assert!(Spare::may_be(&again));
    }

    fn it_is_the_request(target: &str) {
        let request = Request::delete(target)
            .header("host", "shop.example")
            .header("accept", "a")
            .header("accept", "")
            .header("x-bytes", HeaderValue::from_bytes(b"\xff \t").unwrap())
            .body(Body::empty())
            .unwrap();
        let again = Copied::of(&request).request().unwrap();
        assert_eq!((again.method(), again.uri()), (request.method(), request.uri()));
        assert_eq!(again.headers(), request.headers());
    }
}
