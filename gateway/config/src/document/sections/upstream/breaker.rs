//! `breaker`: when nothing is asked of a service for a while.

use crate::document::section::section;
use crate::document::value::{Count, Percent, Time};

section! {
    /// When nothing is asked of a service for a while: most of what was asked lately has failed.
    Breaker {
        /// It opens at this share of failures,
        "failures" => failures: Percent, default(Percent::new(50));
        /// of at least so many requests,
        "requests" => requests: Count, default(Count::new(20));
        /// in this time.
        "window" => window: Time, default(Time::seconds(10));
        /// For so long every request is answered with 503 at once.
        "open" => open: Time, default(Time::seconds(5));
        /// Then so many requests must go well.
        "probes" => probes: Count<1, 1000>, default(Count::new(3));
    }
}
