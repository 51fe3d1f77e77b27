//! Endpoints in a file that something else writes.
//!
//! It is looked at four times a second, links followed, and read when it is another one: written in place, renamed over, or
//! reached by another link. A list that was written in part has no end and is no list, so nothing of it is taken.

use super::{Discovery, Found};
use gateway_core::{Error, Kind};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(250);
/// A file of more bytes is no list of endpoints.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Inode, size and times: what can be told without reading.
type Signature = (u64, u64, i64, i64, i64, i64);

pub(super) struct File {
    path: PathBuf,
    /// None: it was never looked at; none inside: there was no file.
    seen: Option<Option<Signature>>,
}

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None }
    }

    async fn read(&self) -> Result<Vec<Found>, Error> {
        let problem = |what: &str| Error::new(Kind::DestinationUnavailable, format!("{}: {what}", self.path.display()));
        let unreadable = |cause: std::io::Error| problem("cannot be read").because(cause);
        let size = tokio::fs::metadata(&self.path).await.map_err(unreadable)?.len();
        if size > LARGEST {
            return Err(problem("is too large"));
        }
        let text = tokio::fs::read_to_string(&self.path).await.map_err(unreadable)?;
        match gateway_config::parse_endpoints(&self.path, &text) {
            Ok(endpoints) => Ok(endpoints.iter().map(Found::written).collect()),
            Err(problems) => Err(problem(&problems)),
        }
    }
}

impl Discovery for File {
    /// It is read again only when it has changed.
    const RETRY: Duration = Duration::ZERO;

    async fn next(&mut self) -> Result<Vec<Found>, Error> {
        loop {
            let signature = tokio::fs::metadata(&self.path).await.ok().as_ref().map(signature);
            if self.seen != Some(signature) {
                // Before it is read: what is written meanwhile is found by the next look.
                self.seen = Some(signature);
                return self.read().await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn signature(data: &Metadata) -> Signature {
    (data.ino(), data.len(), data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec())
}
