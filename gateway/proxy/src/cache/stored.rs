//! A stored answer, and what is stored under one key: the answers that `vary` tells apart.

use super::policy::Terms;
use super::vary::Selection;
use bytes::Bytes;
use gateway_core::exchange::Request;
use http::StatusCode;
use http::header::{AGE, DATE, HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Answers under one key that differ by what their requests had; the oldest ones go.
const VARIANTS: usize = 32;

/// What an answer costs beside its fields and its body.
const OVERHEAD: usize = 256;

/// Fields by which a service names what an answer is made of, to be purged by: separated by commas and by spaces.
const TAGS: [HeaderName; 2] = [HeaderName::from_static("cache-tag"), HeaderName::from_static("surrogate-key")];

/// Fields that belong to one exchange, or that are made anew each time.
const NOT_STORED: [HeaderName; 3] =
    [AGE, HeaderName::from_static("proxy-authentication-info"), HeaderName::from_static("x-request-id")];

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Shared by all who get it.
    pub(crate) body: Bytes,
    pub(crate) terms: Terms,
    pub(crate) selection: Selection,
    tags: Vec<Box<str>>,
    /// Bytes of memory, about.
    size: usize,
}

/// What is stored under one key. Replaced as a whole.
#[derive(Debug, Clone)]
pub struct Resource {
    place: Arc<Place>,
    /// The newest first.
    answers: Vec<Arc<Stored>>,
    /// Up to when its answers are not waited for: the last one was not to be shared.
    pub(crate) passes_until: Option<Instant>,
}

/// Where it was found, for who purges.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    route: Arc<str>,
    authority: Arc<str>,
    path: String,
    query: Option<String>,
}

/// What to remove from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// Everything.
    All,
    /// What a route has.
    Route(String),
    /// What carries this tag.
    Tag(String),
    /// Host and path, and the query where one is written; otherwise with any.
    Url(String),
    /// What host and path begin with.
    Prefix(String),
}

impl Stored {
    /// The fields as they are kept: without what is not given again, and with a date.
    pub(crate) fn new(
        status: StatusCode,
        mut headers: HeaderMap,
        body: Bytes,
        terms: Terms,
        request: &HeaderMap,
        date: SystemTime,
    ) -> Self {
        let selection = Selection::of(&headers, request);
        let tags = tags(&headers);
        for name in NOT_STORED.iter().chain(&terms.withheld) {
            headers.remove(name);
        }
        // Else whoever gets it later would be told that it is new (RFC 9110 6.6.1).
        if headers.get(DATE).and_then(super::policy::date).is_none()
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(date))
        {
            headers.insert(DATE, date);
        }
        let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        let named: usize = tags.iter().map(|tag| tag.len() + 16).sum();
        let size = OVERHEAD + fields + named + selection.size() + body.len();
        Self { status, headers, body, terms, selection, tags, size }
    }
}

impl Place {
    pub(crate) fn new(route: &Arc<str>, request: &Request, query: Option<&str>) -> Self {
        Self {
            route: Arc::clone(route),
            authority: Arc::clone(&request.authority),
            path: request.path.clone(),
            query: query.map(str::to_owned),
        }
    }

    /// Whether it is at this host and path: `Err` is what the place has beyond the text.
    fn after<'a>(&'a self, text: &str) -> Option<&'a str> {
        let (authority, path) = text.find('/').map_or((text, "/"), |at| text.split_at(at));
        self.authority.eq_ignore_ascii_case(authority).then(|| self.path.strip_prefix(path))?
    }
}

impl Resource {
    pub(crate) fn new(place: Arc<Place>) -> Self {
        Self { place, answers: Vec::new(), passes_until: None }
    }

    /// The newest answer that a request with these fields may get.
    pub(crate) fn find(&self, request: &HeaderMap) -> Option<&Arc<Stored>> {
        self.answers.iter().find(|stored| stored.selection.takes(request))
    }

    /// The newest answer of all.
    pub(crate) fn newest(&self) -> Option<&Arc<Stored>> {
        self.answers.first()
    }

    /// The same with another answer, which takes the place of those for the same requests. At most so many bytes in all.
    pub(crate) fn with(&self, stored: Arc<Stored>, request: &HeaderMap, most: usize) -> Self {
        let mut answers = self.without(request).answers;
        answers.insert(0, stored);
        let mut left = most;
        answers.truncate(VARIANTS);
        let fit = answers.iter().take_while(|stored| {
            let fits = stored.size <= left;
            left = left.saturating_sub(stored.size);
            fits
        });
        let fit = fit.count();
        answers.truncate(fit);
        Self { place: Arc::clone(&self.place), answers, passes_until: None }
    }

    /// The same without the answers that a request with these fields would get.
    pub(crate) fn without(&self, request: &HeaderMap) -> Self {
        let others = self.answers.iter().filter(|stored| !stored.selection.takes(request));
        Self { place: Arc::clone(&self.place), answers: others.cloned().collect(), passes_until: self.passes_until }
    }

    /// Bytes of memory, about.
    pub(crate) fn size(&self) -> usize {
        let place = self.place.path.len() + self.place.query.as_ref().map_or(0, String::len);
        OVERHEAD + place + self.answers.iter().map(|stored| stored.size).sum::<usize>()
    }

    /// How many answers there are.
    pub(crate) fn count(&self) -> usize {
        self.answers.len()
    }

    /// Whether somebody means this one.
    pub(crate) fn is_meant(&self, purge: &Purge) -> bool {
        match purge {
            Purge::All => true,
            Purge::Route(name) => *self.place.route == **name,
            Purge::Tag(tag) => self.answers.iter().any(|stored| stored.tags.iter().any(|known| **known == **tag)),
            Purge::Prefix(text) => self.place.after(text).is_some(),
            Purge::Url(text) => match text.split_once('?') {
                None => self.place.after(text) == Some(""),
                Some((path, query)) => {
                    self.place.after(path) == Some("") && self.place.query.as_deref().unwrap_or_default() == query
                }
            },
        }
    }
}

fn tags(headers: &HeaderMap) -> Vec<Box<str>> {
    let lines = TAGS.into_iter().flat_map(|name| headers.get_all(name)).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split([',', ' '])).filter(|tag| !tag.is_empty()).map(Into::into).collect()
}
