//! Times finer than tokio's wheel, whose slots are a millisecond: timers of the kernel, by file descriptor.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// Comes again and again.
pub(crate) struct Ticker {
    timer: AsyncFd<OwnedFd>,
    /// From when on it counts.
    pub(crate) start: Instant,
}

impl Ticker {
    pub(crate) fn new(interval: Duration) -> io::Result<Self> {
        let (timer, start) = armed(interval, interval)?;
        Ok(Self { timer, start })
    }

    /// How often it came since it was last asked, at least once.
    pub(crate) async fn ticks(&self) -> io::Result<u64> {
        expired(&self.timer).await
    }
}

/// Waits for a time, to some microseconds.
pub(crate) async fn sleep(time: Duration) -> io::Result<()> {
    let (timer, _) = armed(time, Duration::ZERO)?;
    expired(&timer).await.map(drop)
}

fn armed(first: Duration, again: Duration) -> io::Result<(AsyncFd<OwnedFd>, Instant)> {
    let spec = |time: Duration| Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let value = Itimerspec { it_interval: spec(again), it_value: spec(first) };
    let start = Instant::now();
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &value)?;
    #[expect(deprecated, reason = "its successor is unsafe code for what an `OwnedFd` keeps anyway")]
    let timer = AsyncFd::new(timer)?;
    Ok((timer, start))
}

async fn expired(timer: &AsyncFd<OwnedFd>) -> io::Result<u64> {
    loop {
        let mut guard = timer.readable().await?;
        let read = guard.try_io(|timer| {
            let mut count = [0; 8];
            rustix::io::read(timer.get_ref(), &mut count)?;
            Ok(u64::from_ne_bytes(count))
        });
        if let Ok(count) = read {
            return count;
        }
    }
}
