//! The log of the process. A thread of its own writes it; where to and how may change while it is written.

use super::otlp::{Exporter, Line};
use arc_swap::{ArcSwap, ArcSwapOption};
use clap::ValueEnum;
use gateway_config::{LogFormat as Written, LogTarget, ProcessLog};
use gateway_core::clock::wall;
use gateway_core::instruments::Counter;
use parking_lot::Mutex;
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// Lines that wait to be written; what comes beyond is lost, and counted.
const WAITING: usize = 16_384;

/// How often losses are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// What the exporter says of its own failures is not sent by it.
const UNSENT: &str = "gateway::telemetry";

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object for each line.
    Json,
}

/// The log. What is still waiting is written when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Log(Arc<Shared>);

struct Shared {
    /// Where it goes and how it looks where the configuration says nothing.
    format: LogFormat,
    is_json: AtomicBool,
    /// Nobody looks at it on a terminal.
    is_plain: AtomicBool,
    writer: ArcSwap<NonBlocking>,
    /// Of the writers there were: each writes what it has when it is dropped.
    guard: Mutex<Option<WorkerGuard>>,
    lost: Mutex<Vec<ErrorCounter>>,
    exporter: ArcSwapOption<Exporter>,
    /// What the configuration says.
    written: Mutex<Option<ProcessLog>>,
    /// Which lines are written at all.
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Starts it. `filter` is as in `info` or `warn,gateway_proxy=debug`.
    pub(crate) fn start(filter: &str, format: LogFormat) -> anyhow::Result<Self> {
        let (level, filter) = reload::Layer::new(EnvFilter::try_new(filter)?);
        let (writer, guard) = non_blocking(io::stderr());
        let shared = Arc::new(Shared {
            format,
            is_json: AtomicBool::new(format == LogFormat::Json),
            is_plain: AtomicBool::new(!io::stderr().is_terminal()),
            lost: Mutex::new(vec![writer.error_counter()]),
            writer: ArcSwap::from_pointee(writer),
            guard: Mutex::new(Some(guard)),
            exporter: ArcSwapOption::empty(),
            written: Mutex::default(),
            filter,
        });
        let lines = tracing_subscriber::fmt::layer()
            .event_format(Form {
                shared: Arc::clone(&shared),
                text: Format::default(),
                plain: Format::default().with_ansi(false),
                json: Format::default().json(),
            })
            .with_writer(Switch(Arc::clone(&shared)))
            .with_ansi(io::stderr().is_terminal());
        let sent = Sent(Arc::clone(&shared));
        let started = tracing_subscriber::registry().with(level).with(lines).with(sent).try_init();
        started.map_err(|error| anyhow::anyhow!("the log cannot be started: {error}"))?;
        Ok(Self(shared))
    }

    /// What is logged, as in `info` or `warn,gateway_proxy=debug`.
    pub(crate) fn filter(&self) -> String {
        self.0.filter.with_current(ToString::to_string).unwrap_or_default()
    }

    /// Logs this from now on.
    ///
    /// # Errors
    /// It is no filter.
    pub(crate) fn set_filter(&self, filter: &str) -> anyhow::Result<()> {
        let filter = EnvFilter::builder().parse(filter)?;
        Ok(self.0.filter.reload(filter)?)
    }

    /// Counts what is lost among the others.
    pub(crate) fn count(&self, counter: Counter) {
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            while let Some(shared) = shared.upgrade() {
                let seen: usize = shared.lost.lock().iter().map(ErrorCounter::dropped_lines).sum();
                counter.add((seen as u64).saturating_sub(counter.value()));
                drop(shared);
                tokio::time::sleep(LOOK).await;
            }
        });
    }

    /// Goes on where and how the configuration says. What cannot be opened is told where it went before.
    pub(crate) fn take_up(&self, written: Option<&ProcessLog>, exporter: &Arc<Exporter>) {
        let Self(shared) = self;
        if *shared.written.lock() == written.cloned() {
            return;
        }
        let target = written.and_then(|log| log.target.as_ref());
        let is_sent = target == Some(&LogTarget::Otlp);
        let opened = match target {
            // What is sent is written as well: the collector may be away.
            None | Some(LogTarget::Otlp) => Ok(non_blocking(io::stderr())),
            Some(LogTarget::Stdout) => Ok(non_blocking(io::stdout())),
            Some(file @ LogTarget::File { .. }) => super::access::appender(file).map(non_blocking),
        };
        let (writer, guard) = match opened {
            Ok(opened) => opened,
            Err(error) => return tracing::error!(%error, "the log cannot go where the configuration says"),
        };
        let format = match written.and_then(|log| log.format) {
            Some(Written::Json) => LogFormat::Json,
            Some(Written::Text) => LogFormat::Text,
            None => shared.format,
        };
        shared.lost.lock().push(writer.error_counter());
        shared.is_json.store(format == LogFormat::Json, Ordering::Relaxed);
        let is_on_terminal = matches!(target, None | Some(LogTarget::Otlp)) && io::stderr().is_terminal();
        shared.is_plain.store(!is_on_terminal, Ordering::Relaxed);
        shared.writer.store(Arc::new(writer));
        shared.exporter.store(is_sent.then(|| Arc::clone(exporter)));
        *shared.written.lock() = written.cloned();
        let before = shared.guard.lock().replace(guard);
        // It waits until its thread has written everything.
        std::thread::spawn(move || drop(before));
    }
}

fn non_blocking(writer: impl io::Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).thread_name("log").finish(writer)
}

/// Writes to where lines go at present.
struct Switch(Arc<Shared>);

impl<'a> MakeWriter<'a> for Switch {
    type Writer = NonBlocking;

    fn make_writer(&'a self) -> NonBlocking {
        NonBlocking::clone(&self.0.writer.load())
    }
}

/// Both forms.
struct Form {
    shared: Arc<Shared>,
    text: Format<Full>,
    plain: Format<Full>,
    json: Format<Json>,
}

impl<S, N> FormatEvent<S, N> for Form
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Shared { is_json, is_plain, .. } = &*self.shared;
        match (is_json.load(Ordering::Relaxed), is_plain.load(Ordering::Relaxed)) {
            (true, _) => self.json.format_event(context, writer, event),
            (false, true) => self.plain.format_event(context, writer, event),
            (false, false) => self.text.format_event(context, writer, event),
        }
    }
}

/// Sends lines to the collector, where that is wanted.
struct Sent(Arc<Shared>);

impl<S: Subscriber> Layer<S> for Sent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let exporter = self.0.exporter.load();
        let Some(exporter) = exporter.as_ref() else { return };
        let metadata = event.metadata();
        if metadata.target().starts_with(UNSENT) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { message, others } = fields;
        exporter.offer_line(Line {
            at: wall(),
            level: *metadata.level(),
            target: metadata.target(),
            message,
            fields: others,
        });
    }
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => self.others.push((name, value.to_owned())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.others.push((name, format!("{value:?}"))),
        }
    }
}
