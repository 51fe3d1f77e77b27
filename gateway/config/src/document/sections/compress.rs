//! `compress`, of listeners and routes.

use toml::de::DeValue;

use crate::Encoding;
use crate::document::decode::{Decode, Decoder, Node, NonEmpty};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::{Count, MediaTypeText, Size, choice};

section! {
    /// Which answers are compressed, and how. A client chooses by `Accept-Encoding`; of what it likes equally, the first of
    /// `encodings` is taken.
    Compress {
        /// What is offered, the best first: `["zstd", "br", "gzip"]` when not written.
        "encodings" => encodings: NonEmpty<Encoding>, empty;
        /// Content types: `text/html`, `text/*` or `application/*+json`. Text, JSON, XML, JavaScript, WebAssembly and SVG when
        /// not written. `text/event-stream` has to be named.
        "types" => types: NonEmpty<MediaTypeText>, empty;
        /// An answer that is known to be shorter stays as it is.
        "min-size" => min_size: Size<0>, default(Size::kib(1));
        /// How hard to try.
        "levels" => levels: CompressLevels, empty;
    }
}

section! {
    /// How hard to try: a higher level takes more time for fewer bytes.
    CompressLevels {
        /// For zstd.
        "zstd" => zstd: Count<1, 9>, default(Count::new(3));
        /// For brotli, whose levels from 7 on take tens of MiB for each answer.
        "br" => br: Count<0, 6>, default(Count::new(4));
        /// For gzip.
        "gzip" => gzip: Count<1, 9>, default(Count::new(5));
    }
}

choice!(Encoding { "zstd" => Zstd, "br" => Br, "gzip" => Gzip });

/// `true`, `false`, or how.
#[derive(Debug, Clone)]
pub(crate) enum CompressSwitch {
    /// Not at all.
    Off,
    /// With what was written, which is nothing for `true`.
    On(Box<Compress>),
}

impl Decode for CompressSwitch {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Boolean, Compress::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Boolean(false) => Some(Self::Off),
            DeValue::Boolean(true) => Some(Self::On(Box::default())),
            DeValue::Table(_) => Compress::decode(node, decoder).map(Box::new).map(Self::On),
            _ => {
                decoder.wrong_type(node, "`true`, `false` or a table", None);
                None
            }
        }
    }
}
