//! One histogram for each combination of words that occurs, found without a hash, a lock or an allocation once it is there.

use super::histogram::{Histogram, REQUEST_DURATION, Reading};
use super::words::{Protocol, Status, Verb};
use std::array;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// How many series there may be of all routes and upstreams together. What comes beyond is counted without its words.
pub const MOST: usize = 10_000;

/// The places that are left for series; shared by all that make some.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<AtomicUsize>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(MOST)))
    }
}

impl Places {
    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn give_back(&self, count: usize) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// What a series counts. One without a status counts what had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// The method.
    pub verb: Verb,
    /// The version of HTTP.
    pub protocol: Protocol,
    /// Over TLS.
    pub secure: bool,
    /// None: there was no answer.
    pub status: Option<Status>,
}

/// A place for each status, and the last one for none.
struct ByStatus([OnceLock<Option<Box<Histogram>>>; Status::COUNT + 1]);

/// The series of one route or upstream: durations by method, version and status.
pub struct Series {
    places: Places,
    by_words: [OnceLock<Box<ByStatus>>; Verb::COUNT * Protocol::COUNT * 2],
    /// Of those that found no place.
    rest: OnceLock<Box<Histogram>>,
}

impl Series {
    pub(super) fn new(places: Places) -> Self {
        Self { places, by_words: array::from_fn(|_| OnceLock::new()), rest: OnceLock::new() }
    }

    /// Takes note of a duration, in nanoseconds.
    pub fn record(&self, words: Words, nanoseconds: u64) {
        let Words { verb, protocol, secure, status } = words;
        let at = (verb.position() * Protocol::COUNT + protocol.position()) * 2 + usize::from(secure);
        let by_status = self
            .by_words
            .get(at)
            .map(|by_status| by_status.get_or_init(|| Box::new(ByStatus(array::from_fn(|_| OnceLock::new())))));
        let at = status.map_or(Status::COUNT, Status::position);
        let histogram = by_status.and_then(|by_status| by_status.0.get(at)).and_then(|place| {
            let made = || self.places.take().then(|| Box::new(Histogram::new(REQUEST_DURATION)));
            place.get_or_init(made).as_ref()
        });
        let rest = || self.rest.get_or_init(|| Box::new(Histogram::new(REQUEST_DURATION)));
        histogram.unwrap_or_else(rest).record(nanoseconds);
    }

    /// Every series there is, and the one of those that found no place, which has no words.
    #[must_use]
    pub fn read(&self) -> Vec<(Option<Words>, Reading)> {
        let mut read = Vec::new();
        let pairs = Verb::all().flat_map(|verb| Protocol::all().map(move |protocol| (verb, protocol)));
        let all = pairs.flat_map(|(verb, protocol)| [false, true].map(|secure| (verb, protocol, secure)));
        for ((verb, protocol, secure), by_status) in all.zip(&self.by_words) {
            let Some(by_status) = by_status.get() else { continue };
            for (status, place) in Status::all().map(Some).chain([None]).zip(&by_status.0) {
                if let Some(Some(histogram)) = place.get() {
                    read.push((Some(Words { verb, protocol, secure, status }), histogram.read()));
                }
            }
        }
        read.extend(self.rest.get().map(|rest| (None, rest.read())));
        read
    }
}

impl Drop for Series {
    fn drop(&mut self) {
        self.places.give_back(self.read().iter().filter(|(words, _)| words.is_some()).count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Method, Version};

    fn words(status: u16) -> Words {
        Words {
            verb: Verb::of(&Method::GET),
            protocol: Protocol::of(Version::HTTP_11),
            secure: status < 400,
            status: Some(Status::of(status)),
        }
    }

    #[test]
    fn each_combination_that_occurs_is_a_series() {
        let series = Series::new(Places::default());
        for status in [200, 200, 404] {
            series.record(words(status), 1);
        }
        series.record(Words { status: None, ..words(200) }, 1);
        let read: Vec<_> = series.read().into_iter().map(|(words, reading)| (words, reading.count())).collect();
        let none = Words { status: None, ..words(200) };
        assert_eq!(read, [(Some(words(404)), 1), (Some(words(200)), 2), (Some(none), 1)]);
    }

    #[test]
    fn there_are_no_more_than_so_many_and_nothing_is_lost() {
        let places = Places(Arc::new(AtomicUsize::new(3)));
        let series = Series::new(places.clone());
        for status in 400..=410 {
            series.record(words(status), 1);
        }
        let read = series.read();
        assert_eq!(read.len(), 4);
        assert_eq!(read.iter().map(|(_, reading)| reading.count()).sum::<u64>(), 11);
        assert_eq!(read.last().map(|(words, reading)| (*words, reading.count())), Some((None, 8)));
        drop(series);
        assert_eq!(places.0.load(Ordering::Relaxed), 3, "places are given back with what had them");
    }
}
