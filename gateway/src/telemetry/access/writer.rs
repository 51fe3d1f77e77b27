//! The thread that writes entries.

use super::Settings;
use super::line::Lines;
use crate::telemetry::queue::Queue;
use gateway_config::{LogTarget, Rotation};
use gateway_core::clock::now;
use gateway_core::instruments::{Counter, Instruments};
use gateway_core::observe::Record;
use gateway_core::repeats::Repeats;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc as blocking};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tracing_appender::rolling;

/// Entries that wait; what comes beyond is lost.
const WAITING: usize = 32_768;

/// Entries that are written at once.
const MOST: usize = 4_096;

/// How long entries are gathered, so that the thread is not woken for each.
const PAUSE: Duration = Duration::from_millis(20);

/// How long the last entries have when the process ends.
const LAST: Duration = Duration::from_secs(2);

/// Takes entries from threads that serve.
pub(crate) struct Writer {
    queue: Arc<Queue<Item>>,
    started: AtomicBool,
    failed: Counter,
}

enum Item {
    Entry(Arc<Settings>, Box<Record>),
    /// Tells when everything before it was written.
    Flush(blocking::SyncSender<()>),
}

impl Writer {
    /// Its thread starts with the first entry.
    pub(crate) fn new(instruments: &Instruments) -> Self {
        let queue = Arc::new(Queue::new(WAITING, "entries", instruments));
        Self { queue, started: AtomicBool::new(false), failed: instruments.counter("telemetry.entries-failed") }
    }

    /// Takes an entry, or loses it.
    pub(crate) fn offer(&self, settings: Arc<Settings>, record: Box<Record>) {
        if !self.started.load(Ordering::Relaxed) && !self.started.swap(true, Ordering::Relaxed) {
            self.start();
        }
        self.queue.offer(Item::Entry(settings, record));
    }

    fn start(&self) {
        let Some(receiver) = self.queue.receiver() else { return };
        let (queue, failed) = (Arc::clone(&self.queue), self.failed.clone());
        let started = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            Thread { queue, failed, open: None, failures: Repeats::default() }.run(receiver);
        });
        if let Err(error) = started {
            tracing::error!(%error, "there is no thread to write the access log");
        }
    }

    /// Waits a moment until everything is written.
    pub(crate) fn finish(&self) {
        if self.started.load(Ordering::Relaxed) {
            let (done, wait) = blocking::sync_channel(1);
            self.queue.offer(Item::Flush(done));
            let _ = wait.recv_timeout(LAST);
        }
    }
}

struct Thread {
    queue: Arc<Queue<Item>>,
    failed: Counter,
    open: Option<(LogTarget, Box<dyn Write>)>,
    failures: Repeats,
}

impl Thread {
    fn run(mut self, mut receiver: Receiver<Item>) {
        let mut lines = Lines::default();
        while let Some(first) = receiver.blocking_recv() {
            if !matches!(first, Item::Flush(_)) {
                thread::sleep(PAUSE);
            }
            let mut next = Some(first);
            let mut count = 0;
            let mut settings: Option<Arc<Settings>> = None;
            while let Some(item) = next {
                match item {
                    Item::Entry(of, record) => {
                        if settings.as_ref().is_some_and(|before| before.log.target != of.log.target) {
                            self.write(settings.as_deref(), &mut lines.bytes, &mut count);
                        }
                        lines.put(&record, &of);
                        count += 1;
                        settings = Some(of);
                        if count >= MOST {
                            self.write(settings.as_deref(), &mut lines.bytes, &mut count);
                        }
                    }
                    Item::Flush(done) => {
                        self.write(settings.as_deref(), &mut lines.bytes, &mut count);
                        let _ = done.send(());
                    }
                }
                next = receiver.try_recv().ok();
            }
            self.write(settings.as_deref(), &mut lines.bytes, &mut count);
        }
    }

    /// Writes lines to where they belong. What cannot be written is lost: a full disk stops nobody.
    fn write(&mut self, settings: Option<&Settings>, lines: &mut Vec<u8>, count: &mut usize) {
        let Some(settings) = settings.filter(|_| *count > 0) else { return };
        let target = &settings.log.target;
        let written = self.open(target).and_then(|writer| writer.write_all(lines).and_then(|()| writer.flush()));
        if let Err(error) = written {
            self.open = None;
            self.queue.lose(*count);
            self.failed.increment();
            if let Some(times) = self.failures.note(now()) {
                tracing::error!(%error, times, lost = *count, "the access log cannot be written");
            }
        }
        lines.clear();
        *count = 0;
    }

    fn open(&mut self, target: &LogTarget) -> io::Result<&mut Box<dyn Write>> {
        let open = match self.open.take() {
            Some((of, writer)) if of == *target => (of, writer),
            _ => (target.clone(), open(target)?),
        };
        Ok(&mut self.open.insert(open).1)
    }
}

fn open(target: &LogTarget) -> io::Result<Box<dyn Write>> {
    match target {
        LogTarget::File { .. } => Ok(Box::new(appender(target)?)),
        LogTarget::Stdout | LogTarget::Otlp => Ok(Box::new(io::stdout())),
    }
}

/// The end of a file that rotates.
///
/// # Errors
/// It cannot be opened, or the target is none.
pub(crate) fn appender(target: &LogTarget) -> io::Result<rolling::RollingFileAppender> {
    let LogTarget::File { path, rotation, keep } = target else { return Err(io::Error::other("this is no file")) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let rotation = match rotation {
        Rotation::Daily => rolling::Rotation::DAILY,
        Rotation::Hourly => rolling::Rotation::HOURLY,
        Rotation::Never => rolling::Rotation::NEVER,
    };
    let builder = rolling::Builder::new().rotation(rotation).filename_prefix(name).max_log_files(*keep);
    builder.build(folder).map_err(io::Error::other)
}
