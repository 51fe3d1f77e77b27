//! The cache of answers: what is stored where, and for whom.

use std::time::Duration;

/// The store that the routes with a cache share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStore {
    /// Bytes of all stored answers (64 MiB).
    pub size: u64,
    /// Bytes of one answer's body; a longer one is not stored (1 MiB).
    pub largest: u64,
}

impl CacheStore {
    /// So many of the largest answers have room at least.
    pub const LEAST_ROOM: u64 = 8;
}

/// How answers of one route are cached.
#[derive(Debug, Clone, PartialEq)]
pub struct Cache {
    /// What tells one answer from another, beside scheme, host and path.
    pub key: CacheKey,
    /// Who gets an answer that an identified client was given.
    pub share: Share,
    /// How long an answer is fresh.
    pub ttl: Ttl,
    /// How long a stale answer is given while it is validated in the background, where the service says nothing of it.
    pub stale_while_revalidate: Duration,
    /// How long a stale answer is given in place of an error, where the service says nothing of it.
    pub stale_if_error: Duration,
    /// How long a request waits for the answer to another one like it; none: it does not.
    pub collapse: Option<Duration>,
    /// Whether `cache-control` of requests is heeded.
    pub heed_client: bool,
}

/// What tells one answer of a route from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// Of the query.
    pub query: QueryKey,
    /// Names of fields, in lower case.
    pub headers: Vec<String>,
    /// Names of cookies.
    pub cookies: Vec<String>,
}

/// How much of a query counts. What does not count is kept from the service as well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum QueryKey {
    /// All of it, as it was written.
    #[default]
    Whole,
    /// Parameters of these names, percent-decoded; none for an empty list.
    Only(Vec<String>),
}

/// Who gets an answer that an identified client was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Share {
    /// Everybody, where the service allows it by the words of RFC 9111 section 3.5; else nobody.
    #[default]
    Standard,
    /// The same consumer only.
    Consumer,
    /// Every consumer that the chain lets through.
    All,
}

/// How long an answer is fresh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// As its fields say, and by the heuristic of RFC 9111 section 4.2.2.
    #[default]
    Told,
    /// The same; where they say nothing, so long.
    Default(Duration),
    /// So long, whatever they say of it.
    Fixed(Duration),
}
