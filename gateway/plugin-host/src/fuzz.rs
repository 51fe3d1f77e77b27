//! What fuzzers call (`fuzz/`): each entry takes any bytes and asserts what must hold of them. No program calls them.

use crate::abi::direct::{self, Shape};
use crate::capabilities::{crypto, fields, log};
use crate::detect::Surface;
use crate::grant::Grants;
use crate::inspect::inspect;
use crate::manifest::Manifest;
use gateway_core::headers::is_reserved;
use http::HeaderMap;
use serde_json::json;

/// A file that claims to be a component is looked at without harm.
pub fn component(data: &[u8]) {
    let _ = inspect(data);
    if let Ok(surface) = Surface::read(data) {
        let _ = Shape::of(data, &surface, |_, _| true);
    }
}

/// A guest's memory is read without harm wherever it points, and what is laid out there is what was to be.
///
/// # Panics
/// It is something else.
pub fn guest_memory(data: &[u8]) {
    direct::fuzz(data);
}

/// A manifest is read or refused, and what it says can be shown at a terminal. Its schema judges configurations.
///
/// # Panics
/// It holds control characters, or cannot be written again.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = Manifest::parse(data) else { return };
    assert!(!format!("{}{}{}", manifest.name, manifest.version, manifest.description).contains(char::is_control));
    for configuration in [json!(null), json!({}), json!({ "a": [1, "x", { "b": null }] })] {
        let _ = manifest.problems(&configuration, &Grants::default());
    }
    let again = serde_json::to_vec(&manifest).map(|text| Manifest::parse(&text));
    assert!(matches!(again, Ok(Ok(again)) if again == manifest), "a manifest that is not read again");
}

/// Fields as a guest writes them: a line `name:value` each, into one message. What gets in frames nothing and splits nothing.
///
/// # Panics
/// Something got in that must not.
pub fn guest_fields(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == 0) {
        let (turn, line) = line.split_first().unwrap_or((&0, &[]));
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let _ = match turn % 3 {
            0 => fields::set(&mut headers, name, value),
            1 => fields::append(&mut headers, name, value),
            _ => fields::remove(&mut headers, name),
        };
        let _ = (fields::joined(&headers, name), fields::values(&headers, name));
    }
    assert!(headers.len() <= fields::COUNT);
    for (name, value) in &headers {
        assert!(!is_reserved(name), "a guest wrote `{name}`");
        let value = value.as_bytes();
        assert!(!value.iter().any(|byte| *byte < b' ' && *byte != b'\t' || *byte == 0x7f), "{name}: {value:?}");
        assert_eq!(value, value.trim_ascii(), "{name}");
    }
}

/// What a guest says is one line of the log.
///
/// # Panics
/// It is not.
pub fn logged(data: &[u8]) {
    let shown = log::printable(&String::from_utf8_lossy(data));
    assert!(!shown.contains(|letter: char| letter.is_control() && letter != '\t'), "{shown:?}");
}

/// No token verifies but those that were signed; a set of keys from anywhere is taken or refused.
///
/// # Panics
/// One verified.
pub fn token(data: &[u8]) {
    crypto::fuzz(data);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpora_hold() {
        let entries = [
            ("component", super::component as fn(&[u8])),
            ("manifest", super::manifest),
            ("guest_fields", super::guest_fields),
            ("guest_memory", super::guest_memory),
            ("logged", super::logged),
            ("token", super::token),
        ];
        for (entry, run) in entries {
            let folder = format!("{}/../../fuzz/corpus/{entry}", env!("CARGO_MANIFEST_DIR"));
            let inputs = std::fs::read_dir(folder).unwrap().map(|input| input.unwrap().path());
            assert!(inputs.map(|input| run(&std::fs::read(input).unwrap())).count() > 0, "{entry}");
        }
    }
}
