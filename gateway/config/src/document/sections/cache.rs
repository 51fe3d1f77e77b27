//! `[cache]`, and `cache` of routes.

use toml::de::DeValue;

use crate::document::decode::{Decode, Decoder, Node, NonEmpty, Spanned};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::{Age, FieldName, PlainText, Size, Time, choice};
use crate::{QueryKey, Share};

section! {
    /// Where answers of routes with `cache` are kept: in memory, and over a reload.
    CacheStore {
        /// For all of them, with their heads; 64 MiB when not written.
        "size" => size: Spanned<Size<1_048_576>>, optional;
        /// The longest body that is kept, 1 MiB when not written; `size` has room for eight of them at least.
        "largest" => largest: Spanned<Size<1>>, optional;
    }
}

impl CacheStore {
    /// 64 MiB when not written.
    pub(crate) fn size(&self) -> u64 {
        self.size.as_ref().map_or(64 * 1024 * 1024, |size| size.value.bytes())
    }

    /// 1 MiB when not written.
    pub(crate) fn largest(&self) -> u64 {
        self.largest.as_ref().map_or(1024 * 1024, |largest| largest.value.bytes())
    }
}

section! {
    /// Answers are kept and given again by RFC 9111, as their `Cache-Control` says.
    RouteCache {
        /// What tells one answer from another, beside scheme, host and path, and what the answer's `Vary` names.
        "key" => key: CacheKeyParts, empty;
        /// Who gets an answer that an identified client was given: `"standard"`, everybody where the service says `public`,
        /// `s-maxage` or `must-revalidate`, else nobody; `"consumer"`, the same consumer; `"all"`, every consumer that the chain lets
        /// through.
        "share" => share: Share, default(Share::Standard);
        /// How long an answer is fresh of which the service says nothing.
        "default-ttl" => default_ttl: Age, optional;
        /// How long an answer is fresh, whatever the service says of that. What it forbids to store is not stored.
        "ttl" => ttl: Age, optional;
        /// How long a stale answer is given while a new one is fetched, unless the service says how long; not when not written.
        "stale-while-revalidate" => stale_while_revalidate: Age, optional;
        /// How long a stale answer is given in place of an error, unless the service says how long; not when not written.
        "stale-if-error" => stale_if_error: Age, optional;
        /// How long a request waits for the answer to another one like it, so that the service is asked once; `false`: not at all.
        /// 5 s when not written.
        "collapse" => collapse: Collapse, optional;
        /// Whether `Cache-Control` of requests is heeded, by which a client may ask for a new answer.
        "heed-client" => heed_client: bool, default(true);
        rule AtMostOne ["default-ttl", "ttl"];
    }
}

section! {
    /// What tells one answer from another.
    CacheKeyParts {
        /// The query parameters that count; others are kept from the service. All of the query when not written, or `false`:
        /// none of it.
        "query" => query: QueryKey, empty;
        /// Header fields that count.
        "headers" => headers: NonEmpty<FieldName>, empty;
        /// Cookies that count.
        "cookies" => cookies: NonEmpty<PlainText>, empty;
    }
}

choice!(Share { "standard" => Standard, "consumer" => Consumer, "all" => All });

impl Decode for QueryKey {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Boolean, NonEmpty::<PlainText>::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Boolean(true) => Some(Self::Whole),
            DeValue::Boolean(false) => Some(Self::Only(Vec::new())),
            DeValue::Array(_) => {
                let NonEmpty(names) = NonEmpty::<PlainText>::decode(node, decoder)?;
                Some(Self::Only(names.into_iter().map(|PlainText(name)| name).collect()))
            }
            _ => {
                decoder.wrong_type(node, "`true`, `false` or a list of names", None);
                None
            }
        }
    }
}

/// How long, or not at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Collapse(pub(crate) Option<Time>);

impl Decode for Collapse {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Boolean, Time::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Boolean(false) => Some(Self(None)),
            DeValue::Boolean(true) => Some(Self(Some(Self::USUAL))),
            DeValue::String(_) => Time::decode(node, decoder).map(|time| Self(Some(time))),
            _ => {
                decoder.wrong_type(node, "a duration, `true` or `false`", None);
                None
            }
        }
    }
}

impl Collapse {
    /// When nothing was written.
    pub(crate) const USUAL: Time = Time::seconds(5);
}

/// `true`, `false`, or how.
#[derive(Debug, Clone)]
pub(crate) enum CacheSwitch {
    /// Not at all.
    Off,
    /// With what was written, which is nothing for `true`.
    On(Box<RouteCache>),
}

impl Decode for CacheSwitch {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Boolean, RouteCache::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Boolean(false) => Some(Self::Off),
            DeValue::Boolean(true) => Some(Self::On(Box::default())),
            DeValue::Table(_) => RouteCache::decode(node, decoder).map(Box::new).map(Self::On),
            _ => {
                decoder.wrong_type(node, "`true`, `false` or a table", None);
                None
            }
        }
    }
}
