//! `gateway plugin test`: plays the scenarios of a plugin on the real host, with its limits, and compares what happened with
//! what was expected. The language and the ABI of the component make no difference.

mod play;
mod scenario;
mod script;
mod transcript;

use crate::cli::PluginTest;
use crate::commands::{error, print};
use anyhow::{Context as _, bail};
use gateway_core::Phase;
use gateway_plugin_host::{Inspection, inspect, manifest};
use gateway_proxy::workers::Workers;
use play::Stage;
use scenario::Scenario;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing_subscriber::layer::SubscriberExt as _;
use transcript::{Log, Transcript, differences};

/// What came of a scenario.
enum Outcome {
    AsExpected,
    Blessed,
    Failed(String),
}

pub(super) fn run(options: &PluginTest) -> anyhow::Result<()> {
    let component = component(options)?;
    let source = fs::read(&component).with_context(|| {
        let folder = options.folder.display();
        format!("cannot read {}; `gateway plugin build {folder}` makes it", component.display())
    })?;
    let inspection = inspect(&source).with_context(|| component.display().to_string())?;
    let files = scenarios(&options.folder, &options.scenarios)?;
    let transcript = Arc::new(Transcript::default());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Log(Arc::clone(&transcript))))
        .context("the log of the plugin cannot be taken")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stage = Stage {
        workers: Arc::new(Workers::start(1)?),
        runtime: runtime.handle().clone(),
        plugin: name(&component, &inspection),
        answers: inspection.phases.iter().any(|phase| matches!(phase, Phase::Handle | Phase::Service)),
        component: component.canonicalize()?,
        transcript,
    };
    print(format_args!("{}: {} of {}", stage.plugin, count(files.len()), component.display()));
    let mut failed = 0;
    for file in &files {
        let outcome = judge(&stage, file, options.bless);
        let title = file.file_stem().unwrap_or_default().display();
        match outcome.unwrap_or_else(|error| Outcome::Failed(format!("{error:#}\n"))) {
            Outcome::AsExpected => print(format_args!("  ok       {title}")),
            Outcome::Blessed => print(format_args!("  blessed  {title}")),
            Outcome::Failed(why) => {
                failed += 1;
                print(format_args!("  FAILED   {title}\n{}", why.trim_end()));
            }
        }
    }
    if failed > 0 {
        error("`--bless` writes what happened into the .golden files: look at the difference before");
        bail!("{failed} of {} failed", count(files.len()));
    }
    Ok(())
}

fn count(scenarios: usize) -> String {
    format!("{scenarios} scenario{}", if scenarios == 1 { "" } else { "s" })
}

/// The file that is tested: the one given, else the one that `gateway plugin build` makes.
fn component(options: &PluginTest) -> anyhow::Result<PathBuf> {
    if let Some(component) = &options.component {
        return Ok(component.clone());
    }
    let path = options.folder.join("plugin.toml");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}; `--component FILE` names what is tested", path.display()))?;
    let source = manifest::parse_toml(&text).map_err(anyhow::Error::msg).with_context(|| path.display().to_string())?;
    Ok(options.folder.join(format!("{}.wasm", source.name)))
}

fn name(component: &Path, inspection: &Inspection) -> String {
    match &inspection.manifest {
        Some(manifest) => manifest.name.clone(),
        None => component.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// The files of the folder's `scenarios/` in order: all, or those of these names.
fn scenarios(folder: &Path, wanted: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let folder = folder.join("scenarios");
    let listed = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = listed.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let is_wanted = |file: &PathBuf| {
        let title = file.file_stem().unwrap_or_default();
        wanted.is_empty() || wanted.iter().any(|name| title == name.as_str())
    };
    files.retain(is_wanted);
    if files.is_empty() {
        bail!("{} has no such scenario: a scenario is a file `NAME.toml`", folder.display());
    }
    Ok(files)
}

fn judge(stage: &Stage, file: &Path, bless: bool) -> anyhow::Result<Outcome> {
    let seen = stage.play(file, &Scenario::read(file)?)?;
    let golden = file.with_extension("golden");
    let expected = match fs::read_to_string(&golden) {
        Ok(expected) => expected,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", golden.display())),
    };
    if seen == expected {
        return Ok(Outcome::AsExpected);
    }
    if bless {
        fs::write(&golden, seen).with_context(|| format!("cannot write {}", golden.display()))?;
        return Ok(Outcome::Blessed);
    }
    Ok(Outcome::Failed(differences(&expected, &seen)))
}
