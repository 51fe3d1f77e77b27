//! `RateLimit` and `RateLimit-Policy`, by draft-ietf-httpapi-ratelimit-headers: structured fields (RFC 9651), a member for each
//! limit.

use super::Limit;
use plugin_sdk::limit::{Algorithm, Budget, Standing};
use std::fmt;

/// The values of both fields.
pub(crate) struct Fields {
    policy: String,
    state: String,
}

impl Fields {
    /// Limits, what was asked of each, and how it stands. Names need no escapes: `Limit` has seen to that.
    pub(crate) fn new(limits: &[Limit], budgets: &[Budget], standings: &[Standing]) -> Self {
        let (mut policy, mut state) = (Vec::new(), Vec::new());
        for ((limit, budget), standing) in limits.iter().zip(budgets).zip(standings) {
            let name = &limit.name;
            let size = if budget.burst > 0 { budget.burst } else { budget.limit };
            match budget.algorithm {
                Algorithm::Concurrency => {
                    policy.push(format!("\"{name}\";q={};qu=\"concurrent-requests\"", budget.limit));
                    state.push(format!("\"{name}\";r={}", standing.remaining));
                }
                _ => {
                    policy.push(format!("\"{name}\";q={size};w={}", budget.window / 1000));
                    let reset = if standing.allowed { standing.reset } else { standing.retry_after };
                    state.push(format!("\"{name}\";r={};t={}", standing.remaining, reset.div_ceil(1000)));
                }
            }
        }
        Self { policy: policy.join(", "), state: state.join(", ") }
    }

    /// The values, from how they are written.
    pub(crate) fn parts(text: &str) -> Option<(&str, &str)> {
        text.split_once('\n')
    }
}

impl fmt::Display for Fields {
    /// Both values, a line each.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n{}", self.policy, self.state)
    }
}
