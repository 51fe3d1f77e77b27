//! A RabbitMQ of the test's own: its folder, its node and its ports are nobody else's.

use crate::wait::until;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio_stream::StreamExt as _;

/// Where Debian keeps the program itself: the one on the path changes the user first.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// It takes its time, and machines are shared.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running `rabbitmq-server`; it ends with this value.
pub struct Rabbit {
    child: Option<Child>,
    address: SocketAddr,
    /// Of the distribution, and of its port mapper.
    ports: [u16; 2],
    folder: tempfile::TempDir,
    /// Over TLS: its certificate, its key, and who has signed those of its clients.
    tls: Option<[String; 3]>,
}

/// On a port that the system gives to nobody by itself (Linux begins at 32768): who is started again finds its own still free.
fn free() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + u16::try_from(number % 20_000).unwrap();
        if let Ok(socket) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return socket.local_addr().unwrap();
        }
    }
}

impl Rabbit {
    /// Starts one.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Starts one that speaks TLS only: with this certificate and key, to clients that this authority knows.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn secure(cert: String, key: String, authority: String) -> Self {
        Self::with(Some([cert, key, authority]))
    }

    fn with(tls: Option<[String; 3]>) -> Self {
        for _ in 0..3 {
            let (folder, tls) = (tempfile::tempdir().unwrap(), tls.clone());
            let ports = [free().port(), free().port()];
            let mut rabbit = Self { child: None, address: free(), ports, folder, tls };
            // Somebody else may have taken a port before RabbitMQ did.
            if rabbit.try_revive() {
                return rabbit;
            }
        }
        panic!("rabbitmq-server does not start");
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `amqp://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://{}", self.address)
    }

    /// Waits until a durable queue would be there after [`Self::kill`]: RabbitMQ says that it is there before that is written.
    pub fn wait_until_kept(&self, queue: &str) {
        // A name among the terms of its log: a tag, its length, its bytes.
        let length = u32::try_from(queue.len()).unwrap().to_be_bytes();
        let term = [b"m", length.as_slice(), queue.as_bytes()].concat();
        let node = self.folder.path().join("mnesia").join(self.node());
        // What stands in the log undecided is undone at the next start; in the table is what was decided.
        let log = [term.as_slice(), b"committed"];
        let files = [
            ("LATEST.LOG", &log[..]),
            ("rabbit_durable_queue.DCL", &log[..1]),
            ("rabbit_durable_queue.DCD", &log[..1]),
        ];
        until("the queue is written", || {
            files
                .iter()
                .any(|(file, terms)| in_turn(&fs::read(node.join(file)).unwrap_or_default(), terms))
                .then_some(())
        });
    }

    fn node(&self) -> String {
        format!("test-{}@localhost", self.address.port())
    }

    /// Ends it at once; what is in durable queues stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The shell, the machine below it and its helpers.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            // The port mapper is a process of its own, which ends once it has seen that the node is gone.
            let mapper = self.ports[1].to_string();
            until("the port mapper ends", || {
                let said = Command::new("epmd").args(["-port", &mapper, "-kill"]).output().ok()?;
                let said = [said.stdout, said.stderr].concat();
                (!String::from_utf8_lossy(&said).contains("living nodes")).then_some(())
            });
        }
    }

    /// Starts it again at the same address.
    ///
    /// # Panics
    /// It does not start.
    pub fn revive(&mut self) {
        assert!(self.try_revive(), "rabbitmq-server does not start again");
    }

    fn try_revive(&mut self) -> bool {
        let (folder, [distribution, mapper]) = (self.folder.path().to_owned(), self.ports);
        let listeners = match &self.tls {
            None => format!("listeners.tcp.1 = {}\n", self.address),
            Some(texts) => {
                let files = [("certfile", "cert.pem"), ("keyfile", "key.pem"), ("cacertfile", "ca.pem")];
                let options = files.iter().zip(texts).map(|((option, name), text)| {
                    fs::write(folder.join(name), text).unwrap();
                    format!("ssl_options.{option} = {}\n", folder.join(name).display())
                });
                let options: String = options.collect();
                let verify = "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n";
                format!("listeners.tcp = none\nlisteners.ssl.1 = {}\n{options}{verify}", self.address)
            }
        };
        let config = format!("{listeners}log.console = false\nlog.file.level = warning\n");
        fs::write(folder.join("rabbitmq.conf"), config).unwrap();
        // Of the one before.
        let _ = fs::remove_file(folder.join("pid"));
        let at = |name: &str| folder.join(name);
        let variables = [
            ("HOME", folder.clone()),
            ("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf")),
            ("RABBITMQ_CONF_ENV_FILE", at("no-env")),
            ("RABBITMQ_MNESIA_BASE", at("mnesia")),
            ("RABBITMQ_LOG_BASE", at("log")),
            ("RABBITMQ_PID_FILE", at("pid")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins")),
        ];
        let mut child = Command::new(PROGRAM)
            .envs(variables)
            .env("RABBITMQ_NODENAME", self.node())
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("ERL_EPMD_PORT", mapper.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none +sbwtdcpu none +sbwtdio none")
            .current_dir(&folder)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rabbitmq-server can be started: `scripts/setup-tests` installs it");
        let end = Instant::now() + PATIENCE;
        let mut answers = false;
        while !answers && child.try_wait().unwrap().is_none() && Instant::now() < end {
            answers = started(&folder) && TcpStream::connect(self.address).is_ok();
            std::thread::sleep(Duration::from_millis(50));
        }
        self.child = Some(child);
        if !answers {
            self.kill();
        }
        answers
    }
}

/// Whether these stand in what is written, one behind the other.
fn in_turn(written: &[u8], terms: &[&[u8]]) -> bool {
    let behind = terms.iter().try_fold(written, |rest, term| {
        let at = rest.windows(term.len()).position(|window| window == *term)?;
        rest.get(at + term.len()..)
    });
    behind.is_some()
}

/// Whether it has said which process it is.
fn started(folder: &Path) -> bool {
    folder.join("pid").exists()
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A client of it, blocking.
pub struct RabbitClient {
    runtime: tokio::runtime::Runtime,
    channel: lapin::Channel,
    _connection: Connection,
}

impl Rabbit {
    /// A connection to it.
    #[must_use]
    pub fn client(&self) -> RabbitClient {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (connection, channel) = runtime.block_on(async {
            let connection = Connection::connect(&self.url(), ConnectionProperties::default()).await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            (connection, channel)
        });
        RabbitClient { runtime, channel, _connection: connection }
    }
}

impl RabbitClient {
    /// A durable queue, and how many messages are in it.
    pub fn queue(&self, name: &str) -> u32 {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(name.into(), options, FieldTable::default());
        self.runtime.block_on(declared).unwrap().message_count()
    }

    /// A topic exchange, with a queue bound by a key.
    pub fn bind(&self, exchange: &str, queue: &str, key: &str) {
        let declare = self.channel.exchange_declare(
            exchange.into(),
            ExchangeKind::Topic,
            ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() },
            FieldTable::default(),
        );
        self.runtime.block_on(declare).unwrap();
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        let bound = self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments);
        self.runtime.block_on(bound).unwrap();
    }

    /// Puts a message into a queue; it is there when this returns.
    pub fn publish(&self, queue: &str, payload: &str) {
        self.runtime.block_on(async {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            let sent = self.channel.basic_publish("".into(), queue.into(), options, payload.as_bytes(), properties);
            sent.await.unwrap().await.unwrap();
        });
    }

    /// Takes the next message out of a queue.
    #[must_use]
    pub fn take(&self, queue: &str) -> Option<(BasicProperties, String)> {
        let taken = self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true });
        let message = self.runtime.block_on(taken).unwrap()?;
        Some((message.properties.clone(), String::from_utf8_lossy(&message.data).into_owned()))
    }

    /// Answers what comes into a queue for as long as this client is there; none leaves it unanswered.
    pub fn serve(&self, queue: &str, answer: impl Fn(&BasicProperties, &str) -> Option<String> + Send + 'static) {
        self.queue(queue);
        let (channel, queue) = (self.channel.clone(), queue.to_owned());
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consuming = self.channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default());
        let mut consumer = self.runtime.block_on(consuming).unwrap();
        self.runtime.spawn(async move {
            while let Some(Ok(delivery)) = consumer.next().await {
                let asked = &delivery.properties;
                let Some(reply) = answer(asked, &String::from_utf8_lossy(&delivery.data)) else { continue };
                let (Some(to), Some(number)) = (asked.reply_to(), asked.correlation_id()) else { continue };
                let properties = BasicProperties::default().with_correlation_id(number.clone());
                let options = BasicPublishOptions::default();
                let _ = channel.basic_publish("".into(), to.clone(), options, reply.as_bytes(), properties).await;
            }
        });
    }
}
