//! From many threads that make lines to one that writes them.
//!
//! A thread that serves puts its lines on a sheet of its own, and nobody waits for it: the one that writes takes all sheets at once, a moment
//! after the first line. Lines of two threads may so stand in another order than they ended in, by no more than that moment.

use super::Settings;
use super::file::appender;
use super::line::Lines;
use gateway_config::LogTarget;
use gateway_core::clock::now;
use gateway_core::instruments::{Counter, Instruments};
use gateway_core::observe::Record;
use gateway_core::repeats::Repeats;
use parking_lot::Mutex;
use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, Thread};
use std::time::Duration;
use thread_local::ThreadLocal;

/// Bytes of one thread that wait; a line that finds as many is lost.
const WAITING: usize = 4 << 20;

/// Bytes that a sheet keeps room for once it was written.
const KEPT: usize = 256 << 10;

/// How long lines are gathered, so that the thread is not woken for each.
const PAUSE: Duration = Duration::from_millis(20);

/// How long the last lines have when the process ends.
const LAST: Duration = Duration::from_secs(2);

/// Takes entries from threads that serve.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// Who writes; started with the first entry, and none where the system has no thread for it.
    thread: OnceLock<Option<Thread>>,
}

struct Shared {
    sheets: ThreadLocal<Mutex<Sheets>>,
    /// Whether the thread that writes will look at all sheets once more. Looked at under the lock of a sheet: whoever finds it `true` there
    /// comes before that look.
    awake: AtomicBool,
    /// Told when everything that was there before is written.
    flush: Mutex<Option<mpsc::SyncSender<()>>>,
    lost: Counter,
    failed: Counter,
}

/// What one thread has to be written.
#[derive(Default)]
struct Sheets {
    /// Those of settings before.
    old: Vec<Sheet>,
    /// The one that lines are put on.
    last: Option<Sheet>,
    /// Bytes on all of them.
    waiting: usize,
    /// An empty one, for its memory.
    spare: Lines,
}

/// Lines that go to one place.
struct Sheet {
    settings: Arc<Settings>,
    lines: Lines,
    count: usize,
}

impl Writer {
    /// Its thread starts with the first entry.
    pub(crate) fn new(instruments: &Instruments) -> Self {
        let shared = Shared {
            sheets: ThreadLocal::new(),
            awake: AtomicBool::new(false),
            flush: Mutex::default(),
            lost: instruments.counter("telemetry.entries-lost"),
            failed: instruments.counter("telemetry.entries-failed"),
        };
        Self { shared: Arc::new(shared), thread: OnceLock::new() }
    }

    /// Takes an entry, or loses it.
    pub(crate) fn put(&self, settings: &Arc<Settings>, record: &Record) {
        let shared = &*self.shared;
        let mut sheets = shared.sheets.get_or_default().lock();
        if !sheets.put(settings, record) {
            shared.lost.increment();
        }
        let is_first = !shared.awake.load(Ordering::Relaxed) && !shared.awake.swap(true, Ordering::Relaxed);
        drop(sheets);
        if is_first {
            self.wake();
        }
    }

    fn wake(&self) {
        let start = || {
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
                Scribe { shared: &shared, open: None, failures: Repeats::default() }.run();
            });
            started.inspect_err(|error| tracing::error!(%error, "there is no thread to write the access log")).ok()
        };
        if let Some(thread) = self.thread.get_or_init(|| start().map(|handle| handle.thread().clone())) {
            thread.unpark();
        }
    }

    /// Waits a moment until everything is written.
    pub(crate) fn finish(&self) {
        if self.thread.get().is_some_and(Option::is_some) {
            let (done, wait) = mpsc::sync_channel(1);
            *self.shared.flush.lock() = Some(done);
            self.shared.awake.swap(true, Ordering::AcqRel);
            self.wake();
            let _ = wait.recv_timeout(LAST);
        }
    }
}

impl Sheets {
    /// Puts a line behind the others of its settings; `false` where too many wait.
    fn put(&mut self, settings: &Arc<Settings>, record: &Record) -> bool {
        if self.last.as_ref().is_some_and(|last| !Arc::ptr_eq(&last.settings, settings)) {
            self.old.extend(self.last.take());
        }
        if self.waiting >= WAITING {
            return false;
        }
        let spare = &mut self.spare;
        let sheet = self.last.get_or_insert_with(|| Sheet {
            settings: Arc::clone(settings),
            lines: mem::take(spare),
            count: 0,
        });
        let before = sheet.lines.bytes.len();
        sheet.lines.put(record, settings);
        sheet.count += 1;
        self.waiting += sheet.lines.bytes.len() - before;
        true
    }

    fn take(&mut self) -> Vec<Sheet> {
        self.waiting = 0;
        let mut sheets = mem::take(&mut self.old);
        sheets.extend(self.last.take());
        sheets
    }

    /// Memory of a sheet that was written.
    fn give_back(&mut self, mut lines: Lines) {
        lines.bytes.clear();
        if lines.bytes.capacity() <= KEPT && self.spare.bytes.capacity() == 0 {
            self.spare = lines;
        }
    }
}

/// The thread that writes.
struct Scribe<'a> {
    shared: &'a Shared,
    open: Option<(LogTarget, Box<dyn Write>)>,
    failures: Repeats,
}

impl Scribe<'_> {
    fn run(mut self) {
        loop {
            while !self.shared.awake.load(Ordering::Relaxed) {
                thread::park();
            }
            thread::sleep(PAUSE);
            self.shared.awake.swap(false, Ordering::AcqRel);
            let flush = self.shared.flush.lock().take();
            for sheets in &self.shared.sheets {
                self.write_all(sheets);
            }
            if let Some(done) = flush {
                let _ = done.send(());
            }
        }
    }

    /// Writes what one thread has, which goes on meanwhile.
    fn write_all(&mut self, sheets: &Mutex<Sheets>) {
        let taken = sheets.lock().take();
        for sheet in taken {
            self.write(&sheet);
            sheets.lock().give_back(sheet.lines);
        }
    }

    /// Writes lines to where they belong. What cannot be written is lost: a full disk stops nobody.
    fn write(&mut self, Sheet { settings, lines, count }: &Sheet) {
        let opened = self.open(&settings.log.target);
        let written = opened.and_then(|writer| writer.write_all(&lines.bytes).and_then(|()| writer.flush()));
        if let Err(error) = written {
            self.open = None;
            self.shared.lost.add(*count as u64);
            self.shared.failed.increment();
            if let Some(times) = self.failures.note(now()) {
                tracing::error!(%error, times, lost = *count, "the access log cannot be written");
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_config::{AccessLog, LogField, LogFormat, Rotation};
    use gateway_core::plugin::Summary;
    use http::{HeaderValue, Method};
    use std::fs;
    use std::path::Path;
    use std::time::SystemTime;

    fn record(path: String) -> Record {
        Record {
            at: SystemTime::UNIX_EPOCH,
            request: HeaderValue::from_static("r"),
            trace: None,
            listener: "public".into(),
            client: [127, 0, 0, 1].into(),
            consumer: None,
            method: Method::GET,
            scheme: "http",
            authority: "a".into(),
            path,
            query: None,
            protocol: "1.1",
            route: "r".into(),
            upstream: None,
            summary: Summary::default(),
            fields: Vec::new(),
        }
    }

    fn settings(path: &Path) -> Arc<Settings> {
        let target = LogTarget::File { path: path.to_owned(), rotation: Rotation::Never, keep: 1 };
        let fields = vec![LogField::Path];
        Settings::new(&AccessLog { target, format: LogFormat::Text, fields, sample: 1_000_000, redact: Vec::new() })
    }

    #[test]
    fn every_line_of_every_thread_is_written_once_and_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let instruments = Instruments::default();
        let writer = Writer::new(&instruments);
        let settings = [settings(&folder.path().join("one")), settings(&folder.path().join("two"))];
        thread::scope(|scope| {
            for thread in 0..4 {
                let (writer, settings) = (&writer, &settings);
                scope.spawn(move || {
                    for number in 0..5_000 {
                        let settings = &settings[usize::from(number >= 2_500)];
                        writer.put(settings, &record(format!("/{thread}/{number:04}")));
                        if number % 500 == 0 {
                            // Longer than lines are gathered: the next one has to wake the thread.
                            thread::sleep(PAUSE * 2);
                        }
                    }
                });
            }
        });
        writer.finish();
        assert_eq!(instruments.counter("telemetry.entries-lost").value(), 0);
        let texts = ["one", "two"].map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
        let lines: Vec<_> = texts.iter().flat_map(|text| text.lines()).collect();
        assert_eq!(lines.len(), 20_000);
        for thread in 0..4 {
            let prefix = format!("path=/{thread}/");
            let of_thread: Vec<_> = lines.iter().filter(|line| line.starts_with(&prefix)).collect();
            assert!(of_thread.len() == 5_000 && of_thread.is_sorted());
        }
    }

    #[test]
    fn what_finds_too_much_waiting_is_lost_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder.path().join("log"));
        let mut sheets = Sheets::default();
        let long = record("a".repeat(WAITING / 4));
        let taken = (0..6).filter(|_| sheets.put(&settings, &long)).count();
        assert_eq!(taken, 4);
        assert!(!sheets.put(&Settings::new(&settings.log), &long), "other settings have no room of their own");
        assert_eq!(sheets.take().len(), 1);
        assert!(sheets.put(&settings, &long));
    }
}
