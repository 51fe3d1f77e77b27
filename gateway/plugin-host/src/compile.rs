//! Machine code of a component: from the cache, compiled here, or, where that takes long, compiled in a process of its own.
//!
//! An interpreter compiled to WebAssembly takes tens of seconds of all cores. In this process the compiler's threads would stand beside those
//! that serve; a process of its own has a lower priority, gives its memory back, and can be bounded. What it makes comes by the
//! cache, which both trust for the same reasons.

use crate::abi::Abi;
use crate::cache::Cache;
use crate::engine;
use crate::load::LoadError;
use gateway_core::clock;
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes of a component from which on it is compiled elsewhere: below, it takes less than a second.
const LARGE: usize = 1 << 20;

/// How far it stands behind who serves: while all cores are busy it has a tenth of them. At the very lowest priority (19) a hundredth is
/// left, and a plugin would not come within an hour.
const YIELDING: i32 = 10;

/// Seconds of CPU time that a compiler may take.
const PATIENCE: u64 = 600;

/// How this program is started as a compiler: with these arguments, the cache's folder and the name of the ABI behind them, and the component
/// on its standard input, [`compile_into`] is called.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// What makes a compiler of it.
    pub arguments: Vec<OsString>,
}

/// Whom a component is compiled for.
pub(crate) struct Target<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) cache: Option<&'a Cache>,
    pub(crate) compiler: Option<&'a Compiler>,
    pub(crate) abi: Abi,
}

/// The component, and whether it had been compiled before.
pub(crate) fn compile(target: &Target<'_>, name: &str, source: &[u8]) -> Result<(Component, bool), LoadError> {
    let Target { engine, cache, compiler, abi } = target;
    if let Some(component) = cache.and_then(|cache| cache.read(engine, source)) {
        return Ok((component, true));
    }
    if let (Some(cache), Some(compiler), LARGE..) = (cache, compiler, source.len()) {
        let began = clock::now();
        tracing::info!(plugin = name, bytes = source.len(), "compiling a large component, in a process of its own");
        match elsewhere(compiler, cache.directory(), *abi, source) {
            Ok(output) if output.status.success() => {}
            Ok(output) if output.status.code() == Some(1) => {
                return Err(LoadError::Compile(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
            }
            Ok(output) => {
                return Err(LoadError::Compile(format!("the process that compiled it was ended: {}", output.status)));
            }
            Err(error) => {
                tracing::warn!(plugin = name, %error, "no process can be started to compile it; compiling it here")
            }
        }
        if let Some(component) = cache.read(engine, source) {
            let seconds = clock::now().saturating_duration_since(began).as_secs_f64();
            tracing::info!(plugin = name, seconds, "compiled");
            return Ok((component, false));
        }
    }
    let component = here(engine, source)?;
    if let Some(Err(error)) = cache.map(|cache| cache.write(source, &component)) {
        tracing::warn!(plugin = name, "the compiled plugin could not be kept: {error}");
    }
    Ok((component, false))
}

fn here(engine: &Engine, source: &[u8]) -> Result<Component, LoadError> {
    Component::from_binary(engine, source).map_err(|error| LoadError::Compile(format!("{error:#}")))
}

fn elsewhere(compiler: &Compiler, cache: &Path, abi: Abi, source: &[u8]) -> io::Result<Output> {
    let mut child = Command::new(&compiler.program)
        .args(&compiler.arguments)
        .arg(cache)
        .arg(abi.name())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    // One that does not read it to its end has failed, and says why itself.
    let written = child.stdin.take().map(|mut input| input.write_all(source));
    let output = child.wait_with_output()?;
    match written {
        Some(Err(error)) if output.status.success() => Err(error),
        _ => Ok(output),
    }
}

/// What the process does: compiles the component on its standard input into the cache.
///
/// # Errors
/// In words: the ABI is unknown, the cache cannot be used, the component does not compile.
pub fn compile_into(cache: &Path, abi: &str) -> Result<(), String> {
    // Neither is refused to anybody; without them it works as well.
    let _ = nice(YIELDING);
    let _ = setrlimit(Resource::Cpu, Rlimit { current: Some(PATIENCE), maximum: Some(PATIENCE) });
    let engine = match abi {
        _ if abi == Abi::Gateway.name() => engine::new(1),
        _ if abi == Abi::WasiHttp03.name() => engine::concurrent(1),
        _ => return Err(format!("`{abi}` is no ABI")),
    };
    let engine = engine.map_err(|error| format!("{error:#}"))?;
    let mut source = Vec::new();
    io::stdin().lock().read_to_end(&mut source).map_err(|error| error.to_string())?;
    let component = here(&engine, &source).map_err(|error| match error {
        LoadError::Compile(text) => text,
        other => other.to_string(),
    })?;
    let cache = Cache::open(cache, &engine).map_err(|error| error.to_string())?;
    cache.write(&source, &component).map_err(|error| error.to_string())
}
