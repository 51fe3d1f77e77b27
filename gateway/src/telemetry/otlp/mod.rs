//! Traces and entries to a collector, by OTLP.
//!
//! The collector is an upstream like others: what leaves goes through the same pools, time-outs and TLS as requests, from the main
//! runtime, never from a thread that serves. One message carries what came in a second. A collector that is away costs what the queue
//! holds, and no request anything.

mod messages;
mod transport;

use super::access::Settings;
use super::queue::Queue;
use crate::assemble::Assembly;
use gateway_config::Otlp;
use gateway_core::dispatch::BoxFuture;
use gateway_core::instruments::{Counter, Instruments};
use gateway_core::observe::Record;
use gateway_core::trace::{Finished, Sink};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use transport::{Refusal, send};

/// Traces, entries and lines that wait, each; what comes beyond is lost.
const WAITING: usize = 8_192;

/// Spans of all traces that wait: a request may have many.
const SPANS: usize = 65_536;

/// Those that leave in one message: collectors take 4 MiB where nobody has told them otherwise.
const MOST: usize = 128;

/// How long they are gathered.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a message is tried, and how long is waited before the second time; before each further one twice as long.
const TRIES: u32 = 4;
const BACK_OFF: Duration = Duration::from_millis(500);

/// How long the last message has when the process ends.
const LAST: Duration = Duration::from_secs(3);

/// An entry of the access log, with what it shall have.
type Entry = (Arc<Settings>, Box<Record>);

/// A line of the log.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) at: SystemTime,
    pub(crate) level: tracing::Level,
    /// Which part of the program says it.
    pub(crate) target: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// Takes what is for the collector.
pub(crate) struct Exporter {
    traces: Queue<Waiting>,
    /// Spans that wait.
    spans: Arc<AtomicUsize>,
    entries: Queue<Entry>,
    lines: Queue<Line>,
    counters: Counters,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

struct Counters {
    sent: Counter,
    failed: Counter,
}

impl Exporter {
    /// Nothing is sent before [`Self::start`].
    pub(crate) fn new(instruments: &Instruments) -> Self {
        Self {
            traces: Queue::new(WAITING, "traces", instruments),
            spans: Arc::default(),
            entries: Queue::new(WAITING, "collected-entries", instruments),
            lines: Queue::new(WAITING, "collected-lines", instruments),
            counters: Counters {
                sent: instruments.counter("telemetry.exports-sent"),
                failed: instruments.counter("telemetry.exports-failed"),
            },
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
        }
    }

    /// Takes an entry, or loses it.
    pub(crate) fn offer_entry(&self, settings: Arc<Settings>, record: Box<Record>) {
        self.entries.offer((settings, record));
    }

    /// Takes a line of the log, or loses it.
    pub(crate) fn offer_line(&self, line: Line) {
        self.lines.offer(line);
    }

    /// Sends to the collector of whichever generation serves.
    pub(super) fn start(self: &Arc<Self>, current: Arc<Mutex<Arc<Assembly>>>) {
        let spawn = |task: BoxFuture<'static, ()>| self.tasks.lock().push(tokio::spawn(task));
        if let Some(receiver) = self.traces.receiver() {
            let (exporter, current) = (Arc::clone(self), Arc::clone(&current));
            spawn(Box::pin(async move {
                run(receiver, &exporter, &exporter.traces, &current, transport::TRACES, messages::traces).await;
            }));
        }
        if let Some(receiver) = self.entries.receiver() {
            let (exporter, current) = (Arc::clone(self), Arc::clone(&current));
            spawn(Box::pin(async move {
                run(receiver, &exporter, &exporter.entries, &current, transport::LOGS, messages::entries).await;
            }));
        }
        if let Some(receiver) = self.lines.receiver() {
            let exporter = Arc::clone(self);
            spawn(Box::pin(async move {
                run(receiver, &exporter, &exporter.lines, &current, transport::LOGS, messages::lines).await;
            }));
        }
    }

    /// Sends what is there, and is done within a moment.
    pub(super) async fn finish(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let all = async {
            for task in tasks {
                let _ = task.await;
            }
        };
        let _ = tokio::time::timeout(LAST, all).await;
    }
}

impl Sink for Exporter {
    fn take(&self, finished: Finished) {
        let waiting = Waiting { all: Arc::clone(&self.spans), finished: Box::new(finished) };
        let count = waiting.finished.spans.len();
        match self.spans.fetch_add(count, Ordering::Relaxed) + count <= SPANS {
            true => self.traces.offer(waiting),
            false => self.traces.lose(1),
        }
    }
}

/// A trace that waits, its spans counted among all of them until it is dropped.
struct Waiting {
    all: Arc<AtomicUsize>,
    finished: Box<Finished>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.fetch_sub(self.finished.spans.len(), Ordering::Relaxed);
    }
}

/// Sends one kind of thing, many in a message, until there will be no more.
async fn run<T>(
    mut receiver: Receiver<T>,
    exporter: &Exporter,
    queue: &Queue<T>,
    current: &Mutex<Arc<Assembly>>,
    signal: transport::Signal,
    message: fn(&str, &[T]) -> Vec<u8>,
) {
    let (mut stop, counters) = (exporter.stop.subscribe(), &exporter.counters);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            count = receiver.recv_many(&mut batch, MOST) => if count == 0 { return },
            // Only ever an error with the exporter gone.
            _ = stop.wait_for(|stopped| *stopped) => {}
        }
        if batch.len() < MOST && !*stop.borrow() {
            let _ = tokio::time::timeout(PAUSE, stop.wait_for(|stopped| *stopped)).await;
        }
        while batch.len() < MOST
            && let Ok(more) = receiver.try_recv()
        {
            batch.push(more);
        }
        if batch.is_empty() {
            return;
        }
        if !deliver(current, signal, &batch, message, &stop).await {
            queue.lose(batch.len());
            counters.failed.increment();
        } else {
            counters.sent.increment();
        }
        batch.clear();
    }
}

/// Whether a message got through, after a few tries where the collector is only away.
async fn deliver<T>(
    current: &Mutex<Arc<Assembly>>,
    signal: transport::Signal,
    batch: &[T],
    message: fn(&str, &[T]) -> Vec<u8>,
    stop: &watch::Receiver<bool>,
) -> bool {
    let mut pause = BACK_OFF;
    for number in 1..=TRIES {
        // The collector may be another one by now.
        let assembly = Arc::clone(&current.lock());
        let telemetry = &assembly.config.telemetry;
        let Some(otlp @ Otlp { .. }) = &telemetry.otlp else { return false };
        match send(&assembly.snapshot, otlp, signal, message(&telemetry.service, batch)).await {
            Ok(()) => return true,
            Err(refusal) => {
                let (Refusal::Away(detail) | Refusal::Final(detail)) = &refusal;
                let may_repeat = matches!(refusal, Refusal::Away(_)) && number < TRIES && !*stop.borrow();
                tracing::warn!(upstream = %otlp.upstream, signal = signal.name, may_repeat, "the collector took nothing: {detail}");
                if !may_repeat {
                    return false;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::clock::{now, wall};
    use gateway_core::trace::{Carried, Side, Trace};

    #[test]
    fn traces_with_many_spans_fill_no_memory() {
        let instruments = Instruments::default();
        let exporter = Arc::new(Exporter::new(&instruments));
        let request = || {
            let sink = (Arc::clone(&exporter) as Arc<dyn Sink>, now(), wall());
            let trace = Trace::begin(None, 1, Carried::default(), Some(sink));
            (0..500).for_each(|_| trace.record(trace.start(now()).unwrap().end("one", Side::Internal, now())));
        };
        (0..200).for_each(|_| request());
        let lost = instruments.counter("telemetry.traces-lost").value();
        assert_eq!(lost, 200 - (SPANS / 500) as u64);
        let mut receiver = exporter.traces.receiver().unwrap();
        while let Ok(waiting) = receiver.try_recv() {
            drop(waiting);
        }
        assert_eq!(exporter.spans.load(Ordering::Relaxed), 0);
        request();
        assert_eq!(instruments.counter("telemetry.traces-lost").value(), lost, "there is room again");
    }
}
