//! HARDENING R1 to R8: change under load. Nothing is lost, nothing half is used, the last good goes on.

use gateway_tests::gateway::{Setup, component};
use gateway_tests::wait::until;
use gateway_tests::{Client, TestGateway, Upstream};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A configuration that answers with `word`, beside a route to the upstream.
fn config(upstream: &Upstream, word: &str) -> String {
    format!(
        "{}[[route]]\nname = \"word\"\nmatch = {{ path = \"/word\" }}\nrespond = {{ status = 200, body = \"{word}\" }}\n",
        upstream.config()
    )
}

/// Clients that ask on kept-alive connections until they are stopped, and count.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    clients: Vec<JoinHandle<u64>>,
}

impl Load {
    fn start(gateway: &TestGateway, path: &'static str, fields: &'static str, clients: usize) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let address = gateway.address("public");
        let client = |_| {
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            thread::spawn(move || {
                let mut client = Client::connect(address);
                let mut failed = 0;
                while !stop.load(Ordering::Relaxed) {
                    client.send(format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n{fields}\r\n"));
                    match client.response() {
                        Some(response) if response.status == 200 => {}
                        _ => failed += 1,
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                failed
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, asked, clients }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many requests failed. A client never connects again, so a lost connection fails all that follow.
    fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().unwrap()).sum()
    }
}

fn answers(gateway: &TestGateway, word: &str) {
    until(&format!("`{word}` is in force"), || (gateway.get("/word").text() == word).then_some(()));
}

#[test]
fn r1_forty_reloads_under_load_lose_nothing() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&config(&upstream, "0")).plugin("phases").start();
    let load = Load::start(&gateway, "/x", "", 4);
    let kept = gateway.address("public");
    for number in 1..=40 {
        let word = number.to_string();
        let text = match number % 4 {
            // A plugin comes and goes, a listener comes and goes, an upstream changes.
            1 => config(&upstream, &word)
                .replace("upstream = \"service\"\n", "upstream = \"service\"\nchain = [\"phases\"]\n"),
            2 => format!("{}[[listener]]\nname = \"more\"\naddress = \"127.0.0.1:0\"\n", config(&upstream, &word)),
            3 => config(&upstream, &word)
                .replace("[upstream.service]\n", "[upstream.service]\ntimeouts = { connect = \"3 s\" }\n"),
            _ => config(&upstream, &word),
        };
        let start = Instant::now();
        gateway.configure(&text);
        answers(&gateway, &word);
        assert!(start.elapsed() < Duration::from_secs(3), "R1: change {number} took {:?}", start.elapsed());
    }
    until("enough requests", || (load.asked() > 10_000).then_some(()));
    assert_eq!(load.finish(), 0, "R1: requests failed");
    assert_eq!(gateway.status()["reload"]["failed"], 0);
    assert_eq!(gateway.address("public"), kept);
}

#[test]
fn r2_half_a_file_is_never_used_and_a_touch_changes_nothing() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&config(&upstream, "first"));
    let path = gateway.path("gateway.toml");
    let text = fs::read_to_string(&path).unwrap().replace("first", "second");
    // In steps, each a valid file in itself for a moment: without its last route it would answer 200 from the upstream.
    let mut file = fs::File::create(&path).unwrap();
    let end = text.rfind("[[route]]").unwrap();
    for piece in [&text[..end / 2], &text[end / 2..end], &text[end..]] {
        file.write_all(piece.as_bytes()).unwrap();
        file.flush().unwrap();
        let quiet = Instant::now();
        while quiet.elapsed() < Duration::from_millis(400) {
            let word = gateway.get("/word").text();
            assert!(word == "first" || word == "second", "R2: half a file is in force: {word}");
        }
    }
    drop(file);
    answers(&gateway, "second");
    assert_eq!(gateway.status()["reload"]["failed"], 0);

    let generation = gateway.status()["reload"]["generation"].as_u64().unwrap();
    fs::File::options().append(true).open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    gateway.replace("gateway.toml", text.as_bytes());
    // The next real change is one generation further: the touch and the same content were none.
    gateway.configure(&config(&upstream, "third"));
    answers(&gateway, "third");
    assert_eq!(gateway.status()["reload"]["generation"], generation + 1);
}

#[test]
fn r3_a_swapped_symlink_is_followed() {
    let upstream = Upstream::ok();
    let folder = tempfile::tempdir().unwrap();
    let version = |name: &str, word: &str| {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("routes.toml"), format!("[[route]]\nname = \"word\"\nmatch = {{ path = \"/word\" }}\nrespond = {{ status = 200, body = \"{word}\" }}\n")).unwrap();
    };
    let point = |name: &str| {
        // As a kubelet does it: a new link, renamed over the old one.
        std::os::unix::fs::symlink(name, folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
    };
    version("..1", "one");
    point("..1");
    std::os::unix::fs::symlink("..data/routes.toml", folder.path().join("routes.toml")).unwrap();
    let text = format!(
        "include = [\"{}/routes.toml\"]\n{}",
        folder.path().display(),
        TestGateway::complete(&upstream.config())
    );
    let gateway = Setup::default().file("gateway.toml", text).start();
    answers(&gateway, "one");
    version("..2", "two");
    point("..2");
    answers(&gateway, "two");
    fs::remove_dir_all(folder.path().join("..1")).unwrap();
    version("..3", "three");
    point("..3");
    answers(&gateway, "three");
}

/// A fragment that is put into a folder of `include` belongs to the configuration, also where there was none before.
#[test]
fn r3_a_new_fragment_is_taken_up() {
    let upstream = Upstream::ok();
    let text = format!("include = [\"teams/*.toml\"]\n{}", TestGateway::complete(&upstream.config()));
    let gateway = Setup::default().file("gateway.toml", text).file("teams/.keep", "").start();
    assert_eq!(gateway.get("/word").text(), "ok");
    let fragment =
        "[[route]]\nname = \"word\"\nmatch = { path = \"/word\" }\nrespond = { status = 200, body = \"new\" }\n";
    gateway.replace("teams/a.toml", fragment.as_bytes());
    answers(&gateway, "new");
    fs::remove_file(gateway.path("teams/a.toml")).unwrap();
    answers(&gateway, "ok");
}

#[test]
fn r4_a_deleted_file_changes_nothing_and_is_watched_again() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(
        &config(&upstream, "first")
            .replace("upstream = \"service\"\n", "upstream = \"service\"\nchain = [\"phases\"]\n"),
    )
    .plugin("phases")
    .start();
    let (path, plugin) = (gateway.path("gateway.toml"), gateway.path("plugins.d/phases.wasm"));
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    until("the loss is told", || (gateway.status()["reload"]["state"] == "failed").then_some(()));
    assert_eq!(gateway.get("/word").text(), "first");
    fs::write(&path, text.replace("first", "second")).unwrap();
    answers(&gateway, "second");

    fs::remove_file(&plugin).unwrap();
    until("the loss is told", || (gateway.status()["reload"]["state"] == "failed").then_some(()));
    assert_eq!(gateway.get("/x").status, 200);
    fs::write(&plugin, component("phases")).unwrap();
    until("all is well again", || (gateway.status()["reload"]["state"] == "current").then_some(()));
}

#[test]
fn r5_many_changes_are_few_builds() {
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&config(&upstream, "0"));
    for number in 1..=50 {
        gateway.configure(&config(&upstream, &number.to_string()));
        thread::sleep(Duration::from_millis(40));
    }
    answers(&gateway, "50");
    let reload = &gateway.status()["reload"];
    let generation = reload["generation"].as_u64().unwrap();
    assert!(generation <= 25, "R5: 50 changes in two seconds made {generation} generations");
    assert_eq!(reload["failed"], 0);
}

#[test]
fn r6_without_events_the_files_are_looked_at() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&config(&upstream, "first")).argument("--watch=look").start();
    until("it says that it has no events", || {
        gateway.log().contains("looking at the files instead of waiting").then_some(())
    });
    gateway.configure(&config(&upstream, "second"));
    answers(&gateway, "second");
}

#[test]
fn r7_what_is_broken_changes_nothing_and_is_named() {
    let upstream = Upstream::ok();
    let gateway = Setup::new(&config(&upstream, "good")).plugin("hostile").start();
    let plugin = |settings: &str| {
        format!(
            "{}[plugin.hostile]\n{settings}\n",
            config(&upstream, "bad")
                .replace("upstream = \"service\"\n", "upstream = \"service\"\nchain = [\"hostile\"]\n")
        )
    };
    let broken = [
        ("syntax", "a = [".to_owned()),
        ("unknown-key", config(&upstream, "bad").replace("respond =", "respnod =")),
        ("plugin-configure", plugin("config = { configure = \"refuse\" }")),
        ("plugin-configure", plugin("config = { configure = \"panic\" }")),
        ("plugin-configure", plugin("config = { configure = \"loop\" }")),
        (
            "unknown-plugin",
            config(&upstream, "bad")
                .replace("upstream = \"service\"\n", "upstream = \"service\"\nchain = [\"nowhere\"]\n"),
        ),
    ];
    for (number, (code, text)) in broken.iter().enumerate() {
        gateway.configure(text);
        let expected = number as u64 + 1;
        let status = until("the mistake is told", || {
            Some(gateway.status()).filter(|status| status["reload"]["failed"] == expected)
        });
        let reload = &status["reload"];
        assert_eq!((&reload["state"], &reload["generation"]), (&"failed".into(), &1.into()), "R7: {code}");
        let codes: Vec<_> =
            reload["problems"].as_array().unwrap().iter().map(|problem| problem["code"].clone()).collect();
        assert!(codes.iter().any(|told| told == code), "R7: {code} is not among {codes:?}");
        assert_eq!(gateway.get("/word").text(), "good", "R7: {code}");
        assert_eq!(gateway.counter("reloads.failed"), expected);
    }
    assert!(gateway.log().contains("gateway.toml:"), "R7: the log names the place");
    fs::write(gateway.path("plugins.d/hostile.wasm"), b"junk").unwrap();
    gateway.configure(&config(&upstream, "better"));
    answers(&gateway, "better");
    assert_eq!(gateway.status()["reload"]["state"], "current");
}

#[test]
fn r8_a_version_that_fails_where_the_old_one_did_not_is_rolled_back() {
    let upstream = Upstream::ok();
    let text =
        config(&upstream, "x").replace("upstream = \"service\"\n", "upstream = \"service\"\nchain = [\"changing\"]\n");
    let (good, bad) = (component("phases"), component("trapping"));
    let gateway = Setup::new(&text).file("plugins.d/changing.wasm", good.clone()).start();
    let mut client = gateway.client();
    for _ in 0..200 {
        assert_eq!(client.get("/x").status, 200);
    }
    gateway.replace("plugins.d/changing.wasm", &bad);
    until("the new version fails", || (gateway.get("/x").status == 503).then_some(()));
    until("the old version is back", || (gateway.get("/x").status == 200).then_some(()));
    for _ in 0..100 {
        assert_eq!(client.get("/x").status, 200);
    }
    assert!(gateway.log().contains("the old one comes back"));
    let plugin = &gateway.status()["plugins"][0];
    assert!(plugin["rolled_back_from"].is_string(), "R8: the status tells: {plugin}");
    // The same file is not tried again; another one is.
    touch(&gateway.path("plugins.d/changing.wasm"));
    assert_eq!(client.get("/x").status, 200);
    gateway.replace("plugins.d/changing.wasm", &good);
    until("the repaired file serves", || gateway.status()["plugins"][0]["rolled_back_from"].is_null().then_some(()));
}

/// Nor can a client force it that makes every version trap.
#[test]
fn r8_a_client_that_traps_both_versions_rolls_nothing_back() {
    let upstream = Upstream::ok();
    let chain = "upstream = \"service\"\nchain = [\"hostile\"]\n";
    let text = config(&upstream, "x").replace("upstream = \"service\"\n", chain);
    let gateway =
        Setup::new(&format!("{text}[plugin.hostile]\ngrants = {{ http = [\"service\"] }}\n")).plugin("hostile").start();
    let mut client = gateway.client();
    let mut attack = || {
        for _ in 0..60 {
            assert_eq!(client.get_with("/x", "x-do: trap\r\n").status, 503);
            for _ in 0..3 {
                assert_eq!(client.get("/x").status, 200);
            }
        }
    };
    attack();
    // The same code with an empty custom section at its end is another version.
    let other = [&component("hostile")[..], &[0, 2, 1, b'x']].concat();
    gateway.replace("plugins.d/hostile.wasm", &other);
    gateway.wait_for_generation(2);
    let hash = gateway.status()["plugins"][0]["sha256"].clone();
    attack();
    attack();
    let plugin = &gateway.status()["plugins"][0];
    assert_eq!((&plugin["sha256"], &plugin["rolled_back_from"]), (&hash, &serde_json::Value::Null));
}

fn touch(path: &Path) {
    fs::File::options().append(true).open(path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
}
