//! `balance`, and what the same client is known by.

use toml::de::DeValue;

use crate::document::decode::{Decode, Decoder, Node};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::{FieldName, Name, choice};

/// Which endpoint takes the next request.
#[derive(Debug, Clone)]
pub(crate) enum Balance {
    RoundRobin,
    LeastRequest,
    PeakEwma,
    Hash(KeyBy),
}

/// Those that need no more than a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    RoundRobin,
    LeastRequest,
    PeakEwma,
}

choice!(Word { "round-robin" => RoundRobin, "least-request" => LeastRequest, "peak-ewma" => PeakEwma });

section! {
    /// The same endpoint for the same client, as long as it is there.
    HashBalance {
        /// What the client is known by.
        "hash" => hash: KeyBy, required;
    }
}

section! {
    /// What a client is known by. One that shows nothing of it is nobody: any choice may be made for it.
    KeyBy {
        /// A header field's value.
        "header" => header: FieldName, optional;
        /// A cookie's value.
        "cookie" => cookie: Name, optional;
        /// Its address.
        "address" => address: Yes, optional;
        rule ExactlyOne ["header", "cookie", "address"];
    }
}

/// `true`, where `false` would mean nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Yes;

impl Decode for Yes {
    fn shape() -> Shape {
        Shape::True
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref().as_bool() {
            Some(true) => Some(Self),
            _ => {
                decoder.wrong_type(node, "`true`", None);
                None
            }
        }
    }
}

impl KeyBy {
    /// As the program uses it; none when it is wrong.
    pub(crate) fn key(&self) -> Option<crate::KeyBy> {
        match (&self.header, &self.cookie, self.address) {
            (Some(FieldName(name)), _, _) => Some(crate::KeyBy::Header(name.clone())),
            (_, Some(name), _) => Some(crate::KeyBy::Cookie(name.0.to_string())),
            (_, _, Some(Yes)) => Some(crate::KeyBy::Address),
            _ => None,
        }
    }
}

impl Decode for Balance {
    fn shape() -> Shape {
        Shape::Either(vec![Word::shape(), HashBalance::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Table(_) => HashBalance::decode(node, decoder)?.hash.map(Self::Hash),
            _ => Word::decode(node, decoder).map(|word| match word {
                Word::RoundRobin => Self::RoundRobin,
                Word::LeastRequest => Self::LeastRequest,
                Word::PeakEwma => Self::PeakEwma,
            }),
        }
    }
}
