//! `log`: a plugin's entries in the gateway's log, at a bounded rate.

use crate::abi::gateway::wit::log::Host;
pub(crate) use crate::abi::gateway::wit::log::Level;
use crate::kept::Kept;
use crate::state::State;
use gateway_core::clock;
use gateway_core::instruments::Counter;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Entries a second.
const RATE: u32 = 100;

/// Bytes of an entry; the rest is cut off.
pub(crate) const SIZE: usize = 8 << 10;

/// How many entries a plugin wrote in this second.
pub(crate) struct Rate {
    window: Mutex<Window>,
    lost: Counter,
}

struct Window {
    begin: Instant,
    entries: u32,
    lost: u32,
}

impl Rate {
    pub(crate) fn new(lost: Counter) -> Self {
        Self { window: Mutex::new(Window { begin: clock::now(), entries: 0, lost: 0 }), lost }
    }

    /// Whether one more may be written at `now`, and how many were lost in the window before where a new one begins.
    fn admit(&self, now: Instant) -> (bool, u32) {
        let mut window = self.window.lock();
        let mut lost = 0;
        if now.saturating_duration_since(window.begin) >= Duration::from_secs(1) {
            lost = window.lost;
            *window = Window { begin: now, entries: 0, lost: 0 };
        }
        if window.entries < RATE {
            window.entries += 1;
            return (true, lost);
        }
        window.lost += 1;
        self.lost.increment();
        (false, lost)
    }
}

impl State {
    /// The id of the exchange for the log; empty in `configure`.
    pub(crate) fn request_id(&self) -> &str {
        self.exchange.as_deref().and_then(|exchange| exchange.id.to_str().ok()).unwrap_or_default()
    }
}

impl Host for State {
    fn log(&mut self, level: Level, message: String) {
        write(&self.kept, &self.settings.name, self.request_id(), level, &message);
    }
}

/// An entry of a plugin, where its rate allows one.
pub(crate) fn write(kept: &Kept, plugin: &str, request_id: &str, level: Level, message: &str) {
    let (admitted, lost) = kept.log.admit(clock::now());
    if lost > 0 {
        tracing::warn!(target: "gateway::plugin", plugin, lost, "log entries of a plugin were dropped: more than {RATE} a second");
    }
    if !admitted {
        return;
    }
    let message = printable(message);
    match level {
        Level::Trace => tracing::trace!(target: "gateway::plugin", plugin, request_id, "{message}"),
        Level::Debug => tracing::debug!(target: "gateway::plugin", plugin, request_id, "{message}"),
        Level::Info => tracing::info!(target: "gateway::plugin", plugin, request_id, "{message}"),
        Level::Warn => tracing::warn!(target: "gateway::plugin", plugin, request_id, "{message}"),
        Level::Error => tracing::error!(target: "gateway::plugin", plugin, request_id, "{message}"),
    }
}

/// At most [`SIZE`] bytes of it, control characters escaped: an entry cannot forge another, nor steer a terminal.
pub(crate) fn printable(message: &str) -> String {
    let mut printable = String::with_capacity(message.len().min(SIZE));
    for character in message.chars() {
        if printable.len() >= SIZE {
            printable.push('…');
            break;
        }
        match character {
            '\t' | ' ' => printable.push(character),
            _ if character.is_control() || is_format(character) => printable.extend(character.escape_unicode()),
            _ => printable.push(character),
        }
    }
    printable
}

/// Characters that change the direction or the lines of text (Unicode's bidirectional controls and separators).
fn is_format(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_hundred_entries_and_the_next_one_tells_the_loss() {
        let rate = Rate::new(Counter::default());
        let begin = clock::now();
        let admitted = (0..150).filter(|_| rate.admit(begin).0).count();
        assert_eq!(admitted, 100);
        assert_eq!(rate.admit(begin + Duration::from_secs(2)), (true, 50));
        assert_eq!(rate.lost.value(), 50);
    }

    #[test]
    fn what_could_forge_an_entry_is_escaped() {
        for (message, expected) in [
            ("plain – text", "plain – text"),
            ("a\r\nb", "a\\u{d}\\u{a}b"),
            ("\x1b[31m", "\\u{1b}[31m"),
            ("\u{202e}x", "\\u{202e}x"),
        ] {
            assert_eq!(printable(message), expected);
        }
        assert!(printable(&"x".repeat(SIZE * 2)).len() <= SIZE + '…'.len_utf8());
    }
}
