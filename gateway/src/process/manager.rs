//! What systemd is told, where it asks (`Type=notify`, `sd_notify(3)`). Anywhere else this does nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// It serves.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It serves, and takes up a change.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(moment) => tell(&[NotifyState::Reloading, moment]),
        Err(error) => tracing::debug!(%error, "there is no monotonic time"),
    }
}

/// It is on its way out.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Another process is the service now.
pub(crate) fn replaced(by: u32) {
    tell(&[NotifyState::MainPid(by)]);
}

/// Within which time it wants to hear that the program lives (`WatchdogSec=`), where it does.
pub(crate) fn patience() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// It lives.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
