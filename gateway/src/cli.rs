//! What may be typed.

use crate::telemetry::LogFormat;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// An API gateway that its users extend with WebAssembly.
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "\
Exit codes: 0 good, 1 failed, 2 usage or configuration."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve, and take up every change of the files while serving
    Run(Run),
    /// Say everything that is wrong with a configuration, its plugins included
    Check(Check),
    /// Say which way a request would take, and where each part of it was written
    #[command(
        after_help = "Example: gateway explain --config gateway.toml GET http://api.example.com/orders/17 -H 'x-tier: gold'"
    )]
    Explain(Explain),
    /// Say what would change between two configurations, setting by setting
    #[command(
        after_help = "Example: gateway diff /etc/gateway/gateway.toml new/gateway.toml. Nothing is shown of secrets but that they differ."
    )]
    Diff {
        /// What serves: a file, or a folder with a gateway.toml
        old: PathBuf,
        /// What shall serve
        new: PathBuf,
    },
    /// Write what completes this command line in a shell
    #[command(after_help = "Example: gateway completions bash > /etc/bash_completion.d/gateway")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages, or the first one to standard output
    Man {
        /// A folder for all of them, one for each command
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
    /// Look at plugins
    #[command(subcommand)]
    Plugin(Plugin),
    /// Compile the component on standard input into a cache: the gateway starts this for components that take long
    #[command(hide = true)]
    Compile {
        /// The cache's folder
        cache: PathBuf,
        /// The interface by which it is a plugin
        abi: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration: a file, or a folder with a gateway.toml
    #[arg(long, short, value_name = "FILE", default_value = "gateway.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// What is logged, as in `info` or `warn,gateway_proxy=debug`
    #[arg(long, value_name = "FILTER", default_value = "info", env = "GATEWAY_LOG")]
    pub(crate) log: String,
    /// How a line of the log looks
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
    /// How changes of files are noticed; `look` is for file systems without events
    #[arg(long, value_enum, default_value_t)]
    pub(crate) watch: Watching,
    /// Threads that serve; by default one for each core
    #[arg(long, value_name = "NUMBER")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
    /// Instances of all plugins at most; 512 MiB of address space are set aside for each, and no memory
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) instances: u32,
}

/// How changes of files are noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Watching {
    /// By the file system's events, and by a look now and then
    #[default]
    Events,
    /// By a look every quarter of a second
    Look,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Print every setting that is in force, with the place it came from
    #[arg(long)]
    pub(crate) effective: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The request's method
    pub(crate) method: String,
    /// The request's URL; its host and port choose the listener
    pub(crate) url: String,
    /// A field of the request, `name: value`
    #[arg(long = "header", short = 'H', value_name = "FIELD")]
    pub(crate) headers: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Make a folder with a plugin that works, to be changed
    New {
        /// Its name: the folder, the crate and the plugin
        name: String,
        /// What it is written in
        #[arg(long, value_enum, default_value_t)]
        language: Language,
        /// Where to put the folder
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        into: PathBuf,
        /// The Rust SDK to depend on, when it is a folder of a checkout
        #[arg(long, value_name = "FOLDER")]
        sdk: Option<PathBuf>,
    },
    /// Turn a folder into a checked component with its manifest inside
    #[command(
        after_help = "`language` in plugin.toml says which toolchain is asked. `--module FILE` takes what any other one has made."
    )]
    Build {
        /// The plugin's folder
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// What some toolchain made, a core module or a component; nothing is compiled then
        #[arg(long, value_name = "FILE")]
        module: Option<PathBuf>,
        /// Where to put the component: a file whose name ends in `.wasm`, or a folder; written whole, then renamed into place
        #[arg(long, short, value_name = "FILE OR FOLDER")]
        output: Option<PathBuf>,
    },
    /// Play a plugin's scenarios on the real host, with its limits, and compare what happens with what is expected
    #[command(
        after_help = "A scenario is a file scenarios/NAME.toml: what clients send and services answer. What happens is compared with NAME.golden."
    )]
    Test(PluginTest),
    /// Say what a component is: ABI, phases, capabilities, schema, size
    Inspect {
        /// Any .wasm file
        file: PathBuf,
        /// For programs
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PluginTest {
    /// The plugin's folder
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Only these scenarios
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// The component that is tested; by default what `gateway plugin build` makes in the folder
    #[arg(long, value_name = "FILE")]
    pub(crate) component: Option<PathBuf>,
    /// Take what happens for what is expected
    #[arg(long)]
    pub(crate) bless: bool,
}

/// What a new plugin is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// The fastest calls, tests without a gateway
    #[default]
    Rust,
    /// QuickJS
    Javascript,
    /// JavaScript with types
    Typescript,
    /// CPython
    Python,
    /// The stock compiler
    Go,
    /// clang, or Zig's C compiler
    C,
}
