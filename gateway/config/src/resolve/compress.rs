//! Compression: what was not written is filled in.

use crate::document::sections;
use crate::document::value::MediaTypeText;
use crate::{Compress, CompressLevels, Compression, Encoding, MediaType};

/// What was written, with the defaults.
pub(crate) fn resolve(written: &sections::CompressSwitch) -> Compression {
    match written {
        sections::CompressSwitch::Off => Compression::Off,
        sections::CompressSwitch::On(written) => Compression::On(filled_in(written)),
    }
}

/// What `true` means.
impl Default for Compress {
    fn default() -> Self {
        filled_in(&sections::Compress::default())
    }
}

fn filled_in(written: &sections::Compress) -> Compress {
    let sections::Compress { encodings, types, levels, .. } = written;
    let encodings = if encodings.0.is_empty() { Encoding::ALL.to_vec() } else { encodings.0.clone() };
    let types = match types.0.as_slice() {
        [] => MediaType::compressible(),
        written => written.iter().map(|MediaTypeText(media)| media.clone()).collect(),
    };
    Compress {
        encodings,
        types,
        min_size: written.min_size().bytes(),
        levels: CompressLevels { zstd: levels.zstd().number(), br: levels.br().number(), gzip: levels.gzip().number() },
    }
}
