//! The files that a generation was made of, and whether they have changed.

use super::step::Digest;
use crate::assemble::Failed;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Everything that is watched. A file that is missing belongs to it too: it may come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    /// Configuration, secrets, components.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Folders whose list of names matters: fragments, dropped plugins.
    pub(crate) folders: BTreeSet<PathBuf>,
}

/// What can be told without reading: inode, size and times of each file, following links.
pub(crate) type Signature = Vec<Option<(u64, u64, i64, i64, i64, i64)>>;

impl Inputs {
    /// These files and folders, from the root of the file system on: that is how the system names them in its events.
    pub(crate) fn new(files: impl IntoIterator<Item = PathBuf>, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Self { files: files.into_iter().map(absolute).collect(), folders: folders.into_iter().map(absolute).collect() }
    }

    /// Of both.
    pub(crate) fn union(mut self, other: Self) -> Self {
        self.files.extend(other.files);
        self.folders.extend(other.folders);
        self
    }

    /// A look that costs one `stat` for each file.
    pub(crate) fn signature(&self) -> Signature {
        let look = |path: &PathBuf| {
            let data = fs::metadata(path).ok()?;
            Some((data.ino(), data.len(), data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()))
        };
        self.files.iter().chain(&self.folders).map(look).collect()
    }

    /// The contents as one value.
    pub(crate) fn digest(&self, rolled_back: &BTreeSet<Failed>) -> Digest {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        for file in &self.files {
            part(file.as_os_str().as_encoded_bytes());
            match content(file) {
                Ok(content) => part(&content),
                Err(error) => part(error.kind().to_string().as_bytes()),
            }
        }
        for folder in &self.folders {
            part(folder.as_os_str().as_encoded_bytes());
            for name in names(folder) {
                part(name.as_encoded_bytes());
            }
        }
        for (file, version) in rolled_back {
            part(file.as_os_str().as_encoded_bytes());
            part(version.as_bytes());
        }
        hash.finalize().into()
    }

    /// The folders in which something happens when one of these changes.
    pub(crate) fn parents(&self) -> BTreeSet<PathBuf> {
        let parents = self.files.iter().filter_map(|file| file.parent()).map(Path::to_owned);
        parents.chain(self.folders.iter().cloned()).collect()
    }
}

/// The digest of a file, read in pieces: one of a gigabyte may lie there (HARDENING W12).
fn content(file: &Path) -> std::io::Result<[u8; 32]> {
    let mut file = fs::File::open(file)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(piece.get(..count).unwrap_or_default()),
        }
    }
}

/// What an editor puts beside a file while it is open is hidden, and no matter of ours.
fn names(folder: &Path) -> Vec<std::ffi::OsString> {
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut names: Vec<_> = names.filter(|name| !name.as_encoded_bytes().starts_with(b".")).collect();
    names.sort();
    names
}
