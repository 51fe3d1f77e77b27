//! The built gateway as a child process with a folder of its own.

use crate::client::{Client, Response};
use crate::pipes::piped;
use crate::wait::until;
use command_fds::{CommandFdExt as _, FdMapping};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A running gateway; it ends with this value.
pub struct TestGateway {
    child: Child,
    folder: tempfile::TempDir,
}

/// A gateway to be started.
#[derive(Default)]
pub struct Setup {
    files: Vec<(PathBuf, Vec<u8>)>,
    arguments: Vec<String>,
    links: Vec<(PathBuf, PathBuf)>,
    cache: Option<PathBuf>,
    log: Option<String>,
    program: Option<PathBuf>,
    sockets: Vec<TcpListener>,
    variables: Vec<(String, String)>,
    compiled: bool,
}

impl Setup {
    /// A configuration. `[plugins]` and `[admin]` are added; listeners take port 0.
    #[must_use]
    pub fn new(config: &str) -> Self {
        Self::default().file("gateway.toml", TestGateway::complete(config))
    }

    /// A file in the gateway's folder.
    #[must_use]
    pub fn file(mut self, name: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), content.into()));
        self
    }

    /// A built component in the plugin folder.
    #[must_use]
    pub fn plugin(self, name: &str) -> Self {
        let source = component(name);
        self.file(format!("plugins.d/{name}.wasm"), source)
    }

    /// An argument of `gateway run`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Includes another file of the folder in the configuration.
    #[must_use]
    pub fn including(mut self, fragment: &str) -> Self {
        for (name, content) in &mut self.files {
            if name == Path::new("gateway.toml") {
                content.splice(0..0, format!("include = [\"{fragment}\"]\n").into_bytes());
            }
        }
        self
    }

    /// A symbolic link in the gateway's folder.
    #[must_use]
    pub fn link(mut self, name: &str, target: &str) -> Self {
        self.links.push((name.into(), target.into()));
        self
    }

    /// A compile cache of its own.
    #[must_use]
    pub fn cache(mut self, folder: &Path) -> Self {
        self.cache = Some(folder.to_owned());
        self
    }

    /// What is logged.
    #[must_use]
    pub fn log(mut self, filter: &str) -> Self {
        self.log = Some(filter.into());
        self
    }

    /// Another program than the one beside the test.
    #[must_use]
    pub fn program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// A socket that is bound already, handed over as systemd does.
    #[must_use]
    pub fn socket(mut self, socket: TcpListener) -> Self {
        self.sockets.push(socket);
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Its plugins are compiled before it starts: those that take long, once for all tests.
    #[must_use]
    pub fn compiled(mut self) -> Self {
        self.compiled = true;
        self
    }

    /// Starts it and waits until it is ready.
    #[must_use]
    pub fn start(self) -> TestGateway {
        let gateway = self.launch();
        until("the gateway is ready", || {
            let (status, _) = gateway.admin("/ready")?;
            (status == 200).then_some(())
        });
        gateway
    }

    /// Starts it, whatever comes of it.
    #[must_use]
    pub fn launch(self) -> TestGateway {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("plugins.d")).unwrap();
        for (name, content) in &self.files {
            write(&folder.path().join(name), &placed(folder.path(), content));
        }
        for (name, target) in &self.links {
            std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
        }
        let cache = self.cache.unwrap_or_else(cache);
        if self.compiled {
            static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
            let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
            let mut check = Command::new(program());
            check
                .arg("check")
                .current_dir(folder.path())
                .envs(self.variables.iter().map(|(name, value)| (name, value)));
            let output = check.env("XDG_CACHE_HOME", &cache).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(self.program.unwrap_or_else(program));
        if !self.sockets.is_empty() {
            command.env("LISTEN_FDS", self.sockets.len().to_string());
            let mappings = self.sockets.into_iter().zip(3..);
            let mappings = mappings.map(|(socket, child_fd)| FdMapping { parent_fd: socket.into(), child_fd });
            command.fd_mappings(mappings.collect()).unwrap();
        }
        let child = command
            .args(["run", "--log", self.log.as_deref().unwrap_or("info")])
            .args(self.arguments)
            .current_dir(folder.path())
            .envs(self.variables)
            .env("XDG_CACHE_HOME", cache)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        TestGateway { child, folder }
    }
}

impl TestGateway {
    /// Starts a gateway with this configuration.
    #[must_use]
    pub fn start(config: &str) -> Self {
        Setup::new(config).start()
    }

    /// A configuration with what every test needs in front.
    #[must_use]
    pub fn complete(config: &str) -> String {
        format!("[plugins]\ndirectory = \"plugins.d\"\n[admin]\naddress = \"unix:{{folder}}/admin.sock\"\n{config}")
    }

    /// A file in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces its configuration at once.
    pub fn configure(&self, config: &str) {
        self.replace("gateway.toml", Self::complete(config).as_bytes());
    }

    /// Writes a file beside its place, then renames it over: nobody sees half of it.
    pub fn replace(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        let beside = path.with_extension("new");
        write(&beside, &placed(self.folder.path(), content));
        fs::rename(beside, path).unwrap();
    }

    /// Asks the admin listener; none while it is not there.
    #[must_use]
    pub fn admin(&self, path: &str) -> Option<(u16, Vec<u8>)> {
        self.admin_with("GET", path, "")
    }

    /// The same with a method, and fields each ended by CR LF. It says that it sends JSON, as whoever changes something must.
    #[must_use]
    pub fn admin_with(&self, method: &str, path: &str, fields: &str) -> Option<(u16, Vec<u8>)> {
        self.ask_admin(method, path, &format!("content-type: application/json\r\n{fields}"), "")
    }

    /// Posts a document to the admin listener; what it answers.
    #[must_use]
    pub fn post_admin(&self, path: &str, document: &Value) -> (u16, Value) {
        let fields = "content-type: application/json\r\n";
        let (status, body) = self.ask_admin("POST", path, fields, &document.to_string()).expect("an answer");
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// Asks the admin listener with just these fields, each ended by CR LF, and a body.
    #[must_use]
    pub fn ask_admin(&self, method: &str, path: &str, fields: &str, body: &str) -> Option<(u16, Vec<u8>)> {
        let mut socket = UnixStream::connect(self.path("admin.sock")).ok()?;
        let length = body.len();
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\n{fields}host: admin\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .ok()?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).ok()?;
        let response = Response::parse(&answer)?;
        Some((response.status, response.body))
    }

    /// What `/status` says.
    #[must_use]
    pub fn status(&self) -> Value {
        let (_, body) = until("a status", || self.admin("/status"));
        serde_json::from_slice(&body).unwrap()
    }

    /// A counter in `/status`; 0 where it was never touched.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.status()["counters"][name].as_u64().unwrap_or_default()
    }

    /// Where a listener really listens.
    #[must_use]
    pub fn address(&self, listener: &str) -> SocketAddr {
        until("the listener is bound", || self.status()["listeners"][listener].as_str().map(str::to_owned))
            .parse()
            .unwrap()
    }

    /// A connection to the listener `public`.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::connect(self.address("public"))
    }

    /// `GET` on a connection of its own.
    #[must_use]
    pub fn get(&self, path: &str) -> Response {
        self.client().get(path)
    }

    /// Waits until this generation serves.
    pub fn wait_for_generation(&self, generation: u64) {
        until("the new generation serves", || (self.status()["reload"]["generation"] == generation).then_some(()));
    }

    /// Everything it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory in KiB.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// What the kernel holds for its TCP sockets in KiB: read and not yet taken, written and not yet sent, and set aside.
    ///
    /// # Panics
    /// There is no `ss` (Debian's iproute2).
    #[must_use]
    pub fn socket_memory(&self) -> u64 {
        let listed = Command::new("ss").args(["--tcp", "--numeric", "--memory", "--processes", "--no-header"]).output();
        let listed = String::from_utf8(listed.expect("`ss`, of Debian's iproute2, is needed").stdout).unwrap();
        let owner = format!("pid={},", self.id());
        // Of `skmem:(r0,rb131072,t0,tb87040,f4096,w0,o0,bl0,d0)`: r, f, w.
        let held = |line: &str| -> u64 {
            let (_, memory) = line.split_once("skmem:(").unwrap();
            let figures = memory.split(')').next().unwrap().split(',');
            figures.filter_map(|figure| figure.strip_prefix(['r', 'f', 'w'])?.parse::<u64>().ok()).sum()
        };
        listed.replace("\n\t", " ").lines().filter(|line| line.contains(&owner)).map(held).sum::<u64>() / 1024
    }

    /// Bytes that pass through its pipes.
    #[must_use]
    pub fn piped(&self) -> u64 {
        piped(self.id())
    }

    /// Its memory and that of its sockets and pipes in KiB.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.memory() + self.socket_memory() + self.piped() / 1024
    }

    /// The same once nothing moves any more but an allocator's pages: the most of three looks, which differ by no more than those.
    #[must_use]
    pub fn held_at_rest(&self) -> u64 {
        const PAGES: u64 = 64;
        until("memory comes to rest", || {
            let looks = [(); 3].map(|()| {
                std::thread::sleep(Duration::from_millis(300));
                self.held()
            });
            let (least, most) = (looks.into_iter().min()?, looks.into_iter().max()?);
            (most - least <= PAGES).then_some(most)
        })
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Asks it to stop, as an init system does.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends it a signal, `-USR2`.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Waits until another process serves in its place; that one ends with the value.
    #[must_use]
    pub fn successor(&self) -> Successor {
        let other = |id: &Value| id.as_u64().filter(|id| *id != u64::from(self.id()));
        Successor(until("another process serves", || other(&self.status()["process"]["id"])))
    }

    /// Waits for its end and gives its exit code.
    pub fn exit_code(&mut self) -> Option<i32> {
        until("the gateway ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(40).collect();
            let last: Vec<_> = lines.into_iter().rev().collect();
            let _ = writeln!(std::io::stderr(), "--- the gateway's log\n{}", last.join("\n"));
        }
    }
}

/// The process that took over from a gateway.
pub struct Successor(pub u64);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0.to_string()]).status();
    }
}

/// `{folder}` in a text is the gateway's own folder.
fn placed(folder: &Path, content: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(content) {
        Ok(text) => text.replace("{folder}", &folder.display().to_string()).into_bytes(),
        Err(_) => content.to_vec(),
    }
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The folder of built programs that this test stands in.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// The gateway beside this test.
///
/// # Panics
/// It was not built.
#[must_use]
pub fn program() -> PathBuf {
    let program = target().join("gateway");
    assert!(program.exists(), "{} is missing: run `make test`, or `cargo build -p gateway` first", program.display());
    program
}

/// One compile cache for all tests, so that a component is compiled once.
fn cache() -> PathBuf {
    target().join("test-cache")
}

/// A component that `make plugins` has built.
///
/// # Panics
/// It was not built.
#[must_use]
pub fn component(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/plugins").join(name).with_extension("wasm");
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make test`, or `make plugins` first", path.display()))
}
