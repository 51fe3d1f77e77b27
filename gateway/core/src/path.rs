//! The one normal form of a path (RFC 3986 6.2.2), on which routes and rules match and which is sent upstream.
//!
//! Two spellings of one path must never meet two rules: `%61`, `//`, `/./` and `/x/../` are resolved, and what services
//! are known to read differently from us (`%2F`, `%5C`, `%00`, `\`) is refused unless a route allows it. What no client means, and some
//! services take for a dot or a slash (`/..;x/`, `%C0%AE`), is refused whatever a route says.

use std::borrow::Cow;

/// What a route lets through that is refused elsewhere; each stays percent-encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allow {
    /// `%2F`; it does not end a segment.
    pub encoded_slash: bool,
    /// `\` and `%5C`; both become `%5C`.
    pub backslash: bool,
    /// `%00`.
    pub encoded_nul: bool,
}

/// Why a path has no normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The first byte is another one, or there is none.
    #[error("the path does not begin with `/`")]
    Relative,
    /// `%2F` without leave.
    #[error("the path has an encoded slash (`%2F`)")]
    EncodedSlash,
    /// `\` or `%5C` without leave.
    #[error("the path has a backslash")]
    Backslash,
    /// `%00` without leave.
    #[error("the path has an encoded NUL (`%00`)")]
    EncodedNul,
    /// A `%` without two hexadecimal digits.
    #[error("the path has a `%` without two hexadecimal digits")]
    BadEncoding,
    /// `.;x`, `..;x` or `;x` as a segment: a service that takes parameters away is left with dots, or with nothing.
    #[error("the path has a dot segment or an empty one with parameters (`..;`)")]
    DotParameters,
    /// `%C0%AE`: more bytes than UTF-8 has for it, which some decode all the same.
    #[error("the path has an overlong encoding of UTF-8")]
    Overlong,
    /// A byte that no path has: control, space, `?`, `#`, or not ASCII.
    #[error("the path has a byte that is not allowed in one")]
    BadByte,
}

/// The normal form of `path`. A path that has it already is borrowed.
///
/// # Errors
/// The first reason why there is none.
pub fn normalize(path: &str, allow: Allow) -> Result<Cow<'_, str>, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::Relative);
    }
    if is_plain(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let spelled = spell(path.as_bytes(), allow)?;
    if spelled.split('/').any(|segment| matches!(segment.split_once(';'), Some(("" | "." | "..", _)))) {
        return Err(PathError::DotParameters);
    }
    let resolved = resolve(&spelled);
    Ok(if resolved == path { Cow::Borrowed(path) } else { Cow::Owned(resolved) })
}

/// Whether nothing in it can need work: the common case, in one pass. Misses normal paths with a `%`, or with a dot or a semicolon at
/// the beginning of a segment; those take the long way.
fn is_plain(path: &[u8]) -> bool {
    let mut after_slash = false;
    path.iter().all(|byte| {
        let plain = match byte {
            b'/' | b'.' | b';' => !after_slash,
            byte => is_literal(*byte),
        };
        after_slash = *byte == b'/';
        plain
    })
}

/// One spelling for each byte: unreserved ones plain, all others that need it as `%` and capital digits.
fn spell(path: &[u8], allow: Allow) -> Result<String, PathError> {
    let mut spelled = String::with_capacity(path.len());
    let mut bytes = path.iter().copied();
    let mut before = 0;
    while let Some(byte) = bytes.next() {
        let lead = std::mem::take(&mut before);
        match byte {
            b'%' => {
                let decoded = decode(bytes.next(), bytes.next())?;
                if is_overlong(lead, decoded) {
                    return Err(PathError::Overlong);
                }
                before = decoded;
                match decoded {
                    b'/' if !allow.encoded_slash => return Err(PathError::EncodedSlash),
                    b'\\' if !allow.backslash => return Err(PathError::Backslash),
                    0 if !allow.encoded_nul => return Err(PathError::EncodedNul),
                    byte if is_unreserved(byte) => spelled.push(byte.into()),
                    byte => encode(byte, &mut spelled),
                }
            }
            b'\\' if !allow.backslash => return Err(PathError::Backslash),
            byte if byte == b'/' || is_literal(byte) => spelled.push(byte.into()),
            // Clients send these unencoded although RFC 3986 has no place for them.
            b'"' | b'<' | b'>' | b'[' | b'\\' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' => encode(byte, &mut spelled),
            _ => return Err(PathError::BadByte),
        }
    }
    Ok(spelled)
}

/// Whether these two bytes begin a text that UTF-8 has a shorter form for (RFC 3629 3). In Latin-1 they would be two letters that no word
/// has next to each other.
fn is_overlong(lead: u8, next: u8) -> bool {
    match lead {
        0xc0 | 0xc1 => (0x80..0xc0).contains(&next),
        0xe0 => (0x80..0xa0).contains(&next),
        0xf0 => (0x80..0x90).contains(&next),
        _ => false,
    }
}

/// Removes dot segments (RFC 3986 5.2.4) and empty ones.
fn resolve(path: &str) -> String {
    let mut resolved = String::with_capacity(path.len());
    let mut last = "";
    for segment in path.split('/') {
        last = segment;
        match segment {
            "" | "." => {}
            ".." => resolved.truncate(resolved.rfind('/').unwrap_or(0)),
            segment => {
                resolved.push('/');
                resolved.push_str(segment);
            }
        }
    }
    if matches!(last, "" | "." | "..") {
        resolved.push('/');
    }
    resolved
}

/// RFC 3986 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` of RFC 3986 3.3 without percent-encodings: stands for itself and means nothing else.
fn is_literal(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'!' | b'$' | b'&'..=b',' | b':' | b';' | b'=' | b'@')
}

fn decode(high: Option<u8>, low: Option<u8>) -> Result<u8, PathError> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(PathError::BadEncoding),
    }
}

fn encode(byte: u8, into: &mut String) {
    into.push('%');
    for digit in [byte >> 4, byte & 0xf] {
        into.extend(char::from_digit(digit.into(), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOTHING: Allow = Allow { encoded_slash: false, backslash: false, encoded_nul: false };
    const EVERYTHING: Allow = Allow { encoded_slash: true, backslash: true, encoded_nul: true };

    #[test]
    fn one_form_for_every_spelling() {
        for (path, expected) in [
            ("/", "/"),
            ("/orders/17", "/orders/17"),
            ("/orders/", "/orders/"),
            ("/%61dmin", "/admin"),
            ("/%7euser/%2D%5f%2E", "/~user/-_."),
            ("/a%c3%a4", "/a%C3%A4"),
            ("/a%20b", "/a%20b"),
            ("/100%25", "/100%25"),
            ("/%2561dmin", "/%2561dmin"),
            ("//", "/"),
            ("//a///b//", "/a/b/"),
            ("/./a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a//../b", "/b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a/...", "/a/..."),
            ("/a;x/b;y=z", "/a;x/b;y=z"),
            ("/a/.b;x", "/a/.b;x"),
            ("/a/...;x", "/a/...;x"),
            ("/a/..%3bx", "/a/..%3Bx"),
            ("/%c0/%c3%80/%e0%a0%80/%f0%90%80%80", "/%C0/%C3%80/%E0%A0%80/%F0%90%80%80"),
            ("/[a]|{b}", "/%5Ba%5D%7C%7Bb%7D"),
            ("/a%0a", "/a%0A"),
            ("/a:b@c;d=e,f!$&'()*+", "/a:b@c;d=e,f!$&'()*+"),
        ] {
            assert_eq!(normalize(path, NOTHING).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_services_read_differently_is_refused() {
        for (path, expected) in [
            ("", PathError::Relative),
            ("a", PathError::Relative),
            ("*", PathError::Relative),
            ("/a%2fb", PathError::EncodedSlash),
            ("/a%5Cb", PathError::Backslash),
            ("/a\\b", PathError::Backslash),
            ("/a%00", PathError::EncodedNul),
            ("/a%", PathError::BadEncoding),
            ("/a%2", PathError::BadEncoding),
            ("/a%zz", PathError::BadEncoding),
            ("/a%+1", PathError::BadEncoding),
            ("/a b", PathError::BadByte),
            ("/a\tb", PathError::BadByte),
            ("/a\u{7f}", PathError::BadByte),
            ("/a?b", PathError::BadByte),
            ("/a#b", PathError::BadByte),
            ("/ä", PathError::BadByte),
            ("/a/..;x/b", PathError::DotParameters),
            ("/a/%2e.;/b", PathError::DotParameters),
            ("/.;", PathError::DotParameters),
            ("/;x/a", PathError::DotParameters),
            ("/a//;x", PathError::DotParameters),
            ("/%c0%ae%c0%ae/a", PathError::Overlong),
            ("/..%C0%AFa", PathError::Overlong),
            ("/%e0%80%ae", PathError::Overlong),
            ("/%f0%80%80%ae", PathError::Overlong),
        ] {
            assert_eq!(normalize(path, NOTHING), Err(expected), "{path}");
        }
    }

    #[test]
    fn a_route_may_allow_them_and_they_stay_encoded() {
        for (path, expected) in
            [("/a%2fb", "/a%2Fb"), ("/a\\b%5cc", "/a%5Cb%5Cc"), ("/a%00", "/a%00"), ("/a/..%2f../b", "/a/..%2F../b")]
        {
            assert_eq!(normalize(path, EVERYTHING).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_normal_path_is_borrowed() {
        for path in ["/", "/orders/17.json", "/a%20b", "/.well-known/x"] {
            assert!(matches!(normalize(path, NOTHING), Ok(Cow::Borrowed(_))), "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own(path in "/([a-c./%\\\\\\[;]|;/|%c0%ae|%2e|%2E|%2f|%5c|%00|%61|%c3|//|/\\.\\.|/\\.){0,24}") {
            for allow in [NOTHING, EVERYTHING] {
                if let Ok(normal) = normalize(&path, allow) {
                    prop_assert_eq!(normalize(&normal, allow), Ok(Cow::Borrowed(&*normal)));
                    // With the parameters that some services take away, and without them.
                    let bad = normal.split('/').skip(1).any(|segment| matches!(segment.split(';').next(), Some("." | "..")));
                    prop_assert!(!bad && !normal.contains("//"), "{}", normal);
                }
            }
        }

        #[test]
        fn any_text_is_refused_or_has_a_form_of_ascii(path in "/\\PC{0,16}") {
            if let Ok(normal) = normalize(&path, EVERYTHING) {
                prop_assert!(normal.starts_with('/') && normal.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
