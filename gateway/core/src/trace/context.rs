//! `traceparent` of W3C Trace Context: read and written.

use crate::hex::digits;
use http::HeaderValue;

/// Where somebody else's trace stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote {
    /// Of the trace; never 0.
    pub id: u128,
    /// The span that asked; never 0.
    pub span: u64,
    /// Whether it is recorded there.
    pub sampled: bool,
}

/// The length of version 00.
const LENGTH: usize = 55;

impl Remote {
    /// What a field says; none where it breaks a rule, and then a new trace begins (section 3.2.2).
    #[must_use]
    pub fn parse(field: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(field).ok()?;
        let (version, rest) = text.split_once('-')?;
        let version = (version.len() == 2).then(|| hex(version)).flatten()?;
        // A later version may have more behind the flags, this one not; ff is none.
        let is_known = match version {
            0xff => false,
            0 => text.len() == LENGTH,
            _ => text.len() == LENGTH || text.as_bytes().get(LENGTH) == Some(&b'-'),
        };
        let mut parts = rest.splitn(4, '-');
        let (id, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
        if !is_known || (id.len(), span.len(), flags.len()) != (32, 16, 2) {
            return None;
        }
        let (id, span, flags) = (hex(id)?, u64::try_from(hex(span)?).ok()?, hex(flags)?);
        (id != 0 && span != 0).then_some(Self { id, span, sampled: flags & 1 == 1 })
    }

    /// As a field.
    #[must_use]
    pub fn field(&self) -> HeaderValue {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let (high, low) = ((self.id >> 64) as u64, self.id as u64);
        for (at, number) in [(3, high), (19, low), (36, self.span)] {
            if let Some(place) = text.get_mut(at..at + 16) {
                place.copy_from_slice(&digits(number));
            }
        }
        if self.sampled
            && let Some(last) = text.last_mut()
        {
            *last = b'1';
        }
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Lower case only (section 2.2.2).
fn hex(digits: &str) -> Option<u128> {
    let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex { u128::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_read_is_written_again() {
        let remote = Remote::parse(GOOD.as_bytes()).unwrap();
        let expected =
            Remote { id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span: 0x00f0_67aa_0ba9_02b7, sampled: true };
        assert_eq!(remote, expected);
        assert_eq!(remote.field(), GOOD);
        assert_eq!(Remote { id: 1, span: 2, sampled: false }.field(), format!("00-{:032x}-{:016x}-00", 1, 2));
    }

    /// The cases of the W3C's own test suite.
    #[test]
    fn what_breaks_a_rule_is_none() {
        for (field, expected) in [
            (GOOD.to_owned(), true),
            (GOOD.replace("-01", "-ff"), true),
            (GOOD.replacen("00", "cc", 1), true),
            (format!("{}-what-comes", GOOD.replacen("00", "cc", 1)), true),
            (format!("{}.what", GOOD.replacen("00", "cc", 1)), false),
            (format!("{GOOD}-what-comes"), false),
            (GOOD.replacen("00", "ff", 1), false),
            (GOOD.replacen("00", "0", 1), false),
            (GOOD.to_uppercase(), false),
            (GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), false),
            (GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)), false),
            (GOOD.replace("-01", "-1"), false),
            (GOOD.replace("4bf9", "4bg9"), false),
            (GOOD.replace("-00f0", "00f0"), false),
            (String::new(), false),
        ] {
            assert_eq!(Remote::parse(field.as_bytes()).is_some(), expected, "{field}");
        }
    }
}
