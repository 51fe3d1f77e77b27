//! The files of a new plugin, language by language.

use crate::cli::Language;

macro_rules! files {
    ($($file:literal: $template:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../template/", $template)))),*]
    };
}

type Files = &'static [(&'static str, &'static str)];

/// The same scenario in every language: it is the same plugin.
const SCENARIOS: Files = files! {
    "scenarios/greeted.toml": "shared/scenarios/greeted.toml.in",
    "scenarios/greeted.golden": "shared/scenarios/greeted.golden.in",
};

const RUST: Files = files! {
    "Cargo.toml": "rust/Cargo.toml.in",
    "plugin.toml": "rust/plugin.toml.in",
    "README.md": "rust/README.md.in",
    ".gitignore": "rust/gitignore.in",
    "src/lib.rs": "rust/src/lib.rs.in",
    "src/tests.rs": "rust/src/tests.rs.in",
};

/// Of every language but Rust.
const SHARED: Files = files! {
    "plugin.toml": "shared/plugin.toml.in",
    "README.md": "shared/README.md.in",
    ".gitignore": "shared/gitignore.in",
};

const JAVASCRIPT: Files = files! {
    "plugin.js": "javascript/plugin.js.in",
    "package.json": "javascript/package.json.in",
};

const TYPESCRIPT: Files = files! {
    "plugin.ts": "typescript/plugin.ts.in",
    "package.json": "typescript/package.json.in",
    "tsconfig.json": "typescript/tsconfig.json.in",
};

const PYTHON: Files = files! {
    "plugin.py": "python/plugin.py.in",
};

const GO: Files = files! {
    "plugin.go": "go/plugin.go.in",
    "go.mod": "go/go.mod.in",
};

const C: Files = files! {
    "plugin.c": "c/plugin.c.in",
};

/// Paths in the folder, and what is in them.
pub(super) fn files(language: Language) -> impl Iterator<Item = (&'static str, &'static str)> {
    let (own, common) = match language {
        Language::Rust => (RUST, &[] as Files),
        Language::Javascript => (JAVASCRIPT, SHARED),
        Language::Typescript => (TYPESCRIPT, SHARED),
        Language::Python => (PYTHON, SHARED),
        Language::Go => (GO, SHARED),
        Language::C => (C, SHARED),
    };
    own.iter().chain(common).chain(SCENARIOS).copied()
}

/// How its toolchain is had, as lines of a README; nothing where whoever asks has it.
pub(super) fn install(language: Language) -> &'static str {
    match language {
        Language::Rust => "",
        Language::Javascript | Language::Typescript => "    npm install                      # once\n",
        Language::Python => {
            "    python3 -m venv .venv            # once\n    .venv/bin/pip install componentize-py==0.25.1\n"
        }
        Language::Go => "    go version                       # 1.25 or later is needed\n",
        Language::C => {
            "    python3 -m venv .venv            # once; or have clang, lld, libclang-rt-dev-wasm32 and wasi-libc\n    .venv/bin/pip install ziglang==0.17.1\n"
        }
    }
}

/// The template with what is the language's own.
pub(super) fn fill(language: Language, template: &str) -> String {
    let (word, main, facts) = match language {
        Language::Rust => ("rust", "src/lib.rs", ""),
        Language::Javascript => ("javascript", "plugin.js", SCRIPT),
        Language::Typescript => ("typescript", "plugin.ts", SCRIPT),
        Language::Python => ("python", "plugin.py", SNAKE),
        Language::Go => ("go", "plugin.go", GOPHER),
        Language::C => ("c", "plugin.c", BARE),
    };
    template
        .replace("{{language}}", word)
        .replace("{{main}}", main)
        .replace("{{install}}\n", install(language))
        .replace("{{facts}}\n", facts)
}

const SCRIPT: &str = "\
The script runs in QuickJS, with nothing around it but the gateway: no files, no network but `@gateway/plugin/http`, no timers, no promises that
wait for anything. `Date` and `Math.random` stand still: take `clock` and `random` of the SDK. There is no `TextEncoder`: `encode` and
`decode` are UTF-8. Packages that need none of these can be installed and imported. `.gateway/sdk/index.d.ts`, made by each build, says
what there is.
";

const SNAKE: &str = "\
The module runs in CPython, with nothing around it but the gateway: no files, no sockets, no threads. `time` and `random` stand still as they
were when the plugin was built: take `clock` and `random` of the SDK. Pure Python packages in `.venv` can be imported. `.gateway/sdk/`, made by each
build, has the SDK; its docstring says what there is. Building freezes the interpreter and everything that was imported, which takes some 20 seconds.
";

const GOPHER: &str = "\
The package runs with nothing around it but the gateway: no files, no sockets, and one goroutine at a time. `time.Now` and `crypto/rand` stand
still: take `gateway.Now` and `gateway.Random`. `time.Sleep`, timers and whatever waits for them cannot work and trap. `.gateway/sdk/go/`, made
by each build, has the SDK for your editor.
";

const BARE: &str = "\
The module runs with nothing around it but the gateway: no files, no sockets; `time` and `getrandom` stand still: take `gateway_plugin_clock_now`
and `gateway_plugin_random_bytes`. Strings that the gateway gives are a pointer and a length, without a NUL at their end, and are yours to free
(`plugin_string_free`); what you return is freed by the generated code, so allocate it (`plugin_string_dup`). `.gateway/sdk/c/gateway_plugin.h`, made
by each build, has every function.
";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_language_has_a_plugin_a_manifest_a_readme_and_a_test() {
        for language in Language::value_variants() {
            let names: Vec<_> = files(*language).map(|(name, _)| name).collect();
            for needed in
                ["plugin.toml", "README.md", ".gitignore", "scenarios/greeted.toml", "scenarios/greeted.golden"]
            {
                assert_eq!(names.iter().filter(|name| **name == needed).count(), 1, "{language:?}: {names:?}");
            }
            for (name, template) in files(*language) {
                let text = fill(*language, template).replace("{{name}}", "x").replace("{{sdk}}", "x");
                assert!(!text.contains("{{"), "{language:?}: {name}: {text}");
            }
        }
    }
}
