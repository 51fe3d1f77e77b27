//! How much memory there is, and what happens when it comes to an end (HARDENING F8).
//!
//! Who takes on more than there is room for is killed, with everything under way. So past the ceiling new connections and requests
//! get 503 until some of it was given back. The look is off the request path.

use crate::server::Running;
use gateway_core::pressure::Pressure;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(250);

/// Of what the control group allows, in per cent: the rest is for what is under way.
const SHARE: u64 = 90;

/// Below this share of the ceiling, in per cent, all is well again.
const RELIEF: u64 = 95;

/// Looks for as long as the process runs.
pub(crate) async fn watch(running: Arc<Running>, pressure: Pressure) {
    let allowed = allowed(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
    let overloads = running.instruments.counter("overloads.memory");
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let written = running.current.lock().config.memory;
        let ceiling = written.or(allowed.map(|bytes| bytes / 100 * SHARE));
        let (Some(ceiling), Some(used)) = (ceiling, resident()) else {
            pressure.set(false);
            continue;
        };
        let is_high = match pressure.is_high() {
            true => used > ceiling / 100 * RELIEF,
            false => used > ceiling,
        };
        if pressure.set(is_high) {
            if is_high {
                overloads.increment();
                tracing::warn!(used, ceiling, "hardly any memory left: new connections and requests get 503");
            } else {
                tracing::info!(used, ceiling, "there is memory again");
            }
        }
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))?;
    Some(kibibytes.parse::<u64>().ok()? * 1024)
}

/// What the control group of this process, or one above it, allows (cgroup v2); none: there is no bound.
fn allowed(groups: &Path, root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(groups).ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = PathBuf::from(own);
    let bounds = own
        .ancestors()
        .filter_map(|group| fs::read_to_string(root.join(group).join("memory.max")).ok()?.trim().parse().ok());
    bounds.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("own"), "1:name=x:/other\n0::/a/b\n").unwrap();
        assert_eq!(allowed(&root.join("own"), root), None);
        fs::write(root.join("a/b/memory.max"), "max\n").unwrap();
        assert_eq!(allowed(&root.join("own"), root), None);
        fs::write(root.join("a/memory.max"), "1000\n").unwrap();
        assert_eq!(allowed(&root.join("own"), root), Some(1000));
        fs::write(root.join("a/b/memory.max"), "500\n").unwrap();
        assert_eq!(allowed(&root.join("own"), root), Some(500));
        assert!(resident().unwrap() > 1 << 20);
    }
}
