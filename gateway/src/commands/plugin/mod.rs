//! `gateway plugin`: make, build and look at plugins.

mod inspect;

use crate::cli::Plugin;
use std::process::ExitCode;

pub(super) fn run(command: Plugin) -> ExitCode {
    let done = match command {
        Plugin::Inspect { file, json } => inspect::run(&file, json),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => super::failed(&error),
    }
}
