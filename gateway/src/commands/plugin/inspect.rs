//! `gateway plugin inspect`: what a component is, without running it.

use crate::commands::print;
use anyhow::Context as _;
use gateway_plugin_host::{Abi, Inspection, inspect};
use std::path::Path;

pub(super) fn run(file: &Path, json: bool) -> anyhow::Result<()> {
    let source = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let inspection = inspect(&source).with_context(|| file.display().to_string())?;
    if json {
        print(serde_json::to_string_pretty(&document(&inspection))?);
    } else {
        text(file, &inspection);
    }
    Ok(())
}

fn phases(inspection: &Inspection) -> Vec<&'static str> {
    inspection.phases.iter().map(|phase| phase.name()).collect()
}

fn document(inspection: &Inspection) -> serde_json::Value {
    serde_json::json!({
        "abi": inspection.abi.name(),
        "version": inspection.version,
        "phases": phases(inspection),
        "imports": inspection.imports,
        "manifest": inspection.manifest,
        "size": inspection.size,
        "sha256": inspection.hash,
    })
}

fn text(file: &Path, inspection: &Inspection) {
    print(format_args!("file          {}", file.display()));
    print(format_args!("size          {} bytes", inspection.size));
    print(format_args!("sha256        {}", inspection.hash));
    print(format_args!("abi           {} {}", inspection.abi.name(), inspection.version));
    print(format_args!("phases        {}", phases(inspection).join(", ")));
    print(format_args!("imports       {}", inspection.imports.join(", ")));
    let Some(manifest) = &inspection.manifest else {
        // What was written for another host asks for nothing; calls of services are granted to it all the same.
        let granted = match inspection.abi {
            Abi::Gateway => "nothing",
            _ if inspection.imports.iter().any(|import| import.starts_with("gateway:plugin/")) => {
                "nothing but `http` and what its imports of `gateway:plugin` are for"
            }
            _ => "nothing but `http`",
        };
        print(format_args!("manifest      none: the file's name is its name, and {granted} can be granted"));
        return;
    };
    print(format_args!("name          {} {}", manifest.name, manifest.version));
    if !manifest.description.is_empty() {
        print(format_args!("description   {}", manifest.description));
    }
    let asked: Vec<_> = manifest.capabilities.iter().map(|capability| capability.name()).collect();
    print(format_args!("asks for      {}", if asked.is_empty() { "nothing".to_owned() } else { asked.join(", ") }));
    let optional: Vec<_> = manifest.optional.iter().map(|capability| capability.name()).collect();
    if !optional.is_empty() {
        print(format_args!("may use       {}", optional.join(", ")));
    }
    match &manifest.schema {
        None => print("schema        none: any configuration is taken"),
        Some(schema) => print(format_args!("schema        {schema:#}")),
    }
}
