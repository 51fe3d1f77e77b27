//! What is measured: the bare forwarder, the gateway, and the peers that are installed, each set up for the same work.

mod envoy;
pub(crate) mod floor;
pub(crate) mod gateway;
mod haproxy;
mod nginx;

use crate::load::FIELDS;
use crate::machine::{self, Cores};
use envoy::Check;
use gateway_tests::wait::until;
use gateway_tests::{Client, TestGateway};
use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A kind of proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Floor,
    Gateway,
    /// The gateway of another commit.
    Base,
    Nginx,
    Haproxy,
    Envoy,
    /// With the key check by the filter that it has for that.
    EnvoyNative,
    /// With the key check as a proxy-wasm filter.
    EnvoyWasm,
}

impl Kind {
    /// In the order of the tables.
    pub(crate) const ALL: [Self; 8] = [
        Self::Floor,
        Self::Gateway,
        Self::Base,
        Self::Nginx,
        Self::Haproxy,
        Self::Envoy,
        Self::EnvoyNative,
        Self::EnvoyWasm,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "bare hyper",
            Self::Gateway => "gateway",
            Self::Base => "base",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "Envoy",
            Self::EnvoyNative => "Envoy, native filter",
            Self::EnvoyWasm => "Envoy, Wasm",
        }
    }

    /// Its program's own word about its version; none where it cannot be run here.
    pub(crate) fn version(self) -> Option<String> {
        match self {
            Self::Floor => Some("hyper and hyper-util, as in Cargo.lock".to_owned()),
            Self::Gateway => {
                let version = said(Command::new(self.program()).arg("--version"))?;
                // Of a program from elsewhere nobody else knows the commit.
                let commit = std::env::var("BENCH_COMMIT").ok();
                Some(format!("{version}, commit {}", commit.as_deref().unwrap_or("unknown")))
            }
            Self::Base => {
                let commit = fs::read_to_string(gateway::base_folder()?.join("commit")).unwrap_or_default();
                let version = said(Command::new(self.program()).arg("--version"))?;
                Some(format!("{version}, commit {}", commit.get(..7).unwrap_or_default()))
            }
            Self::EnvoyWasm if !envoy::filter().exists() => None,
            Self::Nginx | Self::Haproxy => said(Command::new(self.program()).arg("-v")),
            _ => said(Command::new(self.program()).arg("--version")),
        }
    }

    fn program(self) -> PathBuf {
        match self {
            Self::Floor => std::env::current_exe().unwrap(),
            Self::Gateway => gateway::program(),
            Self::Base => gateway::base_folder().unwrap_or_default().join("gateway"),
            Self::Nginx => "nginx".into(),
            Self::Haproxy => "haproxy".into(),
            Self::Envoy | Self::EnvoyNative | Self::EnvoyWasm => envoy::program(),
        }
    }
}

/// The first line that a command says of its version, where it can be run.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| !line.is_empty())?;
    // Some begin with their own path or name.
    Some(line.split_once("version: ").map_or(line, |(_, version)| version).trim().to_owned())
}

/// A running proxy on the last core; it ends with this value.
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    /// Where it speaks HTTP/2 in cleartext.
    pub(crate) http2: SocketAddr,
    run: Run,
}

enum Run {
    Gateway(Box<TestGateway>),
    Peer(Child, #[expect(dead_code, reason = "its configuration's folder lives as long as it")] tempfile::TempDir),
}

impl Proxy {
    /// Its process and the processes that it has started.
    pub(crate) fn processes(&self) -> Vec<u32> {
        machine::family(match &self.run {
            Run::Gateway(gateway) => gateway.id(),
            Run::Peer(child, _) => child.id(),
        })
    }

    /// The gateway, where it is one.
    pub(crate) fn gateway(&self) -> Option<&TestGateway> {
        match &self.run {
            Run::Gateway(gateway) => Some(gateway),
            Run::Peer(..) => None,
        }
    }

    /// Fails unless it does what the others do, as seen by the service: with the key check, or without.
    pub(crate) fn check(&self, path: &str, is_checked: bool) {
        let fields: String = FIELDS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let answer = Client::connect(self.address).get_with(&format!("{path}/echo"), &fields);
        let seen = String::from_utf8_lossy(&answer.body).to_lowercase();
        let has = |text: &str| seen.contains(&format!("\r\n{text}"));
        let forwarded = ["x-forwarded-for: ", "x-forwarded-proto: http", "x-forwarded-host: ", "x-request-id: "];
        assert!(answer.status == 200, "{}: {} for {path}", self.kind, answer.status);
        assert!(self.kind == Kind::Floor || forwarded.into_iter().all(has), "{}, {path}: {seen}", self.kind);
        assert_eq!(is_checked, has("x-consumer: ada") && !has("x-api-key: "), "{}, {path}: {seen}", self.kind);
        if is_checked {
            let wrong = Client::connect(self.address).get_with(path, "x-api-key: wrong\r\nx-consumer: ada\r\n");
            assert_eq!(wrong.status, 401, "{}: a wrong key", self.kind);
        }
    }
}

impl Drop for Proxy {
    /// Asks it to end, and waits until it has: some are watched by what writes its report at the end.
    fn drop(&mut self) {
        match &mut self.run {
            Run::Gateway(gateway) if !thread::panicking() => {
                gateway.terminate();
                let _ = gateway.exit_code();
            }
            // It ends by itself.
            Run::Gateway(_) => {}
            Run::Peer(child, _) => {
                // Its own way of ending takes its workers with it.
                let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
                let _ = child.wait();
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Starts a proxy. The gateway and its base are given their configuration.
pub(crate) fn start(kind: Kind, upstream: SocketAddr, configured: &gateway::Configured) -> Proxy {
    let [address, http2] = free_ports();
    match kind {
        Kind::Gateway | Kind::Base => gateway::start(kind, &kind.program(), configured, &[]).unwrap(),
        Kind::Floor => peer(kind, address, http2, |_| floor::command(&kind.program(), address, http2, upstream)),
        Kind::Nginx => peer(kind, address, http2, |folder| nginx::command(address, http2, upstream, folder)),
        Kind::Haproxy => peer(kind, address, http2, |folder| haproxy::command(address, http2, upstream, folder)),
        Kind::Envoy => envoy(kind, address, upstream, Check::Routes),
        Kind::EnvoyNative => envoy(kind, address, upstream, Check::Native),
        Kind::EnvoyWasm => envoy(kind, address, upstream, Check::Wasm),
    }
}

/// Starts the floor or a gateway under valgrind, which writes what it has counted to a file once the proxy ends. The error is
/// what a gateway says that does not start so.
pub(crate) fn start_counted(
    kind: Kind,
    upstream: SocketAddr,
    configured: &gateway::Configured,
    said: &Path,
) -> Result<Proxy, String> {
    let program = said.with_extension("sh");
    let options = format!("--tool=callgrind --callgrind-out-file=/dev/null --log-file={}", said.display());
    let script = format!("#!/bin/sh\nexec valgrind {options} '{}' \"$@\"\n", kind.program().display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    if kind == Kind::Floor {
        let [address, http2] = free_ports();
        return Ok(peer(kind, address, http2, |_| floor::command(&program, address, http2, upstream)));
    }
    // valgrind has no room for the address space of more instances.
    gateway::start(kind, &program, configured, &["--instances=3"])
}

fn envoy(kind: Kind, address: SocketAddr, upstream: SocketAddr, check: Check) -> Proxy {
    peer(kind, address, address, |folder| envoy::command(address, upstream, folder, check))
}

fn peer(kind: Kind, address: SocketAddr, http2: SocketAddr, command: impl FnOnce(&Path) -> Command) -> Proxy {
    let folder = tempfile::tempdir().unwrap();
    let child = command(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let proxy = Proxy { kind, address, http2, run: Run::Peer(child, folder) };
    until(kind.name(), || TcpStream::connect(address).ok());
    // Workers may come a moment after the socket.
    thread::sleep(Duration::from_millis(300));
    machine::place(&proxy.processes(), Cores::Last);
    proxy
}

/// Two, held at the same time so that they differ.
fn free_ports() -> [SocketAddr; 2] {
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}
