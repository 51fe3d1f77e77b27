//! The machine: which thread runs on which core, and what processes have used of it.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs;
use std::thread;

/// The cores that something may run on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    /// Load and upstream, so that they take nothing from a proxy.
    First,
    /// A proxy.
    Last,
    /// Whatever the scheduler chooses.
    All,
}

impl Cores {
    fn set(self) -> CpuSet {
        let count = count();
        let mut set = CpuSet::new();
        match self {
            Self::First => set.set(0),
            Self::Last => set.set(count - 1),
            Self::All => (0..count).for_each(|core| set.set(core)),
        }
        set
    }
}

/// How many there are, whatever this thread itself is limited to.
pub(crate) fn count() -> usize {
    let present = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let last = present.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<usize>().ok());
    last.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), |last| last + 1)
}

/// Keeps this thread, and those that it starts, on some cores.
pub(crate) fn place_here(cores: Cores) {
    sched_setaffinity(None, &cores.set()).unwrap();
}

/// Keeps all threads of some processes on some cores.
pub(crate) fn place(processes: &[u32], cores: Cores) {
    for task in tasks(processes) {
        let task = task.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        // A thread that has ended meanwhile needs no place.
        let _ = sched_setaffinity(task, &cores.set());
    }
}

/// Seconds of CPU that processes have used, user and system, by the scheduler's account.
pub(crate) fn cpu(processes: &[u32]) -> f64 {
    let nanoseconds = |task: fs::DirEntry| -> f64 {
        let account = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        account.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
    };
    tasks(processes).map(nanoseconds).sum::<f64>() / 1e9
}

/// Resident memory of processes in KiB; a page that two of them share counts twice.
pub(crate) fn memory(processes: &[u32]) -> f64 {
    let resident = |process: &u32| -> Option<f64> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    processes.iter().filter_map(resident).sum()
}

/// A process and those that it has started.
pub(crate) fn family(process: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    std::iter::once(process).chain(children.split_whitespace().flat_map(str::parse)).collect()
}

/// As many files as the system lets this process, and those that it starts, hold open.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// One line about the machine, for the report.
pub(crate) fn description() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    format!("{} cores of {model}, Linux {kernel}", count())
}

fn tasks(processes: &[u32]) -> impl Iterator<Item = fs::DirEntry> {
    processes.iter().flat_map(|process| fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten())
}
