//! Path patterns as a tree of segments, walked from the most specific to the least.

use super::{Candidate, Captured};
use foldhash::fast::RandomState;
use gateway_config::{PathPattern, Segment};
use std::collections::HashMap;
use std::sync::Arc;

/// The patterns of one host.
#[derive(Default)]
pub(super) struct Tree(Node);

#[derive(Default)]
struct Node {
    literals: HashMap<String, Node, RandomState>,
    parameter: Option<Box<Node>>,
    /// Patterns that end here.
    ends: Vec<Leaf>,
    /// `prefix` patterns that end here, and `{*rest}`: whatever follows.
    rests: Vec<Leaf>,
}

struct Leaf {
    /// Names in the order of capture; the last one is the rest's, where it has a name.
    names: Vec<Arc<str>>,
    candidate: Candidate,
}

/// What a walk has captured so far: slices of the path, and the names that the leaf gives them.
pub(super) struct Captures<'a> {
    names: &'a [Arc<str>],
    values: &'a [&'a str],
}

impl Captures<'_> {
    /// Each value by its name.
    pub(super) fn named(&self) -> Captured {
        Captured(self.names.iter().cloned().zip(self.values.iter().map(ToString::to_string)).collect())
    }
}

type Visit<'v> = dyn FnMut(&Candidate, Captures<'_>) -> bool + 'v;

impl Tree {
    pub(super) fn insert(&mut self, pattern: &PathPattern, candidate: Candidate) {
        let mut node = &mut self.0;
        let mut names = Vec::new();
        let mut open = pattern.prefix;
        for segment in &pattern.segments {
            match segment {
                Segment::Literal(text) => node = node.literals.entry(text.clone()).or_default(),
                Segment::Parameter(name) => {
                    names.push(Arc::clone(name));
                    node = node.parameter.get_or_insert_default();
                }
                Segment::Rest(name) => {
                    names.push(Arc::clone(name));
                    open = true;
                }
            }
        }
        let leaves = if open { &mut node.rests } else { &mut node.ends };
        leaves.push(Leaf { names, candidate });
        // Stable: those that demand more come first, in the order of `gateway_config::specificity`.
        leaves.sort_by_key(|leaf| std::cmp::Reverse(leaf.candidate.conditions.rank()));
    }

    /// Visits every candidate whose path matches, until the visitor answers true.
    pub(super) fn walk(&self, path: &str, visit: &mut Visit<'_>) {
        let path = path.strip_prefix('/').unwrap_or(path);
        self.0.walk(Some(path), &mut Vec::new(), visit);
    }
}

impl Node {
    /// `left` is what follows the last slash that was passed; none at the end of the path.
    fn walk<'p>(&self, left: Option<&'p str>, values: &mut Vec<&'p str>, visit: &mut Visit<'_>) -> bool {
        let Some(left) = left else {
            return offer(&self.ends, values, visit) || offer(&self.rests, values, visit);
        };
        let (segment, rest) = match left.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (left, None),
        };
        // Without its parameters as well: services that know them take `/admin;x` for `/admin`, and a rule must not be passed by them.
        let bare = segment.split_once(';').map(|(bare, _)| bare);
        for literal in std::iter::once(segment).chain(bare) {
            if let Some(node) = self.literals.get(literal)
                && node.walk(rest, values, visit)
            {
                return true;
            }
        }
        if let Some(node) = &self.parameter
            && !segment.is_empty()
        {
            values.push(segment);
            if node.walk(rest, values, visit) {
                return true;
            }
            values.pop();
        }
        values.push(left);
        let found = offer(&self.rests, values, visit);
        values.pop();
        found
    }
}

/// A leaf names as many values as it captures; a prefix leaves the rest unnamed. `/a/{*rest}` has a name too many for `/a`
/// and does not match it.
fn offer(leaves: &[Leaf], values: &[&str], visit: &mut Visit<'_>) -> bool {
    leaves
        .iter()
        .filter(|leaf| leaf.names.len() <= values.len())
        .any(|leaf| visit(&leaf.candidate, Captures { names: &leaf.names, values }))
}
