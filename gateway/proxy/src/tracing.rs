//! Whose trace a request belongs to, and whether it is recorded.

use gateway_core::clock::wall;
use gateway_core::trace::{BAGGAGE, Carried, Remote, Sink, TRACEPARENT, TRACESTATE, Trace};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Instant;

/// What a generation knows of traces.
pub struct Tracing {
    /// Whose `traceparent` is gone on with.
    pub trust: Trust,
    /// Below this, of 2^56, a new trace is not recorded.
    pub threshold: u64,
    /// Where recorded ones go.
    pub sink: Arc<dyn Sink>,
}

/// Whose `traceparent` is gone on with. Whoever is not believed begins a new trace, whatever it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Nobody's.
    Nobody,
    /// That of proxies whose forwarding fields are believed.
    Proxies,
    /// Everybody's.
    Everybody,
}

/// The bits of a trace's id that are random for sure (W3C Trace Context level 2).
const RANDOM: u64 = (1 << 56) - 1;

impl Tracing {
    /// The threshold at which so many of a million traces are recorded.
    #[must_use]
    pub fn threshold(per_million: u32) -> u64 {
        let recorded = u128::from(RANDOM + 1) * u128::from(per_million.min(1_000_000)) / 1_000_000;
        RANDOM + 1 - u64::try_from(recorded).unwrap_or(0)
    }

    /// Takes out of a request what it says of a trace, where its client is believed: where that stands, and what goes along.
    pub(crate) fn take(&self, headers: &mut HeaderMap, is_proxy: impl FnOnce() -> bool) -> (Option<Remote>, Carried) {
        let trusted = match self.trust {
            Trust::Nobody => false,
            Trust::Proxies => headers.contains_key(TRACEPARENT) && is_proxy(),
            Trust::Everybody => true,
        };
        let mut carried = Carried::default();
        let mut parent = None;
        if trusted {
            let mut fields = headers.get_all(TRACEPARENT).iter();
            // Two of them are none (section 3.2.2.1).
            parent =
                fields.next().filter(|_| fields.next().is_none()).and_then(|field| Remote::parse(field.as_bytes()));
            carried.baggage = headers.get(BAGGAGE).cloned();
        } else {
            headers.remove(BAGGAGE);
        }
        match parent {
            Some(_) => carried.state = headers.get(TRACESTATE).cloned(),
            None => drop(headers.remove(TRACESTATE)),
        }
        headers.remove(TRACEPARENT);
        (parent, carried)
    }

    /// The trace of a request. Its caller, where there is one, says whether it is recorded; else chance does.
    pub(crate) fn begin(&self, parent: Option<Remote>, carried: Carried, now: Instant) -> Trace {
        let id = fastrand::u128(1..);
        let recorded = parent.map_or(id as u64 & RANDOM >= self.threshold, |parent| parent.sampled);
        let sink = recorded.then(|| (Arc::clone(&self.sink), now, wall()));
        Trace::begin(parent, id, carried, sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::clock::now;
    use gateway_core::trace::Finished;
    use http::HeaderValue;

    struct Nowhere;

    impl Sink for Nowhere {
        fn take(&self, _: Finished) {}
    }

    fn tracing(trust: Trust, per_million: u32) -> Tracing {
        Tracing { trust, threshold: Tracing::threshold(per_million), sink: Arc::new(Nowhere) }
    }

    fn headers(sampled: bool) -> HeaderMap {
        let parent = Remote { id: 5, span: 6, sampled };
        let state = HeaderValue::from_static("a=1");
        HeaderMap::from_iter([(TRACEPARENT, parent.field()), (TRACESTATE, state.clone()), (BAGGAGE, state)])
    }

    #[test]
    fn a_caller_that_is_believed_decides() {
        for (trust, is_proxy, goes_on) in [
            (Trust::Everybody, false, true),
            (Trust::Proxies, true, true),
            (Trust::Proxies, false, false),
            (Trust::Nobody, true, false),
        ] {
            for sampled in [true, false] {
                let mut headers = headers(sampled);
                // What begins anew is recorded just the other way.
                let share = if sampled { 0 } else { 1_000_000 };
                let tracing = tracing(trust, share);
                let (parent, carried) = tracing.take(&mut headers, || is_proxy);
                let trace = tracing.begin(parent, carried, now());
                assert_eq!((trace.id() == 5, parent.is_some()), (goes_on, goes_on), "{trust:?}");
                assert_eq!(trace.is_recorded(), sampled == goes_on, "{trust:?}");
                assert_eq!(headers.contains_key(BAGGAGE), goes_on);
                assert_eq!(headers.contains_key(TRACESTATE), goes_on);
                assert!(!headers.contains_key(TRACEPARENT), "each service gets its own");
            }
        }
    }

    #[test]
    fn a_share_of_new_traces_is_recorded() {
        let tracing = tracing(Trust::Nobody, 100_000);
        let recorded = |_: &i32| tracing.begin(None, Carried::default(), now()).is_recorded();
        let count = (0..10_000).filter(recorded).count();
        assert!((800..1200).contains(&count), "{count} of 10,000");
        assert_eq!(Tracing::threshold(0), RANDOM + 1);
        assert_eq!(Tracing::threshold(1_000_000), 0);
    }

    #[test]
    fn two_parents_are_none() {
        let mut headers = headers(true);
        headers.append(TRACEPARENT, Remote { id: 7, span: 8, sampled: true }.field());
        let (parent, _) = tracing(Trust::Everybody, 0).take(&mut headers, || false);
        assert_eq!((parent, headers.contains_key(TRACESTATE)), (None, false));
    }
}
