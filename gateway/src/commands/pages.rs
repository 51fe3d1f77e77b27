//! `gateway completions` and `gateway man`: made from the definition of the command line, so that they cannot disagree with it.

use super::failed;
use crate::cli::Cli;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

pub(super) fn completions(shell: Shell) -> ExitCode {
    let mut written = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gateway", &mut written);
    // A reader that has seen enough closes it.
    let _ = io::stdout().write_all(&written);
    ExitCode::SUCCESS
}

pub(super) fn manual(into: Option<&Path>) -> ExitCode {
    let written = match into {
        Some(folder) => std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder)),
        None => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&anyhow::Error::from(error).context("the manual cannot be written")),
    }
}
