//! A guest's standard output and error: lines in its log, at the log's rate.

use crate::capabilities::log::{self, Level};
use crate::kept::Kept;
use crate::plugin::PluginSettings;
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// One of the two, of one store.
#[derive(Clone)]
pub(crate) struct Output(Arc<Inner>);

struct Inner {
    settings: Arc<PluginSettings>,
    kept: Arc<Kept>,
    level: Level,
    /// What was written since the last line break, at most a log entry.
    line: Mutex<Vec<u8>>,
}

impl Output {
    pub(crate) fn new(settings: Arc<PluginSettings>, kept: Arc<Kept>, level: Level) -> Self {
        Self(Arc::new(Inner { settings, kept, level, line: Mutex::default() }))
    }
}

impl Inner {
    fn write(&self, bytes: &[u8]) {
        let mut line = self.line.lock();
        for byte in bytes {
            if *byte == b'\n' {
                self.tell(&mut line);
            } else if line.len() <= log::SIZE {
                line.push(*byte);
            }
        }
    }

    fn tell(&self, line: &mut Vec<u8>) {
        if !line.is_empty() {
            // Which of several requests it is about, a stream does not say.
            log::write(&self.kept, &self.settings.name, "", self.level, &String::from_utf8_lossy(line));
            line.clear();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut line = std::mem::take(self.line.get_mut());
        self.tell(&mut line);
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
