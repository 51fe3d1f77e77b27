//! The clock of the wall as one process sees it: libfaketime stands between it and the system, and asks a file. The steady clock goes on.

use gateway_tests::gateway::Setup;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

pub(super) struct Clock {
    file: PathBuf,
}

impl Clock {
    /// After so long a change was seen.
    pub(super) const NOTICED: Duration = Duration::from_millis(1_100);

    /// One that is right, and a gateway that goes by it.
    pub(super) fn give(setup: Setup, file: PathBuf) -> (Self, Setup) {
        let clock = Self { file };
        clock.set("+0");
        let setup = setup
            .variable("LD_PRELOAD", &library().display().to_string())
            .variable("FAKETIME_TIMESTAMP_FILE", &clock.file.display().to_string())
            .variable("FAKETIME_CACHE_DURATION", "1")
            .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        (clock, setup)
    }

    /// So many seconds off: `+3600`.
    pub(super) fn set(&self, offset: &str) {
        let next = self.file.with_extension("next");
        fs::write(&next, offset).unwrap();
        fs::rename(next, &self.file).unwrap();
    }
}

/// Where Debian has it: a folder for each kind of processor.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten();
    let found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("libfaketime, which `make test` installs")
}
