//! What fuzzers call (`fuzz/`): each entry takes any bytes and asserts what must hold of them. No program calls them.

use crate::path::{Allow, normalize};
use crate::trace::Remote;
use std::borrow::Cow;

/// A path has one normal form: its own, and that of every spelling of it (HARDENING P14).
///
/// # Panics
/// It has another one.
pub fn path(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    for bits in 0..8_u8 {
        let allow = Allow { encoded_slash: bits & 1 > 0, backslash: bits & 2 > 0, encoded_nul: bits & 4 > 0 };
        let Ok(normal) = normalize(path, allow) else { continue };
        assert_eq!(normalize(&normal, allow), Ok(Cow::Borrowed(&*normal)), "{path:?} and its normal form");
        assert!(normal.starts_with('/') && normal.bytes().all(|byte| byte.is_ascii_graphic()), "{normal:?}");
        let resolves = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
        assert!(!normal.contains("//") && !normal.split('/').any(resolves), "{normal:?} can be resolved further");
        for step in 1..4 {
            let spelled = respell(&normal, step);
            assert_eq!(normalize(&spelled, allow).as_deref(), Ok(&*normal), "{spelled:?}");
        }
    }
}

/// Another spelling of a normal path: some letters encoded, some slashes with what adds nothing.
fn respell(normal: &str, step: usize) -> String {
    let mut spelled = String::new();
    let mut after_percent = 0;
    for (at, letter) in normal.chars().enumerate() {
        let turn = at % step == 0;
        match letter {
            '/' if turn => spelled.push_str(["/", "//", "/./", "/x/../"].get(at / step % 4).unwrap_or(&"/")),
            // Digits of an encoding are none of the path's.
            letter if after_percent > 0 => {
                after_percent -= 1;
                spelled.push(if turn { letter.to_ascii_lowercase() } else { letter });
            }
            '%' => {
                after_percent = 2;
                spelled.push('%');
            }
            letter if turn && (letter.is_ascii_alphanumeric() || "-._~".contains(letter)) => {
                spelled.push_str(&format!("%{:02x}", u32::from(letter)));
            }
            letter => spelled.push(letter),
        }
    }
    spelled
}

/// What is read of a `traceparent` field is written again as it was.
///
/// # Panics
/// It is not.
pub fn trace(data: &[u8]) {
    if let Some(remote) = Remote::parse(data) {
        assert_eq!(Remote::parse(remote.field().as_bytes()), Some(remote));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpora_hold() {
        for (entry, run) in [("path", super::path as fn(&[u8])), ("trace", super::trace)] {
            let folder = format!("{}/../../fuzz/corpus/{entry}", env!("CARGO_MANIFEST_DIR"));
            let inputs = std::fs::read_dir(folder).unwrap().map(|input| input.unwrap().path());
            assert!(inputs.map(|input| run(&std::fs::read(input).unwrap())).count() > 0, "{entry}");
        }
    }
}
