//! The bindings of the SDKs for C and Go are what their generators make of gateway.wit. `BLESS=1` writes them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Everything that a generator makes of the world of everything, by name.
fn generate(mut generator: Box<dyn WorldGenerator>) -> BTreeMap<String, String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(repository().join("wit/0.1")).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files).unwrap();
    // What is no text is the description of the world, which `gateway plugin build` writes anew.
    let text = |(name, content): (&str, &[u8])| Some((name.to_owned(), String::from_utf8(content.to_vec()).ok()?));
    files.iter().filter_map(text).collect()
}

fn check(folder: &str, generated: BTreeMap<String, String>) {
    assert!(!generated.is_empty());
    let bless = std::env::var_os("BLESS").is_some();
    for (name, text) in generated {
        let path = repository().join(folder).join(name.trim_start_matches("./"));
        if bless {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        } else {
            let there = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                there == text,
                "{} is not what its generator makes of gateway.wit: BLESS=1 writes it",
                path.display()
            );
        }
    }
}

#[test]
fn those_of_c_are_fresh() {
    let generated = generate(wit_bindgen_c::Opts::default().build());
    let renamed = generated.into_iter().filter_map(|(name, text)| {
        let (bindings, _) = text.split_once("// Ensure that the *_component_type.o").unwrap_or((&text, ""));
        let bindings = bindings.replace("#include \"plugin.h\"", "#include \"gateway_plugin.h\"");
        ["plugin.c", "plugin.h"].contains(&name.as_str()).then(|| (format!("gateway_{name}"), bindings))
    });
    check("plugin-sdk/c", renamed.collect());
}

#[test]
fn those_of_go_are_fresh() {
    let options = wit_bindgen_go::Opts {
        format: wit_bindgen_go::Format::False,
        pkg_name: Some("gateway.local/plugin/internal/bind".to_owned()),
        ..wit_bindgen_go::Opts::default()
    };
    let generated = generate(options.build());
    // The package that they share is ours: a module's own replacements do not count where it is used.
    let ours = |text: String| text.replace("go.bytecodealliance.org/pkg/wit/", "gateway.local/plugin/internal/wit/");
    check("plugin-sdk/go/internal/bind", generated.into_iter().map(|(name, text)| (name, ours(text))).collect());
}
