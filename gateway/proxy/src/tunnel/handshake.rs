//! The handshake of a WebSocket: what a client asks (RFC 6455 4.2.1, RFC 8441 5), what the service is asked, what it must say.

use crate::upstream::{Lease, Switched};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use gateway_core::exchange::Answer;
use gateway_core::{Error, Kind, problem};
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TE, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use parking_lot::Mutex;
use std::time::Duration;

const WEBSOCKET: &str = "websocket";

/// The one version there is.
const VERSION: &str = "13";

/// What is hashed with a key (RFC 6455 1.3).
const MARK: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Any sixteen bytes: the example of RFC 6455 4.1 has bits in its last letter that mean nothing.
const KEY: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// How a client asks.
pub(crate) enum Wish {
    /// For the whole connection (RFC 6455).
    Upgrade,
    /// For this stream (RFC 8441).
    Connect(OnUpgrade),
}

impl Wish {
    /// What a head asks for, before the fields of the connection go. Whatever else is asked for may be ignored (RFC 9110 7.8).
    pub(crate) fn upgrade(head: (&Method, Version), headers: &HeaderMap) -> Option<Self> {
        let asks = head == (&Method::GET, Version::HTTP_11)
            && names(headers, &UPGRADE, WEBSOCKET)
            && names(headers, &CONNECTION, UPGRADE.as_str());
        asks.then_some(Self::Upgrade)
    }

    /// What a CONNECT asks for. hyper lets `:protocol` come only where it was offered.
    pub(crate) fn connect(head: &mut Parts) -> Option<Self> {
        let protocol = head.extensions.remove::<Protocol>()?;
        let asks = head.version == Version::HTTP_2 && protocol.as_str() == WEBSOCKET;
        head.extensions.remove().filter(|_| asks).map(Self::Connect)
    }
}

/// A handshake under way.
pub struct Handshake {
    /// Over HTTP/2: the client's stream, and the key that the service gets, for there the client has none.
    stream: Option<(OnUpgrade, String)>,
    idle: Duration,
    switched: Mutex<Option<Switched>>,
}

impl Handshake {
    /// Checks what the client has sent.
    ///
    /// # Errors
    /// What it is answered: 426 for another version, 400 for a key that is none.
    pub(crate) fn new(wish: Wish, headers: &HeaderMap, idle: Duration) -> Result<Self, Box<Answer>> {
        if single(headers, &SEC_WEBSOCKET_VERSION) != Some(VERSION.as_bytes()) {
            let mut answer = problem::answer(StatusCode::UPGRADE_REQUIRED, Some("the WebSocket version is not 13"));
            answer.headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
            answer.headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
            answer.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            return Err(Box::new(answer));
        }
        let stream = match wish {
            Wish::Upgrade => {
                let key = single(headers, &SEC_WEBSOCKET_KEY).and_then(|key| KEY.decode(key).ok());
                if key.is_none_or(|key| key.len() != 16) {
                    let answer = problem::answer(StatusCode::BAD_REQUEST, Some("the WebSocket key is not 16 bytes"));
                    return Err(Box::new(answer));
                }
                None
            }
            Wish::Connect(stream) => Some((stream, fresh_key())),
        };
        Ok(Self { stream, idle, switched: Mutex::default() })
    }

    /// Asks the service to switch.
    pub(crate) fn ask(&self, headers: &mut HeaderMap) {
        headers.remove(TE);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
        if let Some((_, key)) = &self.stream
            && let Ok(key) = HeaderValue::from_str(key)
        {
            headers.insert(SEC_WEBSOCKET_KEY, key);
        }
    }

    /// What the service has said. Whether it has understood the key is checked by who has sent that.
    ///
    /// # Errors
    /// It has switched to something else, or says over HTTP/2 what would pass for a switch.
    pub(crate) fn check(&self, status: StatusCode, headers: &HeaderMap) -> Result<(), Error> {
        let fault = |detail: &str| Err(Error::new(Kind::HttpUpgradeFailed, detail));
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return match self.stream.is_some() && status.is_success() {
                true => fault("the upstream took a WebSocket handshake for an ordinary request"),
                false => Ok(()),
            };
        }
        let is_websocket = single(headers, &UPGRADE).is_some_and(|to| to.eq_ignore_ascii_case(WEBSOCKET.as_bytes()));
        if !is_websocket || !names(headers, &CONNECTION, UPGRADE.as_str()) {
            return fault("the upstream switched to another protocol than WebSocket");
        }
        match &self.stream {
            Some((_, key)) if single(headers, &SEC_WEBSOCKET_ACCEPT) != Some(accept(key).as_bytes()) => {
                fault("the upstream's answer does not fit the WebSocket key")
            }
            _ => Ok(()),
        }
    }

    /// Takes the connection on which the service has switched.
    ///
    /// # Errors
    /// HTTP goes on there all the same.
    pub(crate) fn switch(&self, lease: Lease) -> Result<(), Error> {
        let endpoint = std::sync::Arc::clone(lease.endpoint());
        let switched = lease.switch().ok_or_else(|| {
            Error::new(Kind::HttpUpgradeFailed, "the upstream switched protocols before it had read the request")
        })?;
        endpoint.succeeded();
        *self.switched.lock() = Some(switched);
        Ok(())
    }

    /// Whether the client waits for it on a stream of HTTP/2, where success means that it has switched.
    pub(crate) fn is_on_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// How long the tunnel may be silent.
    pub(crate) fn idle(&self) -> Duration {
        self.idle
    }

    /// The service's end and the client's stream; none where it has not switched.
    pub(crate) fn into_ends(self) -> Option<(Switched, Option<OnUpgrade>)> {
        let stream = self.stream.map(|(stream, _)| stream);
        self.switched.into_inner().map(|switched| (switched, stream))
    }

    /// Makes a head tell the client that its protocol was switched.
    pub(crate) fn tell(on_stream: bool, status: &mut StatusCode, headers: &mut HeaderMap) {
        if on_stream {
            *status = StatusCode::OK;
            headers.remove(SEC_WEBSOCKET_ACCEPT);
        } else {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
        }
    }
}

/// Nobody has to guess it: it only keeps a service from answering what it has not read (RFC 6455 10.3).
fn fresh_key() -> String {
    STANDARD.encode(fastrand::u128(..).to_be_bytes())
}

fn accept(key: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), MARK].concat()))
}

/// The value of a field that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none()).map(|line| line.as_bytes().trim_ascii())
}

/// Whether a list has this word.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let words = headers.get_all(name).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    words.map(<[u8]>::trim_ascii).any(|named| named.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let each = fields.iter();
        each.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    /// The example of RFC 6455 1.3.
    #[test]
    fn the_accept_value_is_the_keys() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(KEY.decode(fresh_key()).unwrap().len(), 16);
        assert_ne!(fresh_key(), fresh_key());
    }

    #[test]
    fn only_a_get_of_http_1_1_that_names_both_is_a_wish() {
        let asks = [("connection", "keep-alive, Upgrade"), ("upgrade", "h2c, WebSocket")];
        let wish =
            |method: Method, version, fields: &[_]| Wish::upgrade((&method, version), &headers(fields)).is_some();
        assert!(wish(Method::GET, Version::HTTP_11, &asks));
        assert!(!wish(Method::POST, Version::HTTP_11, &asks));
        assert!(!wish(Method::GET, Version::HTTP_10, &asks));
        assert!(!wish(Method::GET, Version::HTTP_2, &asks));
        assert!(!wish(Method::GET, Version::HTTP_11, &asks[..1]));
        assert!(!wish(Method::GET, Version::HTTP_11, &asks[1..]));
    }

    #[test]
    fn a_handshake_has_the_version_and_a_key_of_sixteen_bytes() {
        let check = |fields: &[_]| {
            let made = Handshake::new(Wish::Upgrade, &headers(fields), Duration::ZERO);
            made.err().map(|answer| answer.status.as_u16())
        };
        let version = ("sec-websocket-version", "13");
        assert_eq!(check(&[version, ("sec-websocket-key", "AQIDBAUGBwgJCgsMDQ4PEC==")]), None);
        for key in [
            "",
            "AQIDBAUGBwgJCgsMDQ4P",
            "AQIDBAUGBwgJCgsMDQ4PEBE=",
            "AQIDBAUGBwgJCgsMDQ4PEC",
            "AQID*AUGBwgJCgsMDQ4PEC==",
        ] {
            assert_eq!(check(&[version, ("sec-websocket-key", key)]), Some(400), "{key}");
        }
        assert_eq!(check(&[version]), Some(400));
        assert_eq!(
            check(&[("sec-websocket-version", "8"), ("sec-websocket-key", "AQIDBAUGBwgJCgsMDQ4PEC==")]),
            Some(426)
        );
    }

    #[test]
    fn a_switch_is_to_the_protocol_that_was_asked_for() {
        let handshake = Handshake { stream: None, idle: Duration::ZERO, switched: Mutex::default() };
        let check = |status, fields: &[_]| handshake.check(status, &headers(fields)).is_ok();
        let good = [("upgrade", "WebSocket"), ("connection", "Upgrade")];
        assert!(check(StatusCode::SWITCHING_PROTOCOLS, &good));
        assert!(!check(StatusCode::SWITCHING_PROTOCOLS, &good[..1]));
        assert!(!check(StatusCode::SWITCHING_PROTOCOLS, &good[1..]));
        assert!(!check(StatusCode::SWITCHING_PROTOCOLS, &[("upgrade", "websocket, h2c"), good[1]]));
        assert!(check(StatusCode::OK, &[]) && check(StatusCode::FORBIDDEN, &[]));
    }
}
