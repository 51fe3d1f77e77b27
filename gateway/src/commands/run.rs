//! `gateway run`

use super::{failed, unusable};
use crate::cli::Run;
use crate::process::{Inherited, descriptors};
use crate::server::{self, Refusal};
use crate::telemetry::Log;
use gateway_plugin_host::HostOptions;
use std::num::NonZeroUsize;
use std::process::ExitCode;

pub(super) fn run(options: &Run) -> ExitCode {
    // Before there is a thread.
    let (inherited, predecessor) = Inherited::take();
    let log = match Log::start(&options.log, options.log_format) {
        Ok(log) => log,
        Err(error) => return failed(&error),
    };
    descriptors::raise();
    // Everything but requests runs here: accepting, the admin listener, reload. Workers have runtimes of their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let compiler = Some(super::compiler());
    let mut host = HostOptions { instances: options.instances, compiler, ..HostOptions::default() };
    host.threads = options.threads.map_or(host.threads, NonZeroUsize::get);
    let served = {
        let path = &options.config.config;
        runtime.block_on(server::serve(path, options.watch, host, inherited, predecessor, &log))
    };
    // Connections that did not end in time are cut here.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal::Configuration(failure)) => unusable(&failure),
        Err(Refusal::Other(error)) => failed(&error),
    }
}
