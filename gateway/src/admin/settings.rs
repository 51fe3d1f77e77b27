//! `/config`: the configuration in force, setting by setting, each with the place it came from.

use crate::explain::at;
use crate::server::Running;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Serialize)]
pub(super) struct Document {
    generation: u64,
    files: Vec<PathBuf>,
    settings: Vec<Setting>,
}

#[derive(Serialize)]
struct Setting {
    name: String,
    value: serde_json::Value,
    /// `FILE:LINE:COLUMN`; null: the default.
    place: Option<String>,
}

pub(super) fn of(running: &Running) -> Document {
    let current = Arc::clone(&running.current.lock());
    let settings = gateway_config::settings(&current.config.files, &current.sources).into_iter();
    let setting = |setting: gateway_config::Setting| Setting {
        name: setting.name(),
        value: setting.shown(),
        place: setting.place.as_ref().map(at),
    };
    Document {
        generation: current.snapshot.generation,
        files: current.config.files.clone(),
        settings: settings.map(setting).collect(),
    }
}
