//! The log of the process, on standard error, written by a thread of its own.

use clap::ValueEnum;
use gateway_core::instruments::Counter;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that wait to be written; what comes beyond is lost, and counted.
const WAITING: usize = 16_384;

/// How often losses are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object for each line.
    Json,
}

/// The log. What is still waiting is written when this is dropped.
pub(crate) struct Log {
    lost: ErrorCounter,
    _writer: Arc<WorkerGuard>,
}

impl Log {
    /// Starts it. `filter` is as in `info` or `warn,gateway_proxy=debug`.
    pub(crate) fn start(filter: &str, format: LogFormat) -> anyhow::Result<Self> {
        let filter = EnvFilter::try_new(filter)?;
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).thread_name("log");
        let (writer, guard) = builder.finish(std::io::stderr());
        let lost = writer.error_counter();
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
        let started = match format {
            LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
            LogFormat::Json => builder.json().try_init(),
        };
        started.map_err(|error| anyhow::anyhow!("the log cannot be started: {error}"))?;
        Ok(Self { lost, _writer: Arc::new(guard) })
    }

    /// Counts what is lost among the others.
    pub(crate) fn count(&self, counter: Counter) {
        let lost = self.lost.clone();
        tokio::spawn(async move {
            loop {
                let seen = lost.dropped_lines() as u64;
                counter.add(seen.saturating_sub(counter.value()));
                tokio::time::sleep(LOOK).await;
            }
        });
    }
}
