//! What is in a process's pipes.

use std::collections::HashMap;
use std::fs::{self, File};

/// Bytes in the pipes of a process, its standard streams left out.
///
/// # Panics
/// There is no such process.
#[must_use]
pub fn piped(process: u32) -> u64 {
    let listed = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    let others = listed.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.len() > 1 || *name > *"2"));
    // Both ends are in the list; what either of them tells is the same.
    let pipes: HashMap<_, _> = others
        .filter_map(|entry| Some((fs::read_link(entry.path()).ok()?, entry.path())))
        .filter(|(target, _)| target.to_string_lossy().starts_with("pipe:"))
        .collect();
    let held = |path| rustix::io::ioctl_fionread(File::open(path).ok()?).ok();
    pipes.into_values().filter_map(held).sum()
}
