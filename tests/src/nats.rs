//! A NATS of the test's own, with JetStream, on a port of its own; and a plain client that speaks its protocol.

use crate::wait::{PATIENCE, until};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A running `nats-server`; it ends with this value.
pub struct Nats {
    child: Option<Child>,
    address: SocketAddr,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Nats {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with more arguments.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        until("a port is free for nats-server", || {
            // Somebody else may take it before NATS does.
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let mut nats = Self { child: None, address, folder, arguments: arguments.clone() };
            nats.revive();
            nats.child.is_some().then_some(nats)
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Ends it; what its streams keep stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again at the same address.
    pub fn revive(&mut self) {
        let port = self.address.port().to_string();
        let mut child = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &port, "--jetstream", "--store_dir"])
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server can be started: `scripts/setup-tests` installs it");
        let answers = until("nats-server answers", || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let mut line = String::new();
            BufReader::new(TcpStream::connect(self.address).ok()?).read_line(&mut line).ok()?;
            line.starts_with("INFO ").then_some(true)
        });
        self.child = answers.then_some(child);
    }

    /// A connection to it.
    #[must_use]
    pub fn client(&self) -> NatsClient {
        NatsClient::connect(self.address)
    }

    /// A service that answers what comes on a subject: by the payload, fields included, and the subject. It ends with the server.
    ///
    /// # Panics
    /// The server is not there.
    pub fn serve(&self, subject: &str, answer: impl Fn(&NatsMessage) -> Option<String> + Send + 'static) {
        let mut client = self.client();
        client.subscribe(subject);
        std::thread::spawn(move || {
            while let Some(message) = client.message() {
                if let (Some(reply), Some(payload)) = (&message.reply, answer(&message)) {
                    client.publish(reply, &payload);
                }
            }
        });
    }

    /// A stream of JetStream that keeps these subjects.
    pub fn stream(&self, name: &str, subjects: &str) {
        let config = format!("{{\"name\":\"{name}\",\"subjects\":[\"{subjects}\"],\"storage\":\"file\"}}");
        let answer = self.client().request(&format!("$JS.API.STREAM.CREATE.{name}"), &config);
        assert!(!answer.contains("\"error\""), "{answer}");
    }

    /// How many messages a stream keeps.
    #[must_use]
    pub fn kept(&self, name: &str) -> u64 {
        let answer = self.client().request(&format!("$JS.API.STREAM.INFO.{name}"), "");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["state"]["messages"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A message as it came.
#[derive(Debug, Clone)]
pub struct NatsMessage {
    /// Its subject.
    pub subject: String,
    /// Where a reply is to go.
    pub reply: Option<String>,
    /// Its fields, each with CR LF; empty where it has none.
    pub headers: String,
    /// What it holds.
    pub payload: String,
}

/// A client that speaks just enough of the protocol.
pub struct NatsClient {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    subscriptions: u32,
}

impl NatsClient {
    fn connect(address: SocketAddr) -> Self {
        let writer = TcpStream::connect(address).unwrap();
        let mut client = Self { reader: BufReader::new(writer.try_clone().unwrap()), writer, subscriptions: 0 };
        client.line().unwrap();
        client.write("CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n");
        client.settle();
        client
    }

    /// Listens to a subject; when this returns, the server knows.
    pub fn subscribe(&mut self, subject: &str) {
        self.subscriptions += 1;
        self.write(&format!("SUB {subject} {}\r\n", self.subscriptions));
        self.settle();
    }

    /// Sends a message.
    pub fn publish(&mut self, subject: &str, payload: &str) {
        self.write(&format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()));
    }

    /// The same with fields, each ended by CR LF.
    pub fn publish_with(&mut self, subject: &str, headers: &str, payload: &str) {
        let headers = format!("NATS/1.0\r\n{headers}\r\n");
        self.write(&format!(
            "HPUB {subject} {} {}\r\n{headers}{payload}\r\n",
            headers.len(),
            headers.len() + payload.len()
        ));
    }

    /// Asks, and gives what the reply holds.
    ///
    /// # Panics
    /// There is none.
    pub fn request(&mut self, subject: &str, payload: &str) -> String {
        self.subscribe("reply.here");
        self.write(&format!("PUB {subject} reply.here {}\r\n{payload}\r\n", payload.len()));
        self.reader.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        self.message().expect("a reply").payload
    }

    /// The next message; none once the server is gone.
    pub fn message(&mut self) -> Option<NatsMessage> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["PING"] => self.write("PONG\r\n"),
                ["MSG", subject, _, length] => return self.body(subject, None, 0, length),
                ["MSG", subject, _, reply, length] => return self.body(subject, Some(reply), 0, length),
                ["HMSG", subject, _, headers, length] => {
                    return self.body(subject, None, headers.parse().unwrap(), length);
                }
                ["HMSG", subject, _, reply, headers, length] => {
                    return self.body(subject, Some(reply), headers.parse().unwrap(), length);
                }
                _ => {}
            }
        }
    }

    fn body(&mut self, subject: &str, reply: Option<&str>, headers: usize, length: &str) -> Option<NatsMessage> {
        let mut bytes = vec![0; length.parse::<usize>().unwrap() + 2];
        self.reader.read_exact(&mut bytes).ok()?;
        bytes.truncate(bytes.len() - 2);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (headers, payload) = text.split_at(headers);
        Some(NatsMessage {
            subject: subject.into(),
            reply: reply.map(Into::into),
            headers: headers.into(),
            payload: payload.into(),
        })
    }

    /// Waits until the server has read all that was sent.
    fn settle(&mut self) {
        self.write("PING\r\n");
        while self.line().unwrap() != "PONG" {}
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.reader.read_line(&mut line).ok()?;
        (length > 0).then(|| line.trim_end().to_owned())
    }

    fn write(&mut self, text: &str) {
        let _ = self.writer.write_all(text.as_bytes());
    }
}
