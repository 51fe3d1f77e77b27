//! Bodies for plugins that read them decoded: gathered, then decoded to no more than the plugin may read.

use super::weaken;
use bytes::Bytes;
use gateway_config::Encoding;
use gateway_core::headers::joined;
use gateway_core::{Body, Error, Kind, Origin, Plugin, clock};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use std::io::{Cursor, Read};

/// Bytes that are decoded at once, before other requests have their turn.
const PIECE: usize = 64 * 1024;

/// The window that every sender must keep to, 8 MiB (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// Gathers a body for a plugin, within its limit. Decodes it, and says so in its head, if the plugin asks for that and the body has
/// one known coding; what is encoded in another way, or twice, is left as it is.
pub(crate) async fn gather(
    body: Body,
    headers: &mut HeaderMap,
    plugin: &dyn Plugin,
    from: Origin,
) -> Result<Bytes, Error> {
    let limit = plugin.body_limit();
    let gathered = body.gather(limit).await?;
    let coding = || joined(headers, &CONTENT_ENCODING).and_then(|value| Encoding::named(&value));
    // The answer to HEAD has none, whatever its head says.
    if !plugin.decodes() || gathered.is_empty() {
        return Ok(gathered);
    }
    let Some(encoding) = coding() else { return Ok(gathered) };
    let decoded = decode(gathered, encoding, limit, from).await?;
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    super::DIGESTS.iter().for_each(|name| drop(headers.remove(*name)));
    weaken(headers);
    Ok(decoded)
}

/// Decodes a body to at most `limit` bytes.
async fn decode(encoded: Bytes, encoding: Encoding, limit: usize, from: Origin) -> Result<Bytes, Error> {
    let mut reader = reader(encoded, encoding).map_err(|error| broken(error, from))?;
    let mut decoded = Vec::new();
    loop {
        // One byte more than fits, to know of it.
        let room = PIECE.min(limit + 1 - decoded.len());
        let read = reader.by_ref().take(room as u64).read_to_end(&mut decoded);
        clock::forget();
        if read.map_err(|error| broken(error, from))? < room {
            return Ok(Bytes::from(decoded));
        }
        if decoded.len() > limit {
            return Err(Error::new(Kind::BodyTooLarge, format!("the decoded body has more than {limit} bytes")));
        }
        tokio::task::yield_now().await;
    }
}

fn reader(encoded: Bytes, encoding: Encoding) -> std::io::Result<Box<dyn Read + Send>> {
    let encoded = Cursor::new(encoded);
    Ok(match encoding {
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(encoded)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        Encoding::Br => Box::new(brotli::Decompressor::new(encoded, 4096)),
        Encoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(encoded)),
    })
}

/// A body that is not what its head says: its sender's fault.
fn broken(error: std::io::Error, from: Origin) -> Error {
    let (kind, detail) = match from {
        Origin::Client => (Kind::HttpRequestError, "the request's body cannot be decoded"),
        _ => (Kind::HttpProtocolError, "the answer's body cannot be decoded"),
    };
    Error::new(kind, detail).because(error)
}
