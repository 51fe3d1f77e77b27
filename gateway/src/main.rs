//! `gateway`: an API gateway that its users extend with WebAssembly.

mod admin;
mod assemble;
mod cli;
mod commands;
mod explain;
mod listeners;
mod process;
mod reload;
mod server;
mod telemetry;

use clap::Parser as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    commands::run(cli::Cli::parse())
}
