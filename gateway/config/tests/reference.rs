//! The generated references are fresh. `BLESS=1 cargo test -p gateway-config --test reference` rewrites them.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::path::Path;

use gateway_config::reference::{page, schema};

#[test]
fn the_schema_is_fresh() {
    let schema = serde_json::to_string_pretty(&schema()).unwrap();
    assert_fresh("gateway.schema.json", &format!("{schema}\n"));
}

#[test]
fn the_page_is_fresh() {
    assert_fresh("configuration.md", &page());
}

/// The schema is laxer than the decoder, never stricter.
#[test]
fn the_schema_accepts_what_the_decoder_accepts() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let everything: serde_json::Value = toml::from_str(include_str!("ui/everything.toml")).unwrap();
    let errors: Vec<String> = validator.iter_errors(&everything).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let unknown: serde_json::Value = toml::from_str(include_str!("ui/unknown-key.toml")).unwrap();
    assert!(!validator.is_valid(&unknown));
}

fn assert_fresh(name: &str, generated: &str) {
    let file = Path::new("../docs/reference").join(name);
    if std::env::vars().any(|(name, value)| name == "BLESS" && value == "1") {
        std::fs::create_dir_all("../docs/reference").unwrap();
        std::fs::write(&file, generated).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == generated, "{name} is stale: BLESS=1 rewrites it");
}
