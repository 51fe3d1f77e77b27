//! `gateway check`: builds everything that `run` would, and serves nothing.

use super::{failed, print, unusable};
use crate::cli::Check;
use crate::explain::at;
use crate::reload::{self, Rollback};
use crate::server;
use gateway_core::instruments::Instruments;
use gateway_plugin_host::HostOptions;
use std::process::ExitCode;

pub(super) fn run(options: &Check) -> ExitCode {
    match check(options) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn check(options: &Check) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let assembler = server::assembler(HostOptions::default(), &Instruments::default(), runtime.handle().clone())?;
    let path = &options.config.config;
    let assembly = match reload::build(path, &assembler, None, &Rollback::default()) {
        Ok(assembly) => assembly,
        Err(failure) => return Ok(unusable(&failure)),
    };
    let config = &assembly.config;
    if !assembly.warnings.is_empty() {
        super::error(gateway_config::render(&assembly.warnings, &assembly.sources, false).trim_end());
    }
    if options.effective {
        for setting in gateway_config::settings(&config.files, &assembly.sources) {
            let place = setting.place.as_ref().map_or_else(|| "default".to_owned(), at);
            print(format_args!("{} = {}    # {place}", setting.name(), setting.shown()));
        }
        return Ok(ExitCode::SUCCESS);
    }
    print(format_args!(
        "{}: {}, {}, {}, {}",
        path.display(),
        count(config.listeners.len(), "listener"),
        count(config.routes.len(), "route"),
        count(config.upstreams.len(), "upstream"),
        count(assembly.plugins.len(), "plugin"),
    ));
    Ok(ExitCode::SUCCESS)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
