//! Each setting stands with the place it came from; what looks like a credential is not shown.

use std::path::PathBuf;

use super::{Setting, settings};
use crate::source::{Source, Sources};

fn of(text: &str) -> Vec<Setting> {
    let file = PathBuf::from("gateway.toml");
    let mut sources = Sources::default();
    sources.insert(Source::new(file.clone(), text));
    settings(&[file], &sources)
}

fn line(settings: &[Setting], name: &str) -> String {
    let found: Vec<_> = settings.iter().filter(|setting| setting.name() == name).collect();
    let [setting] = found.as_slice() else { panic!("{name}: {found:?} in {settings:#?}") };
    match &setting.place {
        Some(place) => format!("{} at {}:{}", setting.shown(), place.line, place.column),
        None => format!("{} by default", setting.shown()),
    }
}

#[test]
fn what_was_written_has_its_place_and_what_was_not_is_a_default() {
    let settings = of("[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:1\"\ntimeouts.idle = \"5 s\"\n\
         [upstream.orders]\nendpoints = [\"http://127.0.0.1:2\"]\n\
         [[route]]\nname = \"a.b\"\nmatch = { path = \"/a\", methods = [\"GET\"] }\nupstream = \"orders\"\n");
    for (name, expected) in [
        ("listener.public.address", "\"127.0.0.1:1\" at 3:11"),
        ("listener.public.timeouts.idle", "\"5 s\" at 4:17"),
        ("listener.public.timeouts.header", "\"10 s\" by default"),
        ("listener.public.limits.headers", "100 by default"),
        ("upstream.orders.endpoints", "[\"http://127.0.0.1:2\"] at 6:13"),
        ("route.\"a.b\".match.methods", "[\"GET\"] at 9:34"),
        ("server.drain", "\"30 s\" by default"),
        ("telemetry.metrics", "true by default"),
    ] {
        assert_eq!(line(&settings, name), expected, "{name}");
    }
}

#[test]
fn credentials_in_a_plugins_own_table_are_not_shown() {
    let written = |password: &str| {
        of(&format!(
            "[plugin.basic.config]\nrealm = \"shop\"\npasswords.alice = \"{password}\"\nkey = {{ secret = \"KEY\" }}\n\
             [[plugin.basic.config.clients]]\nname = \"app\"\napi_key = \"{password}\"\n"
        ))
    };
    let settings = written("s3cr3t");
    assert_eq!(line(&settings, "plugin.basic.config.realm"), "\"shop\" at 2:9");
    assert_eq!(line(&settings, "plugin.basic.config.passwords.alice"), "\"***\" at 3:19");
    assert_eq!(line(&settings, "plugin.basic.config.clients.app.api_key"), "\"***\" at 7:11");
    assert_eq!(line(&settings, "plugin.basic.config.key"), "{\"secret\":\"KEY\"} at 4:7");
    assert!(!format!("{settings:?}").contains("s3cr3t"));
    let changed = settings.iter().zip(written("other")).filter(|(one, other)| !one.says_the_same(other));
    assert_eq!(changed.count(), 2, "a change of what is hidden is one all the same");
}
