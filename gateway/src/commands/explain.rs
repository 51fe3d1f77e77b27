//! `gateway explain`: the way that a request would take.

use super::{failed, print, unusable};
use crate::cli::Explain;
use crate::explain::{Line, Question, explain};
use crate::reload::{self, Rollback};
use crate::server;
use anyhow::Context as _;
use gateway_core::instruments::Instruments;
use gateway_plugin_host::HostOptions;
use std::process::ExitCode;

pub(super) fn run(options: &Explain) -> ExitCode {
    match said(options) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn said(options: &Explain) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let assembler = server::assembler(HostOptions::default(), &Instruments::default(), runtime.handle().clone())?;
    let assembly = match reload::build(&options.config.config, &assembler, None, &Rollback::default()) {
        Ok(assembly) => assembly,
        Err(failure) => return Ok(unusable(&failure)),
    };
    let field = |field: &'_ String| {
        let parts = field.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned()));
        parts.with_context(|| format!("`{field}` is not a field; write `name: value`"))
    };
    let fields = options.headers.iter().map(field).collect::<anyhow::Result<Vec<_>>>()?;
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let question = Question::new(&options.method, &options.url, fields)?;
    let explanation = explain(&assembly, &question, &options.url);
    print(format_args!("{} {}", explanation.method, options.url));
    for listener in &explanation.listeners {
        print(format_args!("\nlistener    {} ({})    {}", listener.name, listener.address, listener.place));
        for Line { what, text, place } in &listener.way {
            let place = place.as_ref().map(|place| format!("    {place}")).unwrap_or_default();
            print(format_args!("{what:<11} {text}{place}"));
        }
        for other in &listener.others {
            print(format_args!("not         {} ({}): {}    {}", other.route, other.matches, other.why, other.place));
        }
    }
    Ok(if explanation.is_taken() { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}
