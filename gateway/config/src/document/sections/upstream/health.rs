//! `health` and `outliers`: when an endpoint gets no requests.

use crate::document::section::section;
use crate::document::value::{Count, Percent, Statuses, Target, Time};

section! {
    /// Asks each endpoint from time to time whether it is well. A connection is enough unless a path is written.
    Health {
        /// What is asked for, with `GET`.
        "path" => path: Target, optional;
        /// The statuses of one that is well: `200`, or `"2xx"` for all of a class; any 2xx or 3xx when not written.
        "statuses" => statuses: Vec<Statuses>, empty;
        /// Between two questions, give or take a tenth.
        "interval" => interval: Time, default(Time::seconds(5));
        /// For the answer.
        "timeout" => timeout: Time, default(Time::seconds(2));
        /// So many good answers in a row bring it back.
        "healthy" => healthy: Count<1, 100>, default(Count::new(2));
        /// So many bad ones in a row take it out.
        "unhealthy" => unhealthy: Count<1, 100>, default(Count::new(3));
    }
}

section! {
    /// When an endpoint that fails requests gets none for a while. The last one that is left is never taken out.
    Outliers {
        /// So many failures in a row: no connection, no answer, junk, or one of `statuses`. 0 takes none out.
        "failures" => failures: Count<0, 1000>, default(Count::new(5));
        /// The answers that count as failures; 502, 503 and 504 when not written.
        "statuses" => statuses: Vec<Statuses>, empty;
        /// For how long it gets nothing; the next time twice as long, up to ten times.
        "ejection" => ejection: Time, default(Time::seconds(30));
        /// How many of the endpoints at most; always one.
        "most" => most: Percent, default(Percent::new(10));
    }
}
