//! Ends of lines in HTTP/1.1, where hyper is lenient and what stands before us may not be (HARDENING P13).
//!
//! hyper takes a bare LF for the end of a line of a head or a trailer. RFC 9112 2.2 allows that; but who reads the line on would see other
//! fields, or another end of the message, than we do. It also drops the fragment of a target, which no target has. Nobody behind hyper can
//! see either, so what it reads passes here: such a byte is made a NUL, which hyper refuses with 400 and the end of the connection.
//!
//! To know what is a head this follows the framing of bodies, as far as hyper does: what hyper refuses need not be followed.

use memchr::{memchr, memchr_iter};

/// What is kept of a line that is not looked for: its first letter says so, and whether it is empty. More than a chunk's size has digits.
const KEPT: usize = 64;

/// What is read of a connection, byte for byte.
#[derive(Debug)]
pub(super) struct Lines {
    state: State,
    /// The beginning of a line whose end has not come, and its last byte.
    kept: Vec<u8>,
    last: u8,
    framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The line of a request, or an empty one before it.
    Request,
    Field,
    /// So many bytes are somebody else's.
    Body(u64),
    /// The line before a chunk.
    Size,
    /// A chunk with the end of its line.
    Chunk(u64),
    Trailer,
    /// hyper refuses what was read, or another protocol follows.
    Blind,
}

/// What the fields of a head say of its body.
#[derive(Debug, Clone, Copy, Default)]
struct Framing {
    length: u64,
    chunked: bool,
    switches: bool,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { state: State::Request, kept: Vec::new(), last: 0, framing: Framing::default() }
    }

    /// Looks at what was read, before hyper does.
    pub(super) fn pass(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.state == State::Field && self.kept.is_empty() {
                let passed = self.fields(bytes);
                bytes = bytes.get_mut(passed..).unwrap_or_default();
            }
            let skipped = match &mut self.state {
                State::Blind => return,
                State::Body(left) | State::Chunk(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= count as u64;
                    count
                }
                _ => match memchr(b'\n', bytes) {
                    Some(end) => {
                        let Some((line, _)) = bytes.split_at_mut_checked(end + 1) else { return };
                        self.line(line);
                        end + 1
                    }
                    None => {
                        self.keep(bytes);
                        return;
                    }
                },
            };
            match self.state {
                State::Body(0) => self.state = State::Request,
                State::Chunk(0) => self.state = State::Size,
                _ => {}
            }
            bytes = bytes.get_mut(skipped..).unwrap_or_default();
        }
    }

    /// Whole lines of a head that end as they should, the empty one that ends it included, in one go: how many bytes they are.
    fn fields(&mut self, bytes: &[u8]) -> usize {
        let mut begin = 0;
        for feed in memchr_iter(b'\n', bytes) {
            let Some(line) = bytes.get(begin..feed).and_then(|line| line.strip_suffix(b"\r")) else { break };
            begin = feed + 1;
            if line.is_empty() {
                self.state = self.framing.body();
                break;
            }
            if is_looked_for(line) {
                self.framing.field(line);
            }
        }
        begin
    }

    /// A line that goes on in what is read next.
    fn keep(&mut self, part: &mut [u8]) {
        self.refuse_fragment(part);
        let mut text = &*part;
        let zeros = text.iter().take_while(|byte| **byte == b'0').count();
        if self.state == State::Size && zeros > 0 && self.kept.iter().all(|byte| *byte == b'0') {
            // However many a size begins with, one stands for all of them.
            self.kept = vec![b'0'];
            text = text.get(zeros..).unwrap_or_default();
        }
        // One that says something of the framing is kept whole, however its value is padded: hyper bounds the head that it stands in.
        let begin = if self.kept.is_empty() { text } else { &self.kept };
        let is_whole = self.state == State::Field && is_looked_for(begin);
        let room = if is_whole { text.len() } else { KEPT.saturating_sub(self.kept.len()).min(text.len()) };
        self.kept.extend_from_slice(text.get(..room).unwrap_or_default());
        self.last = part.last().copied().unwrap_or(self.last);
    }

    /// The end of a line, its LF included.
    fn line(&mut self, part: &mut [u8]) {
        self.refuse_fragment(part);
        let Some((feed, text)) = part.split_last_mut() else { return };
        let before = text.last().copied().unwrap_or(self.last);
        let mut kept = std::mem::take(&mut self.kept);
        self.last = 0;
        let text = if kept.is_empty() {
            &*text
        } else {
            kept.extend_from_slice(text);
            &kept
        };
        if before != b'\r' && self.state != State::Size {
            *feed = 0;
            self.state = State::Blind;
            return;
        }
        let line = text.strip_suffix(b"\r").unwrap_or(text);
        self.state = match self.state {
            State::Request if line.is_empty() => State::Request,
            State::Field if line.is_empty() => self.framing.body(),
            State::Request => {
                self.framing = Framing::default();
                State::Field
            }
            State::Field => {
                self.framing.field(line);
                State::Field
            }
            // hyper refuses a bare LF here by itself.
            State::Size => size(line),
            State::Trailer if line.is_empty() => State::Request,
            other => other,
        };
    }

    fn refuse_fragment(&self, part: &mut [u8]) {
        if self.state == State::Request {
            // Every one: what becomes of a line does not depend on how it comes.
            let Some(first) = memchr(b'#', part) else { return };
            part.iter_mut().skip(first).filter(|byte| **byte == b'#').for_each(|byte| *byte = 0);
        }
    }
}

impl Framing {
    fn field(&mut self, line: &[u8]) {
        let Some((name, value)) = memchr(b':', line).and_then(|at| line.split_at_checked(at)) else { return };
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            // What is no number is refused.
            self.length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or_default();
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            // Only this one is served; where it is not, hardly anybody asks for it and goes on with HTTP.
            self.switches |= value.eq_ignore_ascii_case(b"websocket");
        }
    }

    fn body(self) -> State {
        match self {
            Self { switches: true, .. } => State::Blind,
            // RFC 9112 6.3: it wins over a length.
            Self { chunked: true, .. } => State::Size,
            Self { length: 0, .. } => State::Request,
            Self { length, .. } => State::Body(length),
        }
    }
}

/// Whether a field may be one that says something of the framing: most lines are told by their first letter.
fn is_looked_for(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'c' | b'C' | b't' | b'T' | b'u' | b'U'))
}

/// What follows the line before a chunk. Its extensions are hyper's to refuse.
fn size(line: &[u8]) -> State {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let digits = line.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default();
    match u64::from_str_radix(digits, 16) {
        Ok(0) => State::Trailer,
        Ok(size) => State::Chunk(size.saturating_add(2)),
        Err(_) => State::Blind,
    }
}

/// What fuzzers call: what is made of some bytes does not depend on how they come, and no more than single bytes become NUL.
///
/// # Panics
/// It does.
pub fn fuzz(data: &[u8]) {
    let pass = |piece: usize| {
        let (mut lines, mut bytes) = (Lines::new(), data.to_vec());
        bytes.chunks_mut(piece).for_each(|piece| lines.pass(piece));
        bytes
    };
    let whole = pass(data.len().max(1));
    for piece in [1, 2, 5, 64] {
        assert_eq!(pass(piece), whole, "in pieces of {piece}");
    }
    let changed = data.iter().zip(&whole).filter(|(before, after)| before != after);
    assert!(changed.clone().all(|(before, after)| matches!(before, b'\n' | b'#') && *after == 0));
    assert!(changed.filter(|(before, _)| **before == b'\n').count() < 2, "after the first nothing is read");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What hyper reads of it, in pieces of every size.
    fn passed(text: &str) -> Vec<String> {
        let pieces = [1, 2, 3, 7, 1000];
        let pass = |piece: usize| {
            let mut lines = Lines::new();
            let mut bytes = text.as_bytes().to_vec();
            bytes.chunks_mut(piece).for_each(|piece| lines.pass(piece));
            String::from_utf8(bytes).unwrap()
        };
        pieces.into_iter().map(pass).collect()
    }

    #[test]
    fn what_is_well_formed_passes_as_it_is() {
        let get = "GET /a?b HTTP/1.1\r\nhost: a\r\n\r\n";
        let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(100), "b".repeat(100));
        for text in [
            get,
            &format!("\r\n\r\n{get}\r\n{get}{long}"),
            &format!("POST / HTTP/1.1\r\nContent-Length:  6 \r\n\r\na\nb#\nc{get}"),
            &format!(
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4;x=\"#\"\r\n\n#\n\n\r\n0\r\nx: y#\r\n\r\n{get}"
            ),
            &format!(
                "POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n\n\n\r\n0\r\n\r\n{get}"
            ),
            "GET / HTTP/1.1\r\nx: #\r\nupgrade: websocket\r\n\r\n\n#\n\nGET /#",
            // However a value is padded, and however it comes.
            &format!("POST / HTTP/1.1\r\ncontent-length:{}3\r\n\r\n\n#\n{get}", " ".repeat(100)),
            &format!("POST / HTTP/1.1\r\ncontent-length: {}3\r\n\r\n\n#\n{get}", "0".repeat(100)),
            &format!("GET / HTTP/1.1\r\nupgrade: {}websocket\r\n\r\n\n#\n\nGET /#", " ".repeat(100)),
            &format!(
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{}2;{}\r\n\n\n\r\n0\r\n\r\n{get}",
                "0".repeat(100),
                "x".repeat(100)
            ),
        ] {
            assert!(passed(text).iter().all(|passed| passed == text), "{text:?}");
        }
    }

    #[test]
    fn a_bare_line_feed_and_a_fragment_are_made_unreadable() {
        let post = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n";
        for text in [
            "GET / HTTP/1.1@host: a\r\n\r\n",
            "@GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nx: y@host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n@",
            "GET / HTTP/1.1\r\nhost: a@\r\n",
            "GET /a@b HTTP/1.1\r\nhost: a\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nabGET /@",
            &format!("{post}0\r\n@GET / HTTP/1.1\r\n"),
            &format!("{post}0\r\nx: y@\r\n"),
        ] {
            let (bare, fragment) = (text.replace('@', "\n"), text.replace('@', "#"));
            let is_fragment = text.contains("/a@b") || text.contains("GET /@");
            let sent = if is_fragment { fragment } else { bare };
            let expected = text.replace('@', "\0");
            assert!(passed(&sent).iter().all(|passed| *passed == expected), "{sent:?}: {:?}", passed(&sent));
        }
    }
}
