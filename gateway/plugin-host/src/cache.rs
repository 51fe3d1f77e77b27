//! Compiled code on disk, so that a start does not compile what has not changed.
//!
//! Compiled code is trusted like this program: it is only read from a directory that nobody else can write, from files
//! of ours, and only when it is what was written (HARDENING.md W10). Whatever is wrong with a file, it is compiled anew.

use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A directory of compiled components.
pub(crate) struct Cache {
    directory: PathBuf,
    /// What else the compiled code depends on: the engine's settings and version, the processor's features.
    environment: [u8; 32],
    written: AtomicU64,
}

impl Cache {
    /// Opens or makes the directory. Fails when somebody else could write there.
    pub(crate) fn open(directory: &Path, engine: &Engine) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let metadata = fs::symlink_metadata(directory)?;
        if !metadata.is_dir() || !is_ours_alone(&metadata, 0o077) {
            let reason = "it must be a directory of this user with mode 0700: compiled code in it is executed";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        let mut environment = Environment(Sha256::new());
        env!("CARGO_PKG_VERSION").hash(&mut environment);
        engine.precompile_compatibility_hash().hash(&mut environment);
        Ok(Self {
            directory: directory.to_owned(),
            environment: environment.0.finalize().into(),
            written: AtomicU64::new(0),
        })
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The compiled form of this source, where a sound one is there.
    pub(crate) fn read(&self, engine: &Engine, source: &[u8]) -> Option<Component> {
        let path = self.path(source);
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || !is_ours_alone(&metadata, 0o022) {
            return None;
        }
        let expected = fs::read_to_string(path.with_extension("sha256")).ok()?;
        if hash(&fs::read(&path).ok()?) != expected {
            return None;
        }
        #[expect(
            unsafe_code,
            reason = "the file is ours, in a directory that only we can write, and has the hash that we wrote beside it"
        )]
        // SAFETY: see the reason; wasmtime checks the version and the settings itself.
        unsafe { Component::deserialize_file(engine, &path) }.ok()
    }

    /// Keeps a compiled component for the next time.
    pub(crate) fn write(&self, source: &[u8], component: &Component) -> io::Result<()> {
        let compiled = component.serialize().map_err(io::Error::other)?;
        let path = self.path(source);
        self.replace(&path, &compiled)?;
        self.replace(&path.with_extension("sha256"), hash(&compiled).as_bytes())
    }

    fn path(&self, source: &[u8]) -> PathBuf {
        let mut key = Sha256::new();
        key.update(self.environment);
        key.update(source);
        self.directory.join(hexadecimal(&key.finalize())).with_extension("cwasm")
    }

    /// All of it or nothing: another process may read at the same time.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| file.write_all(content))
            .and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether it belongs to this user and none of `others`' permissions are set.
fn is_ours_alone(metadata: &Metadata, others: u32) -> bool {
    metadata.uid() == geteuid().as_raw() && metadata.mode() & others == 0
}

/// Hashes what implements [`Hash`] by SHA-256.
struct Environment(Sha256);

impl Hasher for Environment {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
