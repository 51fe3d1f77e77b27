//! Everything that can go wrong, one after the other and under load: no failure without its reason, no growth, no descriptor lost.
//!
//! Twenty seconds here; `make chaos` runs it for ten minutes (`CHAOS_SECONDS`), once it is warm, and prints what was seen. `CHAOS_ONLY=plugin,clock`
//! takes only steps whose names have one of these words, to find which of them costs what was seen; how many are taken says `CHAOS_STEPS` (120).

mod clock;
mod load;
mod service;
mod steps;

use clock::Clock;
use gateway_tests::TestGateway;
use gateway_tests::gateway::{Setup, component};
use gateway_tests::wait::until;
use load::{Load, Troubles};
use service::Service;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use steps::{STEPS, Stage};

/// Of a run that is long enough to tell growth from noise.
const LONG: Duration = Duration::from_secs(300);

/// KiB in ten minutes.
const SLOPE: f64 = 1024.0;

/// So often each step is taken, quickly, before a long run begins. Until then a gateway has not had what it keeps: every change of a plugin takes slots that
/// nobody had, until 16 lie warm, and its allocator a page for each size.
const WARM: u32 = 5;

fn config(services: &[Service], word: &str) -> String {
    let endpoints: Vec<_> = services.iter().map(|service| format!("\"http://{}\"", service.address)).collect();
    TestGateway::complete(&format!(
        r#"[[listener]]
name = "public"
address = "127.0.0.1:0"
[upstream.service]
endpoints = [{}]
[[route]]
name = "plain"
match = {{ path = "/plain" }}
upstream = "service"
[[route]]
name = "plugin"
match = {{ path = "/plugin" }}
chain = ["phases"]
upstream = "service"
[[route]]
name = "cached"
match = {{ path = "/cached" }}
cache = true
upstream = "service"
[[route]]
name = "word"
match = {{ path = "/word" }}
respond = {{ status = 200, body = "{word}" }}
"#,
        endpoints.join(", ")
    ))
}

/// A custom section behind a component makes another file of it, and nothing else.
fn version(mut component: Vec<u8>, number: u8) -> Vec<u8> {
    component.extend([0, 3, 1, b'v', number]);
    component
}

fn descriptors(gateway: &TestGateway) -> usize {
    fs::read_dir(format!("/proc/{}/fd", gateway.id())).unwrap().count()
}

/// KiB in ten minutes: the median of the slopes between any two samples, which a plugin that is compiled at that moment does not move.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let pairs =
        samples.iter().enumerate().flat_map(|(at, first)| samples[at + 1..].iter().map(move |last| (first, last)));
    let mut slopes: Vec<f64> = pairs.map(|(first, last)| (last.1 - first.1) / (last.0 - first.0)).collect();
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).map_or(0.0, |slope| slope * 600.0)
}

#[test]
fn r1_r2_r3_r4_r7_f1_f7_chaos_leaves_nothing_unexplained() {
    let seconds = std::env::var("CHAOS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let length = Duration::from_secs(seconds);
    let pause = length / std::env::var("CHAOS_STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    let only = std::env::var("CHAOS_ONLY").unwrap_or_default();
    let is_taken = |name: &str| only.split(',').any(|word| name.contains(word));
    let steps: Vec<_> = STEPS.into_iter().filter(|(name, _)| is_taken(name)).collect();
    let services = [Service::start(), Service::start()];
    let cache = tempfile::tempdir().unwrap();
    let full = Disk::mount(cache.path());
    let plugins = [1, 2].map(|number| version(component("phases"), number));
    let setup =
        Setup::default().file("gateway.toml", config(&services, "word")).file("plugins.d/phases.wasm", &*plugins[0]);
    let time = tempfile::tempdir().unwrap();
    let (clock, setup) = Clock::give(setup, time.path().join("clock"));
    let mut gateway = setup.cache(cache.path()).start();
    let troubles = Arc::new(Troubles::default());
    let address = gateway.address("public");
    let load = Load::start(address, &troubles);
    let stage = Stage { gateway: &gateway, address, services: &services, troubles: &troubles, clock: &clock, plugins };

    let (mut samples, mut turn, mut before) = (Vec::new(), 0, None);
    let mut next = steps.iter().cycle();
    let warm = if length < LONG { 0 } else { WARM * steps.len() as u32 };
    let mut start = Instant::now();
    let (mut report, mut problems) = (String::new(), BTreeMap::<String, u32>::new());
    while start.elapsed() < length {
        if let Some((_, step)) = next.next() {
            step(&stage, turn);
        }
        turn += 1;
        if turn == steps.len() as u32 {
            // What is compiled next has nowhere to go.
            full.iter().for_each(Disk::fill);
        }
        thread::sleep(if turn <= warm { pause / 10 } else { pause });
        if turn == warm {
            start = Instant::now();
        }
        let status = gateway.status();
        for problem in status["reload"]["problems"].as_array().into_iter().flatten() {
            let text = problem["message"].as_str().unwrap_or_default().chars().take(90).collect();
            *problems.entry(text).or_default() += 1;
        }
        // Where all steps begin again the gateway is as it was, and what it needed once it has had.
        if (turn as usize).is_multiple_of(steps.len()) && turn >= warm.max(steps.len() as u32) {
            before.get_or_insert_with(|| descriptors(&gateway));
        }
        if turn >= warm {
            samples.push((start.elapsed().as_secs_f64(), gateway.memory() as f64));
        }
    }
    gateway.replace("gateway.toml", config(&services, "the end").as_bytes());
    until("the last change is in force", || (gateway.get("/word").text() == "the end").then_some(()));
    until("both services are back", || (gateway.get("/plain").status == 200).then_some(()));
    let seen = load.finish();
    let status = gateway.status();
    let growth = slope(&samples);
    let memory: Vec<_> = samples.iter().map(|(_, memory)| *memory as u64 / 1024).collect();
    let _ = writeln!(report, "chaos: {seconds} s after {warm} steps, {turn} steps, {} requests", seen.asked);
    let _ = writeln!(
        report,
        "  generation {}, refused changes {}",
        status["reload"]["generation"], status["reload"]["failed"]
    );
    let _ = writeln!(report, "  what was told of them, by steps: {problems:#?}");
    let _ = writeln!(report, "  explained failures: {:?}", seen.explained);
    let _ = writeln!(
        report,
        "  unexplained: {} {:?}",
        seen.unexplained.len(),
        seen.unexplained.iter().take(10).collect::<Vec<_>>()
    );
    let _ = writeln!(report, "  memory in MiB, step by step: {memory:?}; slope {growth:.0} KiB in 10 minutes");
    let _ = writeln!(report, "  descriptors {before:?} after warm-up, {} now", descriptors(&gateway));
    let _ = writeln!(report, "  disk of the cache full: {}", full.is_some());
    let _ = write!(std::io::stderr(), "{report}");
    assert!(seen.unexplained.is_empty(), "{report}");
    // Six of the steps are good changes, and what is refused is what was broken.
    let generations = status["reload"]["generation"].as_u64().unwrap_or_default();
    assert!(!only.is_empty() || generations > u64::from(turn) / 4, "{report}");
    let is_broken = |text: &String| {
        ["no value", "no WebAssembly component", "no such", "not there"].iter().any(|word| text.contains(word))
    };
    assert!(problems.keys().all(is_broken), "{report}");
    assert!(gateway.is_alive() && gateway.counter("requests.panicked") == 0, "{report}");
    if let Some(before) = before {
        // Connections of clients that left are found gone in their own time.
        until(&format!("descriptors are as before:\n{report}"), || (descriptors(&gateway) <= before + 4).then_some(()));
    }
    assert!(length < LONG || growth < SLOPE, "{report}");
}

/// A small disk of its own, where this machine lets us have one.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(folder: &std::path::Path) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(folder).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned()))
    }

    /// Until there is no room.
    fn fill(&self) {
        let mut file = fs::File::options().create(true).append(true).open(self.0.join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
