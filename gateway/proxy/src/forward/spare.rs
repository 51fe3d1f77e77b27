//! A request kept to be sent once more.
//!
//! It is needed only where a pooled connection turns out to be closed, and is kept for every request that may meet that. So it
//! is kept as bytes: a clone of a header map counts two references for each of its fields, up and down.

use gateway_core::{Body, Error, Kind};
use http::{HeaderName, HeaderValue, Method, Request, Uri};

/// The head of a request without a body.
pub(super) struct Spare {
    method: Method,
    uri: Uri,
    /// Names and values one after the other.
    bytes: Vec<u8>,
    /// How long each name and its value are.
    lengths: Vec<(u32, u32)>,
}

impl Spare {
    /// The head of this one.
    pub(super) fn of(request: &Request<Body>) -> Self {
        let headers = request.headers();
        let mut bytes = Vec::with_capacity(1024);
        let mut lengths = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            let before = bytes.len();
            bytes.extend_from_slice(name.as_str().as_bytes());
            let between = bytes.len();
            bytes.extend_from_slice(value.as_bytes());
            lengths.push((length(before, between), length(between, bytes.len())));
        }
        Self { method: request.method().clone(), uri: request.uri().clone(), bytes, lengths }
    }

    /// The request again.
    ///
    /// # Errors
    /// Never: it was one.
    pub(super) fn request(&self) -> Result<Request<Body>, Error> {
        let mut request = Request::new(Body::empty());
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.uri);
        let lost = || Error::new(Kind::Internal, "a request could not be made once more");
        let mut rest = self.bytes.as_slice();
        let mut next = |length: u32| rest.split_off(..length as usize);
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
        let request = Request::delete("/orders/17?x=%20")
            .header("host", "shop.example")
            .header("accept", "a")
            .header("accept", "")
            .header("x-bytes", HeaderValue::from_bytes(b"\xff \t").unwrap())
            .body(Body::empty())
            .unwrap();
        let again = Spare::of(&request).request().unwrap();
        assert_eq!((again.method(), again.uri()), (request.method(), request.uri()));
        assert_eq!(again.headers(), request.headers());
    }
}
