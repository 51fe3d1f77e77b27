//! What is done to a gateway, one after the other.

use super::clock::Clock;
use super::load::Troubles;
use super::service::Service;
use gateway_tests::wait::until;
use gateway_tests::{Client, TestGateway};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// What the steps work with.
pub(super) struct Stage<'a> {
    pub(super) gateway: &'a TestGateway,
    /// Where it listens: without descriptors it cannot be asked.
    pub(super) address: SocketAddr,
    pub(super) services: &'a [Service],
    pub(super) troubles: &'a Troubles,
    /// What time the gateway thinks it is.
    pub(super) clock: &'a Clock,
    /// Versions of the plugin, which differ in nothing that counts.
    pub(super) plugins: [Vec<u8>; 2],
}

/// What is done; the number tells which turn it is.
type Step = fn(&Stage<'_>, u32);

/// Each with its name.
pub(super) const STEPS: [(&str, Step); 13] = [
    ("configuration renamed over", |stage, turn| stage.gateway.replace("gateway.toml", &stage.text(turn))),
    ("clients that leave in every phase", |stage, _| stage.leave()),
    ("configuration written in steps", |stage, turn| {
        let text = stage.text(turn);
        let mut file = fs::File::create(stage.gateway.path("gateway.toml")).unwrap();
        for piece in text.chunks(text.len() / 4 + 1) {
            file.write_all(piece).unwrap();
            thread::sleep(Duration::from_millis(30));
        }
    }),
    ("an endpoint killed and revived", |stage, turn| stage.kill_one(turn)),
    ("plugin renamed over", |stage, turn| {
        stage.gateway.replace("plugins.d/phases.wasm", &stage.plugins[turn as usize % 2]);
    }),
    ("configuration broken", |stage, _| {
        stage.gateway.replace("gateway.toml", b"[[route]]\nname = broken\n");
        thread::sleep(Duration::from_millis(300));
    }),
    ("configuration a link, swapped", |stage, turn| {
        let target = stage.gateway.path(&format!("version-{turn}.toml"));
        fs::write(&target, stage.text(turn)).unwrap();
        let link = stage.gateway.path("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        fs::rename(link, stage.gateway.path("gateway.toml")).unwrap();
    }),
    ("all endpoints killed and revived", |stage, _| stage.kill(stage.services)),
    ("plugin written in steps", |stage, turn| {
        let bytes = &stage.plugins[turn as usize % 2];
        let mut file = fs::File::create(stage.gateway.path("plugins.d/phases.wasm")).unwrap();
        for piece in bytes.chunks(bytes.len() / 4 + 1) {
            file.write_all(piece).unwrap();
            thread::sleep(Duration::from_millis(30));
        }
    }),
    ("configuration deleted and put back", |stage, turn| {
        fs::remove_file(stage.gateway.path("gateway.toml")).unwrap();
        thread::sleep(Duration::from_millis(300));
        stage.gateway.replace("gateway.toml", &stage.text(turn));
    }),
    ("the clock stepped forward and back", |stage, turn| stage.step_clock(turn)),
    ("no descriptors left", |stage, _| stage.exhaust()),
    ("plugin broken and mended", |stage, turn| {
        stage.gateway.replace("plugins.d/phases.wasm", b"\0asm");
        thread::sleep(Duration::from_millis(300));
        stage.gateway.replace("plugins.d/phases.wasm", &stage.plugins[turn as usize % 2]);
    }),
];

impl Stage<'_> {
    fn text(&self, turn: u32) -> Vec<u8> {
        let folder = self.gateway.path("");
        let folder = folder.display().to_string();
        let text = super::config(self.services, &format!("word {turn}"));
        text.replace("{folder}", folder.trim_end_matches('/')).into_bytes()
    }

    fn kill_one(&self, turn: u32) {
        self.kill(&self.services[turn as usize % self.services.len()..][..1]);
    }

    fn kill(&self, services: &[Service]) {
        self.troubles.upstream();
        services.iter().for_each(Service::kill);
        assert!(services.iter().all(Service::is_dead));
        thread::sleep(Duration::from_millis(400));
        services.iter().for_each(Service::revive);
        self.troubles.upstream();
    }

    /// In the middle of a head, before the answer, in the middle of a body and of an answer, and of another protocol.
    fn leave(&self) {
        for sent in [
            "",
            "GET /pl",
            "GET /plain HTTP/1.1\r\nhost: a\r\n\r\n",
            "POST /plugin HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf",
            "POST /plain HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nha",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /plain HTTP/1.1\r\nhost: a\r\n\r\nGET /plugin HTTP/1.1\r\nhost: a\r\n\r\n",
        ] {
            for reads in [false, true] {
                let mut client = Client::connect(self.address);
                client.send(sent);
                if reads {
                    client.stream().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                    let _ = client.stream().read(&mut [0; 1]);
                }
                client.reset();
            }
        }
    }

    /// Some days, another number each time: hyper tells no date that is before the last one it told.
    fn step_clock(&self, turn: u32) {
        let date = || Client::connect(self.address).get("/word").header("date").unwrap_or_default().to_owned();
        let before = date();
        let seconds = (turn + 2) * 86_400;
        self.clock.set(&format!("+{seconds}"));
        until("it is another day", || (date().get(..7) != before.get(..7)).then_some(()));
        self.clock.set(&format!("-{seconds}"));
        thread::sleep(Clock::NOTICED);
        self.clock.set("+0");
        thread::sleep(Clock::NOTICED);
    }

    /// A limit below what is open, so that every new descriptor is refused; then the old one.
    fn exhaust(&self) {
        let limit = |limit: &str| {
            let (process, limit) = (self.gateway.id().to_string(), format!("--nofile={limit}"));
            assert!(Command::new("prlimit").args(["--pid", &process, &limit]).status().unwrap().success());
        };
        self.troubles.descriptors();
        limit("8:4096");
        let clients: Vec<Client> = (0..20).map(|_| Client::connect(self.address)).collect();
        thread::sleep(Duration::from_millis(300));
        drop(clients);
        limit("4096:4096");
        self.troubles.descriptors();
    }
}
