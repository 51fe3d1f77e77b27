//! What fuzzers call: whatever hyper could hand over is admitted in one form, or refused.

use super::admit::admit;
use super::authority::Memory;
use crate::fuzz::fields;
use gateway_core::headers::is_hop_by_hop;
use gateway_core::path::{Allow, normalize};
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TE, TRANSFER_ENCODING};
use http::{Method, Request, Uri, Version};

/// A version in the first byte, then `METHOD target`, then fields.
///
/// # Panics
/// Something is admitted that is in no normal form.
pub fn request(data: &[u8]) {
    let Some((version, text)) = data.split_first() else { return };
    let version = match version % 3 {
        0 => Version::HTTP_11,
        1 => Version::HTTP_10,
        _ => Version::HTTP_2,
    };
    let mut lines = text.split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let (method, target) = line.iter().position(|byte| *byte == b' ').map_or((line, &[][..]), |at| line.split_at(at));
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method), Uri::try_from(target.trim_ascii())) else { return };
    let (mut head, ()) = Request::new(()).into_parts();
    (head.method, head.uri, head.version, head.headers) = (method, uri, version, fields(lines));
    let has_coding = head.headers.contains_key(TRANSFER_ENCODING);
    let Ok(admitted) = admit(&mut head, "http", 8192, 100, &Memory::default()) else { return };
    let request = &admitted.request;
    assert!(!has_coding || version == Version::HTTP_11);
    let lenient = Allow { encoded_slash: true, backslash: true, encoded_nul: true };
    assert_eq!(normalize(&request.path, lenient).as_deref(), Ok(&*request.path));
    assert!(request.query.as_deref().is_none_or(|query| query.bytes().all(|byte| byte.is_ascii_graphic())));
    assert!(request.authority.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\".contains(&byte)));
    assert!(!request.authority.is_empty() || version < Version::HTTP_11);
    for (name, value) in &request.headers {
        let is_ours = [CONTENT_LENGTH, HOST].contains(name) || is_hop_by_hop(name);
        assert!(!is_ours || (name == TE && value == "trailers"), "{name}: {value:?} is passed on");
    }
    assert!(request.headers.get_all(COOKIE).iter().count() < 2);
}
