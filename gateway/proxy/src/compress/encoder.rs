//! The three encoders behind one face: bytes in, what is ready out.
//!
//! What one stream pins is bounded by windows and tables: for a long one zstd takes 1.3 MiB at any level, brotli 1.8 (4 at its
//! highest level here), gzip 0.4. For an answer that is known to be short, zstd takes less.

use gateway_config::{CompressLevels, Encoding};
use gateway_core::clock;
use std::io::{Result, Write as _};
use zstd::zstd_safe::CParameter;

/// Of zstd, 256 KiB: far below the 8 MiB that every client must take (RFC 9659).
const ZSTD_WINDOW: u32 = 18;

/// Of zstd's tables: where the length is not known they would grow with the level, whatever the window.
const ZSTD_TABLES: u32 = 17;

/// Of brotli, 128 KiB, however short the answer is: below that, levels from 5 on take tables of 26 MiB.
const BROTLI_WINDOW: u32 = 17;

/// What brotli gathers before it hands it on.
const BROTLI_BUFFER: usize = 4 * 1024;

/// An encoder that writes into memory; made when there is something to encode.
pub(super) enum Encoder {
    Idle(Encoding, CompressLevels, Option<u64>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Br(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
}

impl Encoder {
    /// For a body of this length, where it is known.
    pub(super) fn new(encoding: Encoding, levels: CompressLevels, length: Option<u64>) -> Self {
        Self::Idle(encoding, levels, length)
    }

    /// Takes bytes in, all of them.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let taken = match self.begin()? {
            Self::Idle(..) => Ok(()),
            Self::Zstd(encoder) => encoder.write_all(bytes),
            Self::Br(encoder) => encoder.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
        };
        clock::forget();
        taken
    }

    /// Makes everything that was taken in come out, at the cost of a few bytes.
    pub(super) fn flush(&mut self) -> Result<()> {
        let flushed = match self {
            Self::Idle(..) => Ok(()),
            Self::Zstd(encoder) => encoder.flush(),
            Self::Br(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        };
        clock::forget();
        flushed
    }

    /// How much is ready.
    pub(super) fn ready(&self) -> usize {
        match self {
            Self::Idle(..) => 0,
            Self::Zstd(encoder) => encoder.get_ref().len(),
            Self::Br(encoder) => encoder.get_ref().len(),
            Self::Gzip(encoder) => encoder.get_ref().len(),
        }
    }

    /// What is ready.
    pub(super) fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Idle(..) => Vec::new(),
            Self::Zstd(encoder) => std::mem::take(encoder.get_mut()),
            Self::Br(encoder) => std::mem::take(encoder.get_mut()),
            Self::Gzip(encoder) => std::mem::take(encoder.get_mut()),
        }
    }

    /// The end: whatever is left.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.begin()?;
        let finished = match self {
            Self::Idle(..) => Ok(Vec::new()),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Br(encoder) => Ok(encoder.into_inner()),
            Self::Gzip(encoder) => encoder.finish(),
        };
        clock::forget();
        finished
    }

    fn begin(&mut self) -> Result<&mut Self> {
        let Self::Idle(encoding, levels, length) = *self else { return Ok(self) };
        *self = match encoding {
            Encoding::Zstd => {
                let level = i32::try_from(levels.zstd).unwrap_or_default();
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level)?;
                // Tables for so much are all that is needed.
                encoder.set_pledged_src_size(length)?;
                encoder.window_log(ZSTD_WINDOW)?;
                encoder.set_parameter(CParameter::HashLog(ZSTD_TABLES))?;
                encoder.set_parameter(CParameter::ChainLog(ZSTD_TABLES))?;
                Self::Zstd(encoder)
            }
            Encoding::Br => {
                let writer = brotli::CompressorWriter::new(Vec::new(), BROTLI_BUFFER, levels.br, BROTLI_WINDOW);
                Self::Br(Box::new(writer))
            }
            Encoding::Gzip => {
                Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(levels.gzip)))
            }
        };
        Ok(self)
    }
}
