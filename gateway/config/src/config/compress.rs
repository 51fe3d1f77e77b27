//! Which answers are compressed, and how.

/// What a listener or a route says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Off,
    /// Like this.
    On(Compress),
}

/// Which answers, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compress {
    /// At least one, the best first.
    pub encodings: Vec<Encoding>,
    /// At least one.
    pub types: Vec<MediaType>,
    /// Bytes of an answer that is worth it (1 KiB).
    pub min_size: u64,
    /// How hard to try.
    pub levels: CompressLevels,
}

/// A content coding (RFC 9110 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 8878 and 9659.
    Zstd,
    /// RFC 7932.
    Br,
    /// RFC 1952.
    Gzip,
}

/// A level for each coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressLevels {
    /// 1 to 9 (3).
    pub zstd: u32,
    /// 0 to 6 (4).
    pub br: u32,
    /// 1 to 9 (5).
    pub gzip: u32,
}

/// A content type, or those of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// What stands before the slash, in lower case.
    kind: String,
    form: Form,
}

/// What stands after the slash.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Any,
    /// `+json`.
    Suffix(String),
    Exact(String),
}

impl Encoding {
    /// In the order in which they are offered when nothing else was written.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Br, Self::Gzip];

    /// Its name in `content-encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The coding of this name, in any case; `x-gzip` is gzip (RFC 9110 8.4.1.3).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            name if name.eq_ignore_ascii_case("x-gzip") => Some(Self::Gzip),
            name => Self::ALL.into_iter().find(|encoding| encoding.name().eq_ignore_ascii_case(name)),
        }
    }
}

impl MediaType {
    /// Every type of this kind: `text/*`.
    pub(crate) fn any(kind: &str) -> Self {
        Self { kind: kind.to_ascii_lowercase(), form: Form::Any }
    }

    /// One type, or with `*+json` those that end so.
    pub(crate) fn new(kind: &str, form: &str) -> Self {
        let form = form.to_ascii_lowercase();
        let form = match form.strip_prefix('*') {
            Some(suffix) => Form::Suffix(suffix.to_owned()),
            None => Form::Exact(form),
        };
        Self { kind: kind.to_ascii_lowercase(), form }
    }

    /// What compresses well: text, and what is text by another name.
    pub(crate) fn compressible() -> Vec<Self> {
        let exact = [
            ("application", "json"),
            ("application", "*+json"),
            ("application", "xml"),
            ("application", "*+xml"),
            ("application", "javascript"),
            ("application", "wasm"),
            ("image", "svg+xml"),
        ];
        [Self::any("text")].into_iter().chain(exact.map(|(kind, form)| Self::new(kind, form))).collect()
    }

    /// Whether the value of a `content-type` field is of this type, whatever its parameters.
    ///
    /// A stream of events is only where it was named: it lasts, and so would the memory of its encoder.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let essence = value.split(';').next().unwrap_or_default().trim();
        let Some((kind, form)) = essence.split_once('/') else { return false };
        kind.eq_ignore_ascii_case(&self.kind)
            && match &self.form {
                Form::Any => !form.eq_ignore_ascii_case("event-stream"),
                Form::Suffix(suffix) => {
                    let start = form.len().checked_sub(suffix.len()).filter(|start| *start > 0);
                    start.and_then(|start| form.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
                }
                Form::Exact(exact) => form.eq_ignore_ascii_case(exact),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_match_by_name_kind_or_ending() {
        let types = MediaType::compressible();
        for (value, expected) in [
            ("text/html", true),
            ("Text/HTML; charset=utf-8", true),
            ("text/event-stream", false),
            ("application/json", true),
            ("application/problem+json ; x=y", true),
            ("application/+json", false),
            ("application/jsonp", false),
            ("image/svg+xml", true),
            ("image/png", false),
            ("application/octet-stream", false),
            ("text", false),
            ("", false),
        ] {
            assert_eq!(types.iter().any(|known| known.matches(value)), expected, "{value}");
        }
        assert!(MediaType::new("text", "event-stream").matches("text/event-stream"));
    }
}
