//! A whole configuration, from its text to what it means.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gateway_config::{
    Compress, Compression, Config, Dispatch, Encoding, Environment, HostPolicy, Loaded, OnError, Problems, Rewrite,
    Severity, TemplatePart, load, specificity,
};
use proptest::prelude::*;

/// Files and variables that are made up.
#[derive(Default)]
struct Memory {
    files: BTreeMap<PathBuf, String>,
    variables: BTreeMap<String, String>,
}

impl Memory {
    fn with(mut self, file: &str, text: &str) -> Self {
        self.files.insert(file.into(), text.to_owned());
        self
    }

    fn load(&self) -> Result<Loaded, Problems> {
        load(Path::new("gateway.toml"), self)
    }

    /// Loads what must be valid.
    fn config(&self) -> Config {
        match self.load() {
            Ok(loaded) => loaded.config,
            Err(problems) => {
                let text = gateway_config::render(&problems.diagnostics, &problems.sources, false);
                unreachable!("{text}")
            }
        }
    }

    fn codes(&self) -> Vec<&'static str> {
        let diagnostics = self.load().map_or_else(|problems| problems.diagnostics, |loaded| loaded.warnings);
        diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
    }
}

impl Environment for Memory {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        let text = self.files.get(file).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.clone().into_bytes())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let folder = folder.strip_prefix("/srv").unwrap_or(folder);
        let inside = self.files.keys().filter(|file| file.parent() == Some(folder));
        let names: Vec<String> =
            inside.filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned())).collect();
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        Path::new("/srv").join(path)
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

const SMALL: &str = r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[plugins]
directory = "plugins.d"

[upstream.orders]
endpoints = ["http://127.0.0.1:9001"]
"#;

/// The small configuration with something behind it, and three plugins.
fn small(more: &str) -> Memory {
    let mut memory = Memory::default().with("gateway.toml", &format!("{SMALL}{more}"));
    for plugin in ["api-key", "rate-limit", "transform"] {
        memory = memory.with(&format!("plugins.d/{plugin}.wasm"), "");
    }
    memory.variables.insert("API_KEYS".to_owned(), "s3cr3t".to_owned());
    memory
}

#[test]
fn defaults_are_those_that_are_promised() {
    let config = small("[[route]]\nname = \"all\"\nupstream = \"orders\"\nchain = [\"api-key\"]\n").config();
    let listener = &config.listeners[0];
    assert_eq!(listener.timeouts.header, Duration::from_secs(10));
    assert_eq!(listener.timeouts.idle, Duration::from_secs(60));
    assert_eq!(listener.timeouts.body, Duration::from_secs(30));
    assert_eq!(listener.timeouts.body_total, Duration::from_secs(300));
    assert_eq!(listener.timeouts.write, Duration::from_secs(30));
    assert_eq!((listener.limits.header, listener.limits.headers), (65_536, 100));
    assert_eq!((listener.limits.target, listener.limits.connections), (8_192, 10_000));
    assert_eq!(listener.limits.body, None);
    let upstream = &config.upstreams["orders"];
    assert_eq!(upstream.timeouts.connect, Duration::from_secs(2));
    assert_eq!(upstream.timeouts.first_byte, Duration::from_secs(30));
    assert_eq!((upstream.limits.connections, upstream.limits.pending), (1_024, 1_024));
    let plugin = &config.plugins[0];
    assert_eq!(plugin.file, Path::new("/srv/plugins.d/api-key.wasm"));
    assert_eq!((plugin.limits.cpu, plugin.limits.start), (Duration::from_millis(10), Duration::from_secs(1)));
    assert_eq!((plugin.limits.memory, plugin.limits.body), (64 << 20, 1 << 20));
    assert_eq!((plugin.limits.waiting.get(), plugin.limits.reuse.get()), (64, 10_000));
    assert_eq!((plugin.on_error, plugin.decode, plugin.isolate), (OnError::Deny, false, false));
    assert_eq!((config.drain, config.drain_delay), (Duration::from_secs(30), Duration::ZERO));
    assert_eq!((&listener.compress, &config.routes[0].compress), (&Compression::Off, &None));
    let Compress { encodings, min_size, levels, .. } = Compress::default();
    assert_eq!((encodings.as_slice(), min_size), (&[Encoding::Zstd, Encoding::Br, Encoding::Gzip][..], 1024));
    assert_eq!((levels.zstd, levels.br, levels.gzip), (3, 4, 5));
    assert_eq!(config.routes[0].deadline, Duration::from_secs(60));
}

#[test]
fn what_a_route_says_of_compression_replaces_what_its_listener_says() {
    let route = |name: &str, more: &str| {
        format!("[[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\nupstream = \"orders\"\n{more}\n")
    };
    let own = "compress = { encodings = [\"gzip\"], types = [\"image/bmp\"], levels = { gzip = 1 } }";
    let routes = [route("on", "compress = true"), route("off", "compress = false"), route("own", own)].concat();
    let config = small(&routes).config();
    let said: Vec<_> = config.routes.iter().map(|route| route.compress.clone()).collect();
    assert_eq!(said[..2], [Some(Compression::On(Compress::default())), Some(Compression::Off)]);
    let Some(Compression::On(own)) = &said[2] else { unreachable!("it is on") };
    assert_eq!((own.encodings.as_slice(), own.levels.gzip, own.levels.zstd), (&[Encoding::Gzip][..], 1, 3));
    assert!(own.types.iter().any(|media| media.matches("Image/BMP")));
    assert!(!own.types.iter().any(|media| media.matches("text/html")));
}

#[test]
fn equal_uses_of_a_plugin_are_one() {
    let config = small(
        r#"
[chain.protected]
plugins = ["api-key", { plugin = "rate-limit", config = { rate = "1/s" } }]

[[route]]
name = "a"
match = { path = "/a" }
chain = ["protected", "transform"]
upstream = "orders"

[[route]]
name = "b"
match = { path = "/b" }
chain = ["api-key", { plugin = "rate-limit", config = { rate = "1/s" } }, { plugin = "rate-limit", config = { rate = "2/s" } }]
answer = { plugin = "transform", on_error = "skip" }
"#,
    )
    .config();
    assert_eq!(config.routes[0].chain, [0, 1, 2]);
    assert_eq!(config.routes[1].chain, [0, 1, 3]);
    assert_eq!(config.routes[1].dispatch, Dispatch::Answer(4));
    assert_eq!(config.plugins[1].places.len(), 2, "once in the chain, once in the route");
    assert_eq!(config.plugins[4].on_error, OnError::Skip);
}

#[test]
fn an_entry_replaces_the_configuration_and_single_limits() {
    let config = small(
        r#"
[plugin.api-key]
config = { header = "x-key" }
limits = { cpu = "20 ms", memory = "16 MiB" }
isolation = "request"

[[route]]
name = "a"
chain = [{ plugin = "api-key", config = { other = 1 }, limits = { cpu = "5 ms" } }]
upstream = "orders"
"#,
    )
    .config();
    let plugin = &config.plugins[0];
    assert_eq!(*plugin.config.value(), serde_json::json!({ "other": 1 }));
    assert_eq!((plugin.limits.cpu, plugin.limits.memory), (Duration::from_millis(5), 16 << 20));
    assert!(plugin.isolate);
    assert!(plugin.config_places.contains_key("/other"));
}

#[test]
fn secrets_are_resolved_and_never_printed() {
    let memory = small(
        r#"
[plugin.api-key]
config = { "a/b" = [{ secret = "API_KEYS" }, { secret = "token" }], plain = "shown" }
grants = { secrets = ["token"], http = ["orders", "http://keys.internal"] }

[secret.token]
file = "secrets/token"

[[route]]
name = "a"
chain = ["api-key"]
upstream = "orders"
"#,
    )
    .with("secrets/token", "t0ken\n");
    let config = memory.config();
    let plugin = &config.plugins[0];
    assert_eq!(*plugin.config.value(), serde_json::json!({ "a/b": ["s3cr3t", "t0ken"], "plain": "shown" }));
    assert_eq!(plugin.grants.secrets[0].1.reveal(), "t0ken");
    assert_eq!(plugin.grants.http_origins, ["http://keys.internal:80"]);
    assert_eq!(config.secret_files, [Path::new("secrets/token")]);
    let printed = format!("{config:?}");
    assert!(printed.contains("***") && printed.contains("shown"), "{printed}");
    assert!(!printed.contains("s3cr3t") && !printed.contains("t0ken"), "{printed}");
}

#[test]
fn requests_go_on_as_written() {
    let config = small(
        r#"
[[route]]
name = "a"
match = { path = "/a/{id}", headers = { X-Tenant = "acme" }, query = { q = true } }
upstream = "orders"
rewrite = { path = "/v1/%61/{id}" }
host-header = "preserve"

[[route]]
name = "b"
match = { prefix = "/b" }
upstream = "orders"
rewrite = { strip = "/b" }
"#,
    )
    .config();
    assert_eq!(config.routes[0].matches.headers[0].0, "x-tenant");
    let Dispatch::Upstream(forward) = &config.routes[0].dispatch else { unreachable!() };
    assert_eq!(forward.host, HostPolicy::Preserve);
    let Rewrite::Template(template) = &forward.rewrite else { unreachable!() };
    assert_eq!(template.parts, [TemplatePart::Text("/v1/a/".to_owned()), TemplatePart::Parameter("id".into())]);
    let Dispatch::Upstream(forward) = &config.routes[1].dispatch else { unreachable!() };
    assert_eq!(forward.rewrite, Rewrite::Prefix { strip: "/b".to_owned(), add: String::new() });
}

#[test]
fn the_more_specific_match_is_the_greater() {
    // From the most specific to the least.
    let matches = [
        "host = \"a.b.example\"",
        "host = \"*.b.example\", path = \"/a/b\"",
        "host = \"*.example\", path = \"/a/b\", headers = { a = true }",
        "path = \"/a/b/c\"",
        "path = \"/a/b/{c}\"",
        "path = \"/a/b\", methods = [\"GET\"]",
        "path = \"/a/b\", headers = { a = true, b = true }",
        "path = \"/a/b\", headers = { a = true }, query = { a = true }",
        "path = \"/a/b\", headers = { a = true }",
        "path = \"/a/b\", query = { a = true }",
        "path = \"/a/b\"",
        "path = \"/a/{b}/c\"",
        "path = \"/a/{b}\"",
        "path = \"/a/{*rest}\"",
        "path = \"/{a}\"",
        "prefix = \"/\"",
    ];
    let route = |(index, matches): (usize, &&str)| {
        format!("[[route]]\nname = \"r{index}\"\nmatch = {{ {matches} }}\nupstream = \"orders\"\n")
    };
    let routes: String = matches.iter().enumerate().map(route).collect();
    let config = small(&routes).config();
    for pair in config.routes.windows(2) {
        let [greater, less] = pair else { unreachable!() };
        let (greater, less) = (&greater.matches, &less.matches);
        assert!(specificity(greater) > specificity(less), "{greater:?} > {less:?}");
    }
}

#[test]
fn files_are_read_sorted_and_once() {
    let memory = small("[[route]]\nname = \"a\"\nmatch = { path = \"/a\" }\nupstream = \"orders\"\n");
    let text = format!(
        "include = [\"*.toml\", \"teams/*.toml\", \"teams/b.toml\"]\n{}",
        memory.files[Path::new("gateway.toml")]
    );
    let route =
        |name: &str| format!("[[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\nupstream = \"orders\"\n");
    let memory = memory.with("gateway.toml", &text).with("teams/c.toml", &route("c")).with("teams/b.toml", &route("b"));
    let config = memory.config();
    let files: Vec<_> = config.files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(files, ["gateway.toml", "teams/b.toml", "teams/c.toml"]);
    let names: Vec<_> = config.routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_broken_file_is_still_watched() {
    let problems = Memory::default().with("gateway.toml", "include = [\"a.toml\"]\n[[").load().unwrap_err();
    assert_eq!(problems.files, [Path::new("gateway.toml"), Path::new("a.toml")]);
    assert!(problems.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Error));
}

#[test]
fn a_missing_file_is_one_problem() {
    assert_eq!(Memory::default().codes(), ["unreadable-file"]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = Memory::default().with("gateway.toml", &text).load();
    }

    /// Near enough to the real thing to reach what lies behind the syntax.
    #[test]
    fn no_damage_makes_it_panic(cut in 0_usize..3_400, length in 0_usize..40, insert in "[\\[\\]{}=\",.#a-z\n é0-9]{0,6}") {
        let full = include_str!("ui/everything.toml");
        let chars: Vec<char> = full.chars().collect();
        let start = cut.min(chars.len());
        let end = (start + length).min(chars.len());
        let damaged: String = chars[..start].iter().copied().chain(insert.chars()).chain(chars[end..].iter().copied()).collect();
        let memory = small("").with("gateway.toml", &damaged);
        if let Err(problems) = memory.load() {
            prop_assert!(!problems.diagnostics.is_empty());
            prop_assert!(!gateway_config::render(&problems.diagnostics, &problems.sources, true).is_empty());
        }
    }
}
