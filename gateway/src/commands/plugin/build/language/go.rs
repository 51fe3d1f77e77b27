//! Go, by the stock compiler.

use super::Workplace;
use super::tool::{Tool, run};
use crate::commands::plugin::build::read;

const COMPILER: Tool =
    Tool { names: &["go"], local: ".venv/bin", hint: "https://go.dev/dl has it; 1.25 or later is needed" };

macro_rules! sdk {
    ($($name:literal),* $(,)?) => {
        [$((concat!("sdk/go/", $name), include_str!(concat!("../../../../../../plugin-sdk/go/", $name)))),*]
    };
}

/// The SDK, as it is published: its own files and the bindings that `wit-bindgen go` makes of gateway.wit.
const SDK: [(&str, &str); 55] = sdk![
    "capabilities.go",
    "go.mod",
    "message.go",
    "plugin.go",
    "internal/bind/export_gateway_plugin_configure/export.go",
    "internal/bind/export_gateway_plugin_handle/export.go",
    "internal/bind/export_gateway_plugin_on_complete/export.go",
    "internal/bind/export_gateway_plugin_on_request/export.go",
    "internal/bind/export_gateway_plugin_on_request_body/export.go",
    "internal/bind/export_gateway_plugin_on_response/export.go",
    "internal/bind/export_gateway_plugin_on_response_body/export.go",
    "internal/bind/gateway_plugin_clock/empty.s",
    "internal/bind/gateway_plugin_clock/wit_bindings.go",
    "internal/bind/gateway_plugin_config/empty.s",
    "internal/bind/gateway_plugin_config/wit_bindings.go",
    "internal/bind/gateway_plugin_crypto/empty.s",
    "internal/bind/gateway_plugin_crypto/wit_bindings.go",
    "internal/bind/gateway_plugin_exchange/empty.s",
    "internal/bind/gateway_plugin_exchange/wit_bindings.go",
    "internal/bind/gateway_plugin_handle/empty.s",
    "internal/bind/gateway_plugin_handle/wit_bindings.go",
    "internal/bind/gateway_plugin_http/empty.s",
    "internal/bind/gateway_plugin_http/wit_bindings.go",
    "internal/bind/gateway_plugin_kv/empty.s",
    "internal/bind/gateway_plugin_kv/wit_bindings.go",
    "internal/bind/gateway_plugin_limit/empty.s",
    "internal/bind/gateway_plugin_limit/wit_bindings.go",
    "internal/bind/gateway_plugin_log/empty.s",
    "internal/bind/gateway_plugin_log/wit_bindings.go",
    "internal/bind/gateway_plugin_metrics/empty.s",
    "internal/bind/gateway_plugin_metrics/wit_bindings.go",
    "internal/bind/gateway_plugin_on_complete/empty.s",
    "internal/bind/gateway_plugin_on_complete/wit_bindings.go",
    "internal/bind/gateway_plugin_on_request/empty.s",
    "internal/bind/gateway_plugin_on_request/wit_bindings.go",
    "internal/bind/gateway_plugin_on_request_body/empty.s",
    "internal/bind/gateway_plugin_on_request_body/wit_bindings.go",
    "internal/bind/gateway_plugin_on_response/empty.s",
    "internal/bind/gateway_plugin_on_response/wit_bindings.go",
    "internal/bind/gateway_plugin_on_response_body/empty.s",
    "internal/bind/gateway_plugin_on_response_body/wit_bindings.go",
    "internal/bind/gateway_plugin_random/empty.s",
    "internal/bind/gateway_plugin_random/wit_bindings.go",
    "internal/bind/gateway_plugin_request/empty.s",
    "internal/bind/gateway_plugin_request/wit_bindings.go",
    "internal/bind/gateway_plugin_response/empty.s",
    "internal/bind/gateway_plugin_response/wit_bindings.go",
    "internal/bind/gateway_plugin_secrets/empty.s",
    "internal/bind/gateway_plugin_secrets/wit_bindings.go",
    "internal/bind/gateway_plugin_types/empty.s",
    "internal/bind/gateway_plugin_types/wit_bindings.go",
    "internal/bind/wit_exports/wit_exports.go",
    "internal/hook/hook.go",
    "internal/wit/runtime/runtime.go",
    "internal/wit/types/types.go",
];

/// The core module of the package in the folder.
pub(super) fn build(place: &Workplace<'_>) -> anyhow::Result<Vec<u8>> {
    place.file("go.mod")?;
    let compiler = COMPILER.find(place)?;
    for (name, text) in SDK {
        place.write(name, text)?;
    }
    let output = place.output();
    let arguments = [
        "build".into(),
        "-mod=mod".into(),
        "-buildmode=c-shared".into(),
        "-trimpath".into(),
        "-ldflags=-s -w".into(),
        "-o".into(),
        output.clone().into_os_string(),
        ".".into(),
    ];
    run(&compiler, arguments, &[("GOOS", "wasip1"), ("GOARCH", "wasm"), ("GOWORK", "off")], place)?;
    read(&output)
}
