//! Counts the frames of an HTTP/2 client and says when it works against us rather than with us (HARDENING H1 to H5).
//!
//! `h2` does the framing and bounds its own queues; here only the nine-byte frame headers are looked at as they pass, because
//! what an attack has in common is many frames that ask for nothing.

use gateway_core::clock::now;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Control frames that every connection may send.
const CONTROL_FRAMES: u64 = 1000;
/// Control frames that each stream adds.
const CONTROL_FRAMES_PER_STREAM: u64 = 10;
/// Control frames that each second adds: a quiet stream of events is kept alive by pings, for days.
const CONTROL_FRAMES_PER_SECOND: u64 = 10;
/// Bytes sent to the client for which it may send one more (it updates its windows as it reads).
const BYTES_PER_CONTROL_FRAME: u64 = 1024;
/// Resets that every connection may send; each answer that was not reset adds one.
const RESETS: u64 = 100;

/// Types of frames that carry fields (RFC 9113 6.2 and 6.10), and the flag of the last one.
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Looks at one connection.
pub(super) struct Guard {
    born: Instant,
    state: Mutex<State>,
    tripped: AtomicBool,
    trip: Notify,
}

struct State {
    /// Bytes to pass before the next frame header: at first the preface.
    skip: u64,
    header: [u8; 9],
    filled: usize,
    /// Whether frames of a block of fields are still to come.
    block: bool,
    control: u64,
    streams: u64,
    sent: u64,
    resets: u64,
    answered: u64,
}

impl Guard {
    pub(super) fn new() -> Self {
        let state = State {
            skip: 24,
            header: [0; 9],
            filled: 0,
            block: false,
            control: 0,
            streams: 0,
            sent: 0,
            resets: 0,
            answered: 0,
        };
        Self { born: now(), state: Mutex::new(state), tripped: AtomicBool::new(false), trip: Notify::new() }
    }

    /// These bytes came in. Tells whether they end inside the head of a request.
    pub(super) fn received(&self, bytes: &[u8]) -> bool {
        let mut state = self.state.lock();
        state.pass(bytes);
        if state.is_abuse(|| now().saturating_duration_since(self.born)) && !self.tripped.swap(true, Ordering::Relaxed)
        {
            self.trip.notify_one();
        }
        state.is_inside_head()
    }

    /// So many bytes went out.
    pub(super) fn sent(&self, bytes: usize) {
        self.state.lock().sent += bytes as u64;
    }

    /// A stream was answered, neither reset nor given up.
    pub(super) fn answered(&self) {
        self.state.lock().answered += 1;
    }

    pub(super) fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed)
    }

    /// Returns once the client was found out.
    pub(super) async fn tripped(&self) {
        while !self.is_tripped() {
            self.trip.notified().await;
        }
    }
}

impl State {
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let count = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                self.skip -= count as u64;
                bytes = bytes.get(count..).unwrap_or_default();
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else { return };
            if let Some(place) = self.header.get_mut(self.filled) {
                *place = *byte;
            }
            self.filled += 1;
            bytes = rest;
            if self.filled == self.header.len() {
                self.filled = 0;
                self.frame();
            }
        }
    }

    fn frame(&mut self) {
        let [a, b, c, kind, flags, ..] = self.header;
        let length = u64::from(u32::from_be_bytes([0, a, b, c]));
        self.skip = length;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.block = flags & END_HEADERS == 0;
        }
        match kind {
            // DATA: an empty one that does not end its stream is only there to be read.
            0 if length == 0 => self.control += 1,
            0 => {}
            HEADERS => self.streams += 1,
            // RST_STREAM
            3 => self.resets += 1,
            // PRIORITY, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, and what nobody knows.
            _ => self.control += 1,
        }
    }

    fn is_inside_head(&self) -> bool {
        self.block || (self.skip > 0 && matches!(self.header, [_, _, _, HEADERS | CONTINUATION, ..]))
    }

    /// `age` is asked only of a connection that has used up what it may send at any age.
    fn is_abuse(&self, age: impl FnOnce() -> Duration) -> bool {
        let allowed = CONTROL_FRAMES + self.streams * CONTROL_FRAMES_PER_STREAM + self.sent / BYTES_PER_CONTROL_FRAME;
        self.resets > RESETS + self.answered
            || (self.control > allowed && self.control > allowed + age().as_secs() * CONTROL_FRAMES_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[length[1], length[2], length[3], kind, 0, 0, 0, 0, 1], payload].concat()
    }

    /// Sends in pieces of every size, so that headers are cut anywhere.
    fn guard_after(frames: &[Vec<u8>], piece: usize) -> Guard {
        let guard = Guard::new();
        let all = [&[0; 24][..], &frames.concat()].concat();
        for piece in all.chunks(piece) {
            guard.received(piece);
        }
        guard
    }

    #[test]
    fn floods_are_told_from_use() {
        let pings = vec![frame(6, &[0; 8]); 1100];
        let resets = vec![frame(3, &[0; 4]); 101];
        let uploads = vec![frame(0, &[7; 1000]); 5000];
        for piece in [1, 7, 9, 10, 4096] {
            assert!(guard_after(&pings, piece).is_tripped(), "pings in pieces of {piece}");
            assert!(guard_after(&resets, piece).is_tripped(), "resets in pieces of {piece}");
            assert!(!guard_after(&uploads, piece).is_tripped(), "an upload in pieces of {piece}");
        }
    }

    #[test]
    fn a_head_is_open_until_its_last_byte() {
        let guard = Guard::new();
        assert!(!guard.received(&[0; 24]));
        let (first, last) =
            (frame(HEADERS, &[0; 3]), [&[0, 0, 2, CONTINUATION, END_HEADERS, 0, 0, 0, 1], &[0; 2][..]].concat());
        assert!(guard.received(&first));
        assert!(guard.received(&frame(6, &[0; 8])));
        assert!(guard.received(&last[..10]));
        assert!(!guard.received(&last[10..]));
        assert!(!guard.received(&frame(6, &[0; 8])[..10]));
    }

    #[test]
    fn what_a_connection_may_send_grows_with_its_age() {
        let guard = Guard::new();
        let mut state = guard.state.lock();
        state.control = CONTROL_FRAMES + CONTROL_FRAMES_PER_SECOND;
        assert!(state.is_abuse(|| Duration::ZERO));
        assert!(!state.is_abuse(|| Duration::from_secs(1)));
    }

    #[test]
    fn a_client_that_reads_may_update_its_windows_and_reset_now_and_then() {
        let guard = Guard::new();
        guard.received(&[0; 24]);
        guard.sent(10 << 20);
        for _ in 0..2000 {
            guard.received(&frame(8, &[0; 4]));
            guard.answered();
            guard.received(&frame(3, &[0; 4]));
        }
        assert!(!guard.is_tripped());
    }
}
