//! Files as people drop them: what is accepted, what is said of the rest (HARDENING.md W12), and the compile cache (W10).

use crate::guest::{Guest, key_check};
use crate::kit::{self, on_request};
use gateway_core::Phase;
use gateway_core::plugin::Plugin;
use gateway_plugin_host::{
    Abi, Capability, Grants, Host, HostError, HostOptions, LoadError, Manifest, inspect, manifest,
};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

#[test]
fn w12_a_file_that_is_no_plugin_is_told_what_would_be_one() {
    let host = kit::host();
    let wat = |text: &str| wat::parse_str(text).unwrap();
    let of_version = |version: &str| {
        wat(&format!("(component (instance $i) (export \"gateway:plugin/on-request@{version}\" (instance $i)))"))
    };
    for (source, text) in [
        (vec![], "the file is empty"),
        (b"(component)".to_vec(), "WebAssembly text"),
        (b"#!/bin/sh".to_vec(), "begins with other bytes"),
        (b"\0asm".to_vec(), "begins with other bytes"),
        (vec![0; (64 << 20) + 1], "at most 67108864"),
        (wat("(module)"), "wasm-tools component new"),
        (wat("(component)"), "it exports nothing"),
        (of_version("0.2.0"), "`gateway:plugin@0.1.0` is accepted"),
        (of_version("0.1.0"), "does not fit"),
        (exporting(&["wasi:http/incoming-handler@0.2.3"]), "does not fit `wasi:http`"),
        (exporting(&["wasi:http/handler@0.3.0"]), "does not fit `wasi:http`"),
        (
            exporting(&["wasi:http/handler@0.3.0-rc-2025-09-16"]),
            "not supported; accepted are phases of `gateway:plugin@0.1`",
        ),
        (exporting(&["wasi:http/incoming-handler@0.1.0"]), "and `wasi:http/incoming-handler@0.2`"),
        (exporting(&["wasi:http/incoming-handler@0.2.3", "wasi:http/handler@0.3.0"]), "accepted is exactly one of"),
        (exporting(&["gateway:plugin/on-request@0.1.0", "wasi:http/handler@0.3.0"]), "accepted is exactly one of"),
        (key_check()[..500].to_vec(), "malformed"),
    ] {
        let refused = host.load("test", &source).err().unwrap().to_string();
        assert!(refused.contains(text), "{refused}");
    }
}

/// A component with instances of these names, and nothing in them.
fn exporting(names: &[&str]) -> Vec<u8> {
    let exports: String = names.iter().map(|name| format!("(export \"{name}\" (instance $i))")).collect();
    wat::parse_str(format!("(component (instance $i) {exports})")).unwrap()
}

#[test]
fn a_component_of_wasi_http_is_told_by_what_it_exports_and_imports() {
    for (imported, exported, abi, version, phase) in [
        (None, "wasi:http/incoming-handler@0.2.12", Abi::WasiHttp02, "0.2.12", Phase::Service),
        (None, "wasi:http/handler@0.3.0", Abi::WasiHttp03, "0.3.0", Phase::Service),
        (Some("wasi:http/handler@0.3.0"), "wasi:http/handler@0.3.0", Abi::WasiHttp03, "0.3.0", Phase::Middleware),
    ] {
        let import = imported.map_or_else(String::new, |name| format!("(import \"{name}\" (instance))"));
        let text = format!("(component {import} (instance $i) (export \"{exported}\" (instance $i)))");
        let inspection = inspect(&wat::parse_str(&text).unwrap()).unwrap();
        assert_eq!((inspection.abi, &*inspection.version), (abi, version), "{text}");
        assert_eq!(inspection.phases, [phase], "{text}");
    }
}

#[test]
fn imports_that_nobody_offers_are_named() {
    let source = wat::parse_str(
        "(component
            (import \"wasi:cli/environment@0.2.3\" (instance))
            (instance $i) (export \"gateway:plugin/on-request@0.1.0\" (instance $i)))",
    );
    let refused = kit::host().load("test", &source.unwrap()).err().unwrap();
    assert!(matches!(&refused, LoadError::Foreign(names, _) if names == &["wasi:cli/environment@0.2.3"]), "{refused}");
}

#[test]
fn a_component_of_wasi_http_has_what_we_offer_but_the_messages_and_other_versions() {
    for (import, is_foreign) in [
        ("gateway:plugin/request@0.1.0", true),
        ("gateway:plugin/response@0.1.0", true),
        ("gateway:plugin/kv@0.2.0", true),
        ("other:package/kv@0.1.0", true),
        ("gateway:plugin/kv@0.1.7", false),
        ("gateway:plugin/exchange@0.1.0", false),
    ] {
        let text = format!(
            "(component (import \"{import}\" (instance $imported)) (instance $empty)
                (export \"wasi:http/handler@0.3.0\" (instance $empty)))"
        );
        let refused = kit::host().load("x", &wat::parse_str(text).unwrap()).err().unwrap();
        match refused {
            LoadError::Foreign(names, _) if is_foreign => assert_eq!(names, [import]),
            // What it exports is no handler; its imports were taken.
            LoadError::Import(_) if !is_foreign => {}
            other => panic!("{import}: {other}"),
        }
    }
}

/// W12: what a file says of itself is shown to people at a terminal.
#[test]
fn w12_names_in_a_file_steer_no_terminal() {
    let with = |key: &str, value: serde_json::Value| {
        let mut manifest = json!({ "name": "check" });
        manifest[key] = value;
        let section = format!("\x10gateway:manifest{manifest}");
        let length = u8::try_from(section.len()).unwrap();
        assert!(length < 128, "it has one byte of LEB128");
        [&key_check()[..], &[0, length], section.as_bytes()].concat()
    };
    inspect(&with("version", json!("1"))).unwrap();
    let import = wat::parse_str("(component (import \"a\" (instance)) (export \"b\" (instance 0)))").unwrap();
    let escape = |byte: u8| if byte == b'a' { 0x1b } else { byte };
    let import = [&import[..8], &import[8..].iter().map(|byte| escape(*byte)).collect::<Vec<_>>()].concat();
    let text = json!("a\u{1b}[31m");
    for source in [
        with("name", text.clone()),
        with("version", text.clone()),
        with("description", json!("a\u{9b}31m")),
        with("capabilities", json!([text])),
        import,
    ] {
        let refused = inspect(&source).err().unwrap().to_string();
        assert!(!refused.contains(char::is_control), "{refused:?}");
    }
}

#[test]
fn a_manifest_goes_in_and_comes_out() {
    let toml = "name = \"check\"\nversion = \"1.2.0\"\ndescription = \"Checks.\"\ncapabilities = [\"identity\", \"set-upstream\"]\nschema = \"schema.json\"\n";
    let source = manifest::parse_toml(toml).unwrap();
    assert_eq!(source.schema, Some(PathBuf::from("schema.json")));
    let schema = json!({ "type": "object", "required": ["header"] });
    let manifest = source.manifest(&key_check(), Some(schema)).unwrap();
    assert_eq!((&*manifest.api, &*manifest.phases), ("0.1.0", &["on-request".to_owned()][..]));
    let component = manifest::embed(&key_check(), &manifest);
    let inspection = inspect(&component).unwrap();
    assert_eq!(inspection.manifest, Some(manifest.clone()));
    assert_eq!(inspection.phases, [Phase::OnRequest]);
    assert!(inspection.imports.contains(&"gateway:plugin/request@0.1.0".to_owned()));
    assert_eq!(manifest.problems(&json!({}), &Grants::default()).len(), 1);
    let loaded = kit::host().load("test", &component).unwrap();
    assert_eq!(loaded.asked(), [Capability::Identity, Capability::SetUpstream]);

    for (toml, text) in [
        ("name = 1", "string"),
        ("name = \"a\"\nversion = \"1\"\ncapabilties = []", "unknown field"),
        ("name = \"a\"\nversion = \"1\"\ncapabilities = [\"root\"]", "unknown variant"),
    ] {
        assert!(manifest::parse_toml(toml).unwrap_err().contains(text), "{toml}");
    }
    let newer = json!({ "name": "a", "signed_by": "somebody" }).to_string();
    assert!(Manifest::parse(newer.as_bytes()).is_ok());
}

#[tokio::test]
async fn w10_compiled_code_is_kept_and_never_trusted_blindly() {
    let directory = Directory::new("cache");
    let host = || {
        Host::new(HostOptions { cache: Some(directory.0.clone()), instances: 10, ..HostOptions::default() }).unwrap()
    };
    let load = || host().load("test", &key_check()).unwrap().cached;
    assert!(!load());
    assert!(load());
    let compiled: Vec<PathBuf> = fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().path()).collect();
    let code = compiled.iter().find(|path| path.extension().is_some_and(|extension| extension == "cwasm")).unwrap();
    assert_eq!(fs::metadata(code).unwrap().permissions().mode() & 0o777, 0o600);

    let mut bytes = fs::read(code).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(code, &bytes).unwrap();
    assert!(!load(), "one changed bit");
    assert!(load(), "and it was written anew");
    fs::set_permissions(code, Permissions::from_mode(0o622)).unwrap();
    assert!(!load(), "a file that others may write");
    fs::write(code, "").unwrap();
    assert!(!load(), "an empty file");

    let host = host();
    let plugin = kit::try_plugin(&host, &key_check(), kit::settings()).await.unwrap();
    assert!(plugin.loaded().cached);
    assert_eq!(on_request(&plugin).await.unwrap().0, 0);
}

#[test]
fn w10_a_directory_that_others_can_reach_is_refused() {
    let directory = Directory::new("open");
    fs::create_dir(&directory.0).unwrap();
    fs::set_permissions(&directory.0, Permissions::from_mode(0o755)).unwrap();
    let refused = Host::new(HostOptions { cache: Some(directory.0.clone()), instances: 1, ..HostOptions::default() });
    assert!(matches!(refused, Err(HostError::Cache(..))));
}

/// The store belongs to the plugin's name, so a new version finds what the old one wrote.
#[tokio::test]
async fn stored_values_outlive_a_reload() {
    let mut guest = Guest::new().import("kv.increment");
    let key = guest.text("requests");
    let body = format!(
        "(result i32) (call $kv.increment {key} (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 64))
         (call $respond (i32.add (i32.const 200) (i32.load (i32.const 72))) (i32.const 0) (i32.const 0))"
    );
    let component = guest.phase("on-request", body).build();
    let host = kit::host();
    for expected in [201, 202, 203] {
        let plugin = kit::try_plugin(&host, &component, kit::settings()).await.unwrap();
        assert_eq!(on_request(&plugin).await.unwrap().0, expected);
    }
    let mut other = kit::settings();
    other.name = "other".into();
    assert_eq!(on_request(&kit::try_plugin(&host, &component, other).await.unwrap()).await.unwrap().0, 201);
}

/// Idle instances of one plugin make room for another when the process has no more.
#[tokio::test]
async fn the_process_s_bound_is_shared() {
    let host = Host::new(HostOptions { instances: 2, threads: 1, ..HostOptions::default() }).unwrap();
    let mut plugins = Vec::new();
    for number in 0..6 {
        let mut settings = kit::settings();
        settings.name = format!("plugin-{number}").into();
        plugins.push(kit::try_plugin(&host, &key_check(), settings).await.unwrap());
    }
    for plugin in plugins.iter().chain(&plugins) {
        on_request(plugin).await.unwrap();
    }
    assert_eq!(plugins.iter().map(|plugin| plugin.instances().live).sum::<usize>(), 2);
    assert_eq!(plugins.iter().map(|plugin| plugin.name().to_string()).next().unwrap(), "plugin-0");
}

/// An instance takes a place for each of its memories, so that the engine never has to refuse one (HARDENING W8).
#[tokio::test]
async fn w8_an_instance_with_several_memories_takes_as_many_places() {
    let host = Host::new(HostOptions { instances: 7, threads: 1, ..HostOptions::default() }).unwrap();
    let component = with_memories(&key_check(), 2);
    let mut plugins = Vec::new();
    for number in 0..4 {
        let mut settings = kit::settings();
        settings.name = format!("plugin-{number}").into();
        plugins.push(kit::try_plugin(&host, &component, settings).await.unwrap());
    }
    for plugin in plugins.iter().chain(&plugins) {
        on_request(plugin).await.unwrap();
    }
    assert_eq!(plugins.iter().map(|plugin| plugin.instances().live).sum::<usize>(), 2);
    assert_eq!(host.free_instances(), 1);
    let small = kit::try_plugin(&host, &key_check(), kit::settings()).await.unwrap();
    on_request(&small).await.unwrap();
    assert_eq!(host.free_instances(), 0);
}

/// The component with so many more modules, each with a memory, instantiated.
fn with_memories(component: &[u8], more: u32) -> Vec<u8> {
    use wasm_encoder::{ComponentSection as _, InstanceSection, MemorySection, MemoryType, Module, ModuleSection};
    let top = wasmparser::Parser::new(0).parse_all(component).filter_map(Result::ok);
    let mut depth = 0;
    let mut modules = 0;
    for payload in top {
        match payload {
            wasmparser::Payload::ModuleSection { .. } if depth == 0 => (modules, depth) = (modules + 1, 1),
            wasmparser::Payload::ModuleSection { .. } | wasmparser::Payload::ComponentSection { .. } => depth += 1,
            wasmparser::Payload::End(_) if depth > 0 => depth -= 1,
            _ => {}
        }
    }
    let mut whole = component.to_vec();
    for number in 0..more {
        let (mut memories, mut module, mut instances) = (MemorySection::new(), Module::new(), InstanceSection::new());
        let memory = MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
        module.section(memories.memory(memory));
        ModuleSection(&module).append_to_component(&mut whole);
        instances.instantiate(modules + number, Vec::<(&str, wasm_encoder::ModuleArg)>::new());
        instances.append_to_component(&mut whole);
    }
    whole
}

/// A directory of this test, removed after it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gateway-plugin-host-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
