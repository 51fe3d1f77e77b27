//! One process takes over from another, or from systemd; and how it leaves.

use gateway_tests::gateway::{Setup, program};
use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, TestGateway, Upstream};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Requests without a pause on kept connections, each made anew when its gateway says that it closes.
fn load(address: SocketAddr, stop: &AtomicBool, done: &AtomicU64, pause: Duration) {
    while !stop.load(Ordering::Relaxed) {
        let mut client = Client::connect(address);
        while !stop.load(Ordering::Relaxed) {
            let response = client.get("/");
            assert_eq!((response.status, response.text()), (200, "ok".to_owned()));
            done.fetch_add(1, Ordering::Relaxed);
            if response.header("connection") == Some("close") {
                break;
            }
            thread::sleep(pause);
        }
    }
}

#[test]
fn a_new_process_takes_over_without_a_failed_request() {
    let upstream = Upstream::start(|request| match request.target() {
        "/download" => {
            let mut parts = vec![b"HTTP/1.1 200 OK\r\ncontent-length: 40000\r\n\r\n".to_vec()];
            parts.extend((0..40).map(|_| vec![b'x'; 1000]));
            Reply::Trickle(parts, Duration::from_millis(100))
        }
        _ => Reply::ok("ok"),
    });
    let mut gateway = TestGateway::start(&upstream.config());
    let address = gateway.address("public");
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let download = scope.spawn(move || Client::connect(address).get("/download"));
        until("the download has begun", || {
            upstream.received().iter().any(|got| got.target() == "/download").then_some(())
        });
        let clients: Vec<_> = [0, 0, 5, 50, 1000]
            .map(|pause| (pause, &stop, &done))
            .into_iter()
            .map(|(pause, stop, done)| scope.spawn(move || load(address, stop, done, Duration::from_millis(pause))))
            .collect();
        let some_more = || {
            let before = done.load(Ordering::Relaxed);
            until("requests are answered", || (done.load(Ordering::Relaxed) > before + 200).then_some(()));
        };
        some_more();
        gateway.signal("-USR2");
        let _successor = gateway.successor();
        some_more();
        let received = download.join().unwrap();
        assert_eq!((received.status, received.body.len()), (200, 40_000));
        assert_eq!(gateway.exit_code(), Some(0));
        some_more();
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert_eq!(gateway.address("public"), address);
        assert_eq!(gateway.admin("/ready").unwrap().0, 200);
    });
}

/// A copy of the gateway that can be replaced.
fn copy(folder: &Path) -> std::path::PathBuf {
    let copy = folder.join("gateway");
    fs::copy(program(), &copy).unwrap();
    copy
}

/// Another program in the gateway's place.
fn replace(copy: &Path, script: &str) {
    let beside = copy.with_extension("new");
    fs::write(&beside, script).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(beside, copy).unwrap();
}

#[test]
fn a_program_that_does_not_start_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let copy = copy(folder.path());
    let upstream = Upstream::ok();
    let mut gateway = Setup::new(&upstream.config()).program(&copy).start();
    let mut client = gateway.client();
    let refused = |times: usize, said: &str| {
        let again = || (gateway.log().matches("no new process has taken over").count() == times).then_some(());
        until("the log says that none has taken over", again);
        assert!(gateway.log().contains(said), "{said}: {}", gateway.log());
        assert_eq!((gateway.get("/").status, gateway.admin("/ready").unwrap().0), (200, 200));
    };
    let fds = folder.path().join("fds");
    let listing = format!("#!/bin/sh\nls /proc/$$/fd > {}\nexit 7\n", fds.display());
    replace(&copy, &listing);
    assert_eq!(client.get("/").status, 200);
    gateway.signal("-USR2");
    refused(1, "exit status: 7");
    // The listener, administration, the way back; and what this test was started with. None of a client or a service.
    let listed = || fs::read_to_string(&fds).unwrap().split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
    let handed_over = listed();
    assert_eq!(Command::new(&copy).status().unwrap().code(), Some(7));
    let expected: BTreeSet<_> = listed().into_iter().chain(["3", "4", "5"].map(str::to_owned)).collect();
    assert_eq!(handed_over, expected);
    fs::remove_file(&copy).unwrap();
    gateway.signal("-USR2");
    refused(2, "");
    assert_eq!(client.get("/").status, 200);
    // A configuration that cannot be used is as bad.
    fs::copy(program(), copy.with_extension("new")).unwrap();
    fs::rename(copy.with_extension("new"), &copy).unwrap();
    gateway.configure("[[listener]]\n");
    gateway.signal("-USR2");
    refused(3, "exit status: 2");
    // Repaired, it takes over.
    gateway.configure(&upstream.config());
    until("the files are as they were", || (gateway.status()["reload"]["state"] == "current").then_some(()));
    gateway.signal("-USR2");
    let _successor = gateway.successor();
    // The connection that the old one still has can be used once more, and is told to close.
    assert_eq!(client.get("/").header("connection"), Some("close"));
    assert_eq!(gateway.exit_code(), Some(0));
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn a_stop_while_a_new_process_starts_stops_both() {
    let folder = tempfile::tempdir().unwrap();
    let copy = copy(folder.path());
    let mut gateway = Setup::new(&Upstream::ok().config()).program(&copy).start();
    replace(&copy, "#!/bin/sh\nexec sleep 1000\n");
    gateway.signal("-USR2");
    let started =
        || gateway.log().split("a new process starts process=").nth(1)?.split_whitespace().next().map(str::to_owned);
    let process = until("the new process is there", started);
    gateway.terminate();
    assert_eq!(gateway.exit_code(), Some(0));
    until("the new process is gone", || (!is_running(&process)).then_some(()));
}

fn is_running(process: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // One that nobody has waited for is still listed.
    !(state.is_empty() || state.contains(") Z "))
}

#[test]
fn sockets_that_are_bound_already_are_taken() {
    let upstream = Upstream::ok();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let stray = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, strange) = (socket.local_addr().unwrap(), stray.local_addr().unwrap());
    // A client that came before the gateway did.
    let mut early = Client::connect(address);
    early.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let config = upstream.config().replace("127.0.0.1:0", &address.to_string());
    let gateway = Setup::new(&config).socket(stray).socket(socket).start();
    assert_eq!(early.response().unwrap().status, 200);
    assert_eq!(gateway.address("public"), address);
    assert!(gateway.log().contains(&format!("{strange}")), "{}", gateway.log());
    assert!(TcpStream::connect(strange).is_err());
}

#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(gateway_tests::wait::PATIENCE)).unwrap();
    let told = |expected: &str| {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(text.contains(expected), "{expected}: {text}");
    };
    let upstream = Upstream::ok();
    let mut gateway = Setup::new(&upstream.config()).variable("NOTIFY_SOCKET", path.to_str().unwrap()).start();
    told("READY=1");
    gateway.configure(&format!("{}deadline = \"5 s\"\n", upstream.config()));
    told("MONOTONIC_USEC=");
    told("READY=1");
    gateway.signal("-USR2");
    told("READY=1");
    let successor = gateway.successor();
    told(&format!("MAINPID={}", successor.0));
    assert_eq!(gateway.exit_code(), Some(0));
    assert!(Command::new("kill").args(["-TERM", &successor.0.to_string()]).status().unwrap().success());
    told("STOPPING=1");
}

#[test]
fn systemd_hears_that_it_lives_as_long_as_its_threads_do_their_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(gateway_tests::wait::PATIENCE)).unwrap();
    let told = |expected: &str| {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..length]).trim(), expected);
    };
    let setup = Setup::new(&Upstream::ok().config()).variable("NOTIFY_SOCKET", path.to_str().unwrap());
    let mut gateway = setup.variable("WATCHDOG_USEC", "300000").start();
    told("READY=1");
    told("WATCHDOG=1");
    told("WATCHDOG=1");
    // The program that takes over lives as well.
    gateway.signal("-USR2");
    let successor = gateway.successor();
    told_eventually(&manager, &format!("MAINPID={}", successor.0));
    assert_eq!(gateway.exit_code(), Some(0));
    manager.set_nonblocking(true).unwrap();
    while manager.recv(&mut [0; 256]).is_ok() {}
    manager.set_nonblocking(false).unwrap();
    told_eventually(&manager, "WATCHDOG=1");
}

fn told_eventually(manager: &UnixDatagram, expected: &str) {
    let mut buffer = [0; 256];
    until(expected, || {
        let length = manager.recv(&mut buffer).unwrap();
        (String::from_utf8_lossy(&buffer[..length]).trim() == expected).then_some(())
    });
}

#[test]
fn connections_are_taken_for_a_while_once_it_is_no_longer_ready() {
    let upstream = Upstream::ok();
    let mut gateway = Setup::new(&format!("[server]\ndrain-delay = \"1 s\"\n{}", upstream.config())).start();
    let address = gateway.address("public");
    let asked = Instant::now();
    gateway.terminate();
    until("it is no longer ready", || gateway.admin("/ready").filter(|(status, _)| *status == 503));
    assert_eq!(gateway.admin("/live").unwrap().0, 200);
    assert_eq!(Client::connect(address).get("/").header("connection"), None);
    assert_eq!(gateway.exit_code(), Some(0));
    assert!(asked.elapsed() >= Duration::from_secs(1));
    // Asked again, it does not wait.
    let mut gateway = Setup::new(&format!("[server]\ndrain-delay = \"1 h\"\n{}", upstream.config())).start();
    gateway.terminate();
    until("it is no longer ready", || gateway.admin("/ready").filter(|(status, _)| *status == 503));
    gateway.terminate();
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn f7_without_descriptors_the_log_stays_short() {
    let folder = tempfile::tempdir().unwrap();
    let wrapper = folder.path().join("gateway");
    replace(&wrapper, &format!("#!/bin/sh\nulimit -n 60\nexec {} \"$@\"\n", program().display()));
    let upstream = Upstream::ok();
    let gateway = Setup::new(&upstream.config()).program(&wrapper).start();
    let address = gateway.address("public");
    for expected in ["warning[too-many-connections]", "gateway.toml:5:1", "60 open files"] {
        assert!(gateway.log().contains(expected), "{expected}: {}", gateway.log());
    }
    let clients: Vec<_> = (0..80).map(|_| TcpStream::connect(address).unwrap()).collect();
    until("no more are taken", || gateway.log().contains("could not be accepted").then_some(()));
    thread::sleep(Duration::from_secs(1));
    assert!(gateway.log().matches("could not be accepted").count() <= 2, "{}", gateway.log());
    drop(clients);
    assert_eq!(
        until("it serves again", || {
            let mut stream = TcpStream::connect(address).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).ok()?;
            gateway_tests::Response::parse(&answer)
        })
        .status,
        200
    );
}

#[test]
fn a_process_that_took_over_can_be_replaced() {
    let upstream = Upstream::ok();
    let mut gateway = TestGateway::start(&upstream.config());
    let address = gateway.address("public");
    gateway.signal("-USR2");
    let second = gateway.successor();
    assert_eq!(gateway.exit_code(), Some(0));
    assert!(Command::new("kill").args(["-USR2", &second.0.to_string()]).status().unwrap().success());
    let third =
        until("a third process serves", || gateway.status()["process"]["id"].as_u64().filter(|id| *id != second.0));
    let _third = gateway_tests::gateway::Successor(third);
    until("the second process is gone", || (!is_running(&second.0.to_string())).then_some(()));
    assert_eq!(Client::connect(address).get("/").status, 200);
}
