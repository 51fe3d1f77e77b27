//! Waiting for something to become true, with an end.

use std::time::{Duration, Instant};

/// How long a test waits for what should come at once; generous, because machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks until there is an answer.
///
/// # Panics
/// There was none in [`PATIENCE`].
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
