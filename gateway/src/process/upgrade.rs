//! A new process takes over: the program file is started again with the arguments of this one and gets its sockets. This one serves
//! until the new one says that it does.
//!
//! The sockets are the same for both, so that there is no moment in which a connection is refused.

use super::inherited::READY;
use anyhow::{Context as _, bail};
use command_fds::{CommandFdExt as _, FdMapping};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::process::Command as StdCommand;
use std::time::Duration;
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

/// The first descriptor that is handed over (`sd_listen_fds(3)`).
const FIRST: i32 = 3;

/// How long a new process may take to serve: it may have plugins to compile.
const PATIENCE: Duration = Duration::from_secs(120);

/// A socket for another process, and what it is called there.
pub(crate) type Descriptor = (String, OwnedFd);

/// A program as it was started.
pub(crate) struct Program {
    file: OsString,
    arguments: Vec<OsString>,
}

/// A process that is ended unless it takes over.
struct Successor {
    process: Child,
    is_ready: bool,
}

impl Program {
    /// This one. By the name it was started with, since a link may point to another file by now.
    pub(crate) fn running() -> Option<Self> {
        let mut arguments = std::env::args_os();
        Some(Self { file: arguments.next()?, arguments: arguments.collect() })
    }

    /// Starts it with these sockets, each with a name, and returns its process id once it serves.
    ///
    /// # Errors
    /// It could not be started, ended, or did not serve in time; it does not run then.
    pub(crate) async fn take_over(&self, sockets: Vec<Descriptor>) -> anyhow::Result<u32> {
        let (ours, theirs) = StdDatagram::pair()?;
        let sockets: Vec<_> = sockets.into_iter().chain([("ready".to_owned(), theirs.into())]).collect();
        let names: Vec<&str> = sockets.iter().map(|(name, _)| name.as_str()).collect();
        let mut command = StdCommand::new(&self.file);
        command.args(&self.arguments);
        command.env("LISTEN_FDS", sockets.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        // Who it is for cannot be known before it runs; where it is not said, it is for whoever is started.
        command.env_remove("LISTEN_PID").env_remove("LISTEN_FDS_FIRST_FD").env_remove("WATCHDOG_PID");
        let mappings = sockets.into_iter().zip(FIRST..);
        command.fd_mappings(mappings.map(|((_, parent_fd), child_fd)| FdMapping { parent_fd, child_fd }).collect())?;
        let process =
            Command::from(command).spawn().with_context(|| format!("{} cannot be started", self.file.display()))?;
        let mut successor = Successor { process, is_ready: false };
        let id = successor.process.id().context("the new process has ended")?;
        tracing::info!(process = id, "a new process starts");
        ours.set_nonblocking(true)?;
        let ours = UnixDatagram::from_std(ours)?;
        let mut said = [0; READY.len()];
        tokio::select! {
            length = ours.recv(&mut said) => {
                length?;
                if said != READY {
                    bail!("the new process says what is not understood");
                }
            }
            status = successor.process.wait() => bail!("the new process ended before it served: {}", status?),
            () = tokio::time::sleep(PATIENCE) => bail!("the new process does not serve after {PATIENCE:?}"),
        }
        successor.is_ready = true;
        Ok(id)
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        // One that has ended already is what cannot be killed.
        if !self.is_ready {
            let _ = self.process.start_kill();
        }
    }
}
