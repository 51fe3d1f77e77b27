//! Which of two routes that match the same request wins.

use crate::{Host, Match, PathPattern, Segment};

/// How specific a match is: the greater one wins. The order of the fields is the order of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Specificity {
    host: HostRank,
    path: Vec<SegmentRank>,
    has_methods: bool,
    headers: usize,
    query: usize,
}

/// An exact host before a wildcard, a longer wildcard before a shorter one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum HostRank {
    Any,
    Wildcard { labels: usize },
    Exact,
}

/// Compared segment by segment from the left. A pattern that ends is closed by `End` or `Open`, so that a longer one
/// stands before it, and `/a` as path before `/a` as prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum SegmentRank {
    Open,
    End,
    Parameter,
    Literal,
}

/// How specific a match is.
#[must_use]
pub fn specificity(matches: &Match) -> Specificity {
    Specificity {
        host: match &matches.host {
            None => HostRank::Any,
            Some(Host::Wildcard(suffix)) => HostRank::Wildcard { labels: suffix.split('.').count() },
            Some(Host::Exact(_)) => HostRank::Exact,
        },
        path: path_rank(&matches.path),
        has_methods: !matches.methods.is_empty(),
        headers: matches.headers.len(),
        query: matches.query.len(),
    }
}

fn path_rank(pattern: &PathPattern) -> Vec<SegmentRank> {
    let segments = pattern.segments.iter().map(|segment| match segment {
        Segment::Literal(_) => SegmentRank::Literal,
        Segment::Parameter(_) => SegmentRank::Parameter,
        Segment::Rest(_) => SegmentRank::Open,
    });
    let is_open = pattern.prefix || matches!(pattern.segments.last(), Some(Segment::Rest(_)));
    let end = if is_open { SegmentRank::Open } else { SegmentRank::End };
    // What a rest captures is open already; a prefix and a rest at the same place rank alike.
    let closed = segments.filter(|rank| *rank != SegmentRank::Open).chain([end]);
    closed.collect()
}
