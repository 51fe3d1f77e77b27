//! What loading needs from the machine, behind a trait so that tests need neither files, environment variables nor the time.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files, environment variables, the time.
pub trait Environment {
    /// The value of an environment variable, if it is set and valid UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// When the file is missing or cannot be read.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;

    /// The names in a folder, in any order.
    ///
    /// # Errors
    ///
    /// When it is no folder, is missing or cannot be read.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// The same path from the root of the file system, without looking at the file system.
    fn absolute(&self, path: &Path) -> PathBuf;

    /// The time of day, by which certificates expire.
    fn now(&self) -> SystemTime;
}

/// The process's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(file)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
    }

    #[expect(clippy::disallowed_methods, reason = "this crate knows no other clock")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
