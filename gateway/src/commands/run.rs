//! `gateway run`

use super::{failed, unusable};
use crate::cli::Run;
use crate::server::{self, Refusal};
use crate::telemetry;
use std::process::ExitCode;

pub(super) fn run(options: &Run) -> ExitCode {
    if let Err(error) = telemetry::start(&options.log, options.log_format) {
        return failed(&error);
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.threads {
        builder.worker_threads(threads.get());
    }
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let served = runtime.block_on(server::serve(&options.config.config, options.watch));
    // Connections that did not end in time are cut here.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal::Configuration(failure)) => unusable(&failure),
        Err(Refusal::Other(error)) => failed(&error),
    }
}
