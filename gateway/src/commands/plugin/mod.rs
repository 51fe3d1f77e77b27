//! `gateway plugin`: make, build, test and look at plugins.

mod build;
mod inspect;
mod new;
mod test;

use crate::cli::Plugin;
use std::process::ExitCode;

pub(super) fn run(command: Plugin) -> ExitCode {
    let done = match command {
        Plugin::New { name, language, into, sdk } => new::run(&name, language, &into, sdk.as_deref()),
        Plugin::Build { folder, module, output } => build::run(&folder, module.as_deref(), output.as_deref()),
        Plugin::Test(options) => test::run(&options),
        Plugin::Inspect { file, json } => inspect::run(&file, json),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::failed(&error),
    }
}
