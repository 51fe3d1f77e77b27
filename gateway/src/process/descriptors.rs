//! How many files and sockets the process may have open.

use gateway_config::{Config, Diagnostic};
use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors beside those of clients: files, runtimes, the first upstream connections.
const OTHERS: u64 = 100;

/// Takes as many as the system lets this process have: what is given by default is meant for programs that use `select`.
pub(crate) fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files could not be raised");
    }
}

/// What is wrong with the listeners' limits, if they are more than the process can have.
pub(crate) fn warning(config: &Config) -> Option<Diagnostic> {
    let most = getrlimit(Resource::Nofile).maximum?;
    let connections: u64 = config.listeners.iter().map(|listener| listener.limits.connections as u64).sum();
    let largest = config.listeners.iter().max_by_key(|listener| listener.limits.connections)?;
    (connections.saturating_add(OTHERS) > most).then(|| {
        let message = format!("the listeners take {connections} connections, and this process may have {most} open files");
        let hint = "raise the limit (`ulimit -Hn`, `LimitNOFILE=`) to twice as many, since upstream connections need one each, or \
                    lower `limits.connections`";
        Diagnostic::warning("too-many-connections", message).at(&largest.place).hint(hint)
    })
}
