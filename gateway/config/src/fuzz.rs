//! What fuzzers call (`fuzz/`): each entry takes any bytes and asserts what must hold of them. No program calls them.

use crate::{Environment, effective, load, parse_endpoints, render};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// One file, and nothing else.
struct Single<'a>(&'a [u8]);

impl Environment for Single<'_> {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        match file == Path::new("gateway.toml") {
            true => Ok(self.0.to_vec()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        Path::new("/srv").join(path)
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }
}

/// A configuration loads, or every problem is told with a place inside the file.
///
/// # Panics
/// A problem cannot be shown, or there is none where it does not load.
pub fn configuration(data: &[u8]) {
    match load(Path::new("gateway.toml"), &Single(data)) {
        Ok(loaded) => {
            let _ = (effective(&loaded), render(&loaded.warnings, &loaded.sources, true));
        }
        Err(problems) => {
            assert!(!problems.diagnostics.is_empty(), "it does not load and nobody says why");
            assert!(!render(&problems.diagnostics, &problems.sources, false).is_empty());
        }
    }
}

/// Places for a text: whatever stands there is read as what the place holds.
const PLACES: [&str; 24] = [
    "[[listener]]\nname = \"a\"\naddress = @",
    "[[listener]]\nname = @\naddress = \"127.0.0.1:1\"",
    "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\ntimeouts = { header = @ }",
    "[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\nlimits = { header = @ }",
    "[server]\ntrusted-proxies = [@]",
    "[server]\nmemory = @",
    "[server]\nresolver = [@]",
    "[upstream.a]\nendpoints = [@]",
    "[upstream.a]\ndiscover = { dns = @ }",
    "[upstream.a]\ndiscover = { srv = @ }",
    "[upstream.a.nats]\nservers = [@]",
    "[upstream.a.amqp]\nservers = [@]",
    "[upstream.a.nats]\nservers = [\"nats://a\"]\n[[upstream.a.nats.operation]]\nname = \"o\"\nrequest = @",
    "[[route]]\nname = \"a\"\nmatch = { path = @ }\nrespond = { status = 200 }",
    "[[route]]\nname = \"a\"\nmatch = { prefix = @ }\nrespond = { status = 200 }",
    "[[route]]\nname = \"a\"\nmatch = { path = \"/\", host = @ }\nrespond = { status = 200 }",
    "[[route]]\nname = \"a\"\nmatch = { path = \"/\", methods = [@] }\nrespond = { status = 200 }",
    "[[route]]\nname = \"a\"\nmatch = { path = \"/{x}\" }\nredirect = { to = @ }",
    "[[route]]\nname = \"a\"\nmatch = { path = \"/{x}\" }\nupstream = \"u\"\nrewrite = { path = @ }\n[upstream.u]\nendpoints = [\"http://a\"]",
    "[[route]]\nname = \"a\"\nmatch = { path = \"/\" }\nrespond = { status = 200, headers = { x = @ } }",
    "[[route]]\nname = \"a\"\nmatch = { path = \"/\" }\ndeadline = @\nrespond = { status = 200 }",
    "[store.a]\nredis = @",
    "[plugin.a]\nsha256 = @",
    "[telemetry]\nlog = { level = @ }",
];

/// A value of any kind, in the place that the first byte says.
///
/// # Panics
/// As [`configuration`].
pub fn value(data: &[u8]) {
    let Some((place, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(place) = PLACES.get(usize::from(*place) % PLACES.len()) else { return };
    let escaped: String = text.chars().map(|letter| format!("\\U{:08X}", u32::from(letter))).collect();
    configuration(place.replace('@', &format!("\"{escaped}\"")).as_bytes());
}

/// The file of endpoints that somebody else writes.
pub fn endpoints(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse_endpoints(Path::new("endpoints.toml"), text);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpora_hold() {
        let entries = [
            ("configuration", super::configuration as fn(&[u8])),
            ("value", super::value),
            ("endpoints", super::endpoints),
        ];
        for (entry, run) in entries {
            let folder = format!("{}/../../fuzz/corpus/{entry}", env!("CARGO_MANIFEST_DIR"));
            let inputs = std::fs::read_dir(folder).unwrap().map(|input| input.unwrap().path());
            assert!(inputs.map(|input| run(&std::fs::read(input).unwrap())).count() > 0, "{entry}");
        }
    }
}
