//! What is typed, done: each command a file, exit codes in one place.

mod check;
mod diff;
mod explain;
mod pages;
mod plugin;
mod run;

use crate::cli::{Cli, Command};
use crate::reload::Failure;
use gateway_plugin_host::Compiler;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// It did not work.
const FAILED: u8 = 1;
/// What was typed or written cannot be used.
const UNUSABLE: u8 = 2;

pub(crate) fn run(cli: Cli) -> ExitCode {
    match cli.command {
        Command::Run(options) => run::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Diff { old, new } => diff::run(&old, &new),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { into } => pages::manual(into.as_deref()),
        Command::Plugin(command) => plugin::run(command),
        Command::Compile { cache, abi } => match gateway_plugin_host::compile_into(&cache, &abi) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => {
                error(text);
                ExitCode::from(FAILED)
            }
        },
    }
}

/// How this program is started to compile a component. By the link to what runs: the file may have been replaced by another version.
pub(crate) fn compiler() -> Compiler {
    Compiler { program: "/proc/self/exe".into(), arguments: vec!["compile".into()] }
}

/// Every problem as `rustc` would show it.
fn unusable(failure: &Failure) -> ExitCode {
    let colour = std::io::stderr().is_terminal();
    error(gateway_config::render(&failure.problems, &failure.sources, colour).trim_end());
    ExitCode::from(UNUSABLE)
}

/// An error and what caused it.
fn failed(cause: &anyhow::Error) -> ExitCode {
    error(format!("error: {cause:#}"));
    ExitCode::from(FAILED)
}

/// To standard error. A closed one is nobody's problem.
fn error(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// To standard output. A reader that has seen enough (`| head`) closes it.
fn print(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
