//! HTTP/1.1 read as the strictest reader would: one spelling for everything, or it is told what is wrong. What passes here cannot be
//! read in two ways by whoever stands behind (RFC 9110, RFC 9112).

/// A message without a doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The request line or the status line.
    pub line: String,
    /// Names in lower case, in order.
    pub fields: Vec<(String, String)>,
    /// Decoded.
    pub body: Vec<u8>,
    /// Names in lower case, in order.
    pub trailers: Vec<(String, String)>,
}

/// What stands on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// The whole messages, in order.
    pub messages: Vec<Message>,
    /// A head whose body has not come to its end: `POST /x HTTP/1.1`.
    pub cut: Option<String>,
    /// How many bytes the whole ones are.
    pub length: usize,
}

/// Why bytes are no message without a doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// A head has not come to its end.
    Unfinished,
    /// A reader could take it for something else.
    Ambiguous(String),
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self::Ambiguous(what)
    }
}

/// Of one connection, and never passed on (RFC 9110 7.6.1).
const OF_A_CONNECTION: [&str; 7] = [
    "keep-alive",
    "proxy",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "upgrade",
    "http2-settings",
];

/// How long a body is.
enum Framing {
    Length(usize),
    Chunked,
    /// Until the connection ends, which a reader of answers may have to accept.
    End,
}

impl Message {
    /// Every value of a field, in order.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// A request in short: `POST /path body`.
    #[must_use]
    pub fn short(&self) -> String {
        let line = self.line.strip_suffix(" HTTP/1.1").unwrap_or(&self.line);
        format!("{line} {}", String::from_utf8_lossy(&self.body)).trim_end().to_owned()
    }

    /// The status of an answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}

/// The requests on a connection to a service.
///
/// # Errors
/// What a reader could take for something else.
pub fn requests(bytes: &[u8]) -> Result<Read, Wrong> {
    let mut rest = bytes;
    let mut read = Read::default();
    while !rest.is_empty() {
        let (mut message, body) = head(rest)?;
        request(&message)?;
        let framing = match framing(&message)? {
            Framing::End => Framing::Length(0),
            known => known,
        };
        match decode(body, &framing)? {
            Some((decoded, trailers, length)) => {
                (message.body, message.trailers) = (decoded, trailers);
                read.messages.push(message);
                rest = &body[length..];
                read.length = bytes.len() - rest.len();
            }
            None => {
                read.cut = Some(message.line);
                return Ok(read);
            }
        }
    }
    Ok(read)
}

/// The answers that a client got to requests of these methods, in order; interim ones are left out.
///
/// # Errors
/// What a reader could take for something else, and bytes that answer nothing.
pub fn answers(bytes: &[u8], methods: &[&str]) -> Result<Read, Wrong> {
    let mut rest = bytes;
    let mut read = Read::default();
    let mut methods = methods.iter();
    while !rest.is_empty() {
        let (mut message, body) = head(rest)?;
        answer(&message)?;
        let status = message.status();
        if (102..200).contains(&status) || status == 100 {
            rest = body;
            continue;
        }
        let method = methods.next().ok_or_else(|| format!("an answer that nobody has asked for: {}", text(rest)))?;
        let framing = match framing(&message)? {
            _ if *method == "HEAD" || matches!(status, 101 | 204 | 304) => Framing::Length(0),
            known => known,
        };
        match decode(body, &framing)? {
            Some((decoded, trailers, length)) => {
                (message.body, message.trailers) = (decoded, trailers);
                read.messages.push(message);
                rest = &body[length..];
                read.length = bytes.len() - rest.len();
            }
            None => {
                read.cut = Some(message.line);
                return Ok(read);
            }
        }
    }
    Ok(read)
}

/// A head and what follows it.
fn head(bytes: &[u8]) -> Result<(Message, &[u8]), Wrong> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or(Wrong::Unfinished)?;
    let (head, rest) = (&bytes[..end], &bytes[end + 4..]);
    let mut lines = lines(head)?.into_iter();
    let line = lines.next().unwrap_or_default();
    let fields = lines.map(|line| field(&line)).collect::<Result<_, String>>()?;
    Ok((Message { line, fields, body: Vec::new(), trailers: Vec::new() }, rest))
}

/// Lines of ASCII or better between CR LF, without any other control byte.
fn lines(bytes: &[u8]) -> Result<Vec<String>, String> {
    let lines = String::from_utf8_lossy(bytes).split("\r\n").map(str::to_owned).collect::<Vec<_>>();
    match lines.iter().find(|line| line.chars().any(|letter| letter.is_ascii_control() && letter != '\t')) {
        Some(line) => Err(format!("a control byte in {line:?}")),
        None => Ok(lines),
    }
}

fn field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("a line that is no field: {line:?}"))?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^`|~".contains(&byte)) {
        return Err(format!("a name that is none, or is read differently by some: {name:?}"));
    }
    let value = value.strip_prefix(' ').unwrap_or(value);
    match value.trim() == value {
        true => Ok((name.to_ascii_lowercase(), value.to_owned())),
        false => Err(format!("space around the value of {line:?}")),
    }
}

fn request(message: &Message) -> Result<(), String> {
    let line = &message.line;
    let wrong = |what: &str| Err(format!("{what}: {line:?}"));
    let parts: Vec<_> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else { return wrong("a request line of another shape") };
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!~*".contains(&byte)) {
        return wrong("a method that is none");
    }
    let path = target.split('?').next().unwrap_or_default();
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return wrong("a target that is no path");
    }
    if let Some(why) = not_normal(path) {
        return wrong(why);
    }
    if message.values("host").len() != 1 {
        return wrong("not one host");
    }
    if message.values("cookie").len() > 1 {
        return wrong("several cookie fields");
    }
    for (name, value) in &message.fields {
        let is_wrong = match name.as_str() {
            "connection" => value != "te",
            "te" => value != "trailers",
            "expect" => true,
            name => OF_A_CONNECTION.contains(&name),
        };
        if is_wrong {
            return wrong(&format!("`{name}: {value}` was passed on"));
        }
    }
    Ok(())
}

/// Why a path can be spelled in another way too.
fn not_normal(path: &str) -> Option<&'static str> {
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'\\' {
            return Some("a backslash");
        }
        if byte != b'%' {
            continue;
        }
        let digits: String = rest.by_ref().take(2).map(char::from).collect();
        let Ok(decoded) = u8::from_str_radix(&digits, 16) else { return Some("a broken encoding") };
        if digits.chars().any(|digit| digit.is_ascii_lowercase()) {
            return Some("an encoding in small letters");
        }
        if decoded.is_ascii_alphanumeric() || b"-._~/\\\0".contains(&decoded) {
            return Some("an encoding of what needs none");
        }
    }
    let dotted = path.split('/').any(|segment| matches!(segment, "." | ".."));
    (dotted || path.contains("//")).then_some("a dot segment or an empty one")
}

fn answer(message: &Message) -> Result<(), String> {
    let line = &message.line;
    let rest = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
    let status = rest.and_then(|rest| rest.get(..3)?.parse().ok());
    if !status.is_some_and(|status: u16| (100..600).contains(&status)) {
        return Err(format!("a status line that is none: {line:?}"));
    }
    let ours = ["close", "keep-alive", "upgrade", "Upgrade"];
    for (name, value) in &message.fields {
        let is_wrong = match name.as_str() {
            "connection" => !ours.contains(&value.as_str()),
            "upgrade" => message.status() != 101,
            name => OF_A_CONNECTION.contains(&name),
        };
        if is_wrong {
            return Err(format!("`{name}: {value}` was passed on"));
        }
    }
    Ok(())
}

fn framing(message: &Message) -> Result<Framing, String> {
    let wrong = |what: &str| Err(format!("{what}: {:?} {:?}", message.line, message.fields));
    match (&*message.values("transfer-encoding"), &*message.values("content-length")) {
        ([], []) => Ok(Framing::End),
        (["chunked"], []) => Ok(Framing::Chunked),
        ([], [length]) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(Framing::Length).or_else(|_| wrong("a length that nobody can count to"))
        }
        _ => wrong("framed in more than one way, or in none"),
    }
}

/// A body decoded, its trailers, and how many bytes it took.
type Decoded = (Vec<u8>, Vec<(String, String)>, usize);

/// None where it has not come to its end.
fn decode(bytes: &[u8], framing: &Framing) -> Result<Option<Decoded>, String> {
    match framing {
        Framing::End => Ok(Some((bytes.to_vec(), Vec::new(), bytes.len()))),
        Framing::Length(length) => Ok(bytes.get(..*length).map(|body| (body.to_vec(), Vec::new(), *length))),
        Framing::Chunked => chunks(bytes),
    }
}

fn chunks(bytes: &[u8]) -> Result<Option<Decoded>, String> {
    let (mut body, mut trailers, mut at) = (Vec::new(), Vec::new(), 0);
    let line = |at: usize| {
        let length = bytes[at..].windows(2).position(|pair| pair == b"\r\n")?;
        Some((text(&bytes[at..at + length]), at + length + 2))
    };
    loop {
        let Some((size, next)) = line(at) else { return Ok(None) };
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("the size of a chunk is {size:?}"));
        }
        let size = usize::from_str_radix(&size, 16).map_err(|_| format!("the size of a chunk is {size:?}"))?;
        at = next;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        let Some(chunk) = chunk.strip_suffix(b"\r\n") else { return Err("a chunk does not end at its end".into()) };
        body.extend_from_slice(chunk);
        at += size + 2;
    }
    loop {
        let Some((trailer, next)) = line(at) else { return Ok(None) };
        at = next;
        if trailer.is_empty() {
            return Ok(Some((body, trailers, at)));
        }
        let (name, value) = field(&trailer)?;
        let framing = ["content-length", "transfer-encoding", "host", "connection", "te", "trailer", "expect"];
        if framing.contains(&name.as_str()) || OF_A_CONNECTION.contains(&name.as_str()) {
            return Err(format!("a trailer `{name}: {value}`"));
        }
        trailers.push((name, value));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing rests on a judge that lets everything pass.
    #[test]
    fn a_strict_reader_is_strict() {
        let good = "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nok";
        assert_eq!(requests(good.as_bytes()).unwrap().messages[0].short(), "POST /a ok");
        for (from, to) in [
            ("/a ", "/a//b "),
            ("/a ", "/%61 "),
            ("/a ", "http://a/a "),
            ("/a ", "/a b "),
            ("HTTP/1.1", "HTTP/1.0"),
            ("host: a\r\n", ""),
            ("host: a\r\n", "host: a\r\nhost: a\r\n"),
            ("host: a\r\n", "host: a\r\nx : 1\r\n"),
            ("host: a\r\n", "host: a\r\n x: 1\r\n"),
            ("host: a\r\n", "host: a\nx: 1\r\n"),
            ("host: a\r\n", "host: a\r\nx: a\0\r\n"),
            ("host: a\r\n", "host: a\r\nconnection: x\r\n"),
            ("content-length: 2", "content-length: +2"),
            ("content-length: 2", "content-length: 2\r\ncontent-length: 2"),
            ("content-length: 2", "content-length: 2\r\ntransfer-encoding: chunked"),
            ("content-length: 2\r\n\r\nok", "transfer-encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\n\r\n"),
            ("content-length: 2\r\n\r\nok", "transfer-encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n"),
            ("content-length: 2\r\n\r\nok", "transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 1\r\n\r\n"),
            ("ok", "okGARBAGE"),
        ] {
            let bad = good.replace(from, to);
            assert!(requests(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert_eq!(requests(&good.as_bytes()[..good.len() - 1]).unwrap().cut.as_deref(), Some("POST /a HTTP/1.1"));
    }
}
