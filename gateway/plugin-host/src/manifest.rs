//! A manifest: what a plugin says of itself. It stands in the component, in a custom section of JSON; `plugin.toml` is
//! its source.

use crate::capabilities::log::printable;
use crate::grant::{Capability, Grants};
use crate::reach::Reach;
use crate::schema::{self, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::path::PathBuf;
use wasm_encoder::{ComponentSection, CustomSection, Encode};

/// The name of the custom section.
pub const SECTION: &str = "gateway:manifest";

/// What a plugin says of itself. Keys that this version does not know are skipped: a newer tool may have written them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its name, for people; the configuration names it by its own word.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// What it is for, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The version of the WIT it was built against.
    #[serde(default)]
    pub api: String,
    /// The phases it exports.
    #[serde(default)]
    pub phases: Vec<String>,
    /// What it asks for: it cannot be used without.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// What it uses where it is granted, and can do without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<Capability>,
    /// A JSON Schema of its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

impl Manifest {
    /// A manifest as it stands in a component.
    ///
    /// # Errors
    /// In words: it is not JSON, has another shape, asks for something that does not exist, or its schema is none.
    pub fn parse(section: &[u8]) -> Result<Self, String> {
        serde_json::from_slice::<Self>(section).map_err(|error| printable(&error.to_string()))?.checked()
    }

    fn checked(self) -> Result<Self, String> {
        // They are shown at terminals.
        if [&self.name, &self.version, &self.description].iter().any(|text| text.contains(char::is_control)) {
            return Err("its name, version or description has control characters or line breaks".to_owned());
        }
        if let Some(schema) = &self.schema {
            schema::check(schema).map_err(|reason| format!("its schema is none: {reason}"))?;
        }
        Ok(self)
    }

    /// Everything in a configuration that the schema does not allow, and every URL in it that would be called and is not granted.
    /// Nothing without a schema.
    #[must_use]
    pub fn problems(&self, configuration: &Value, grants: &Grants) -> Vec<Problem> {
        self.schema.as_ref().map_or_else(Vec::new, |schema| schema::problems(schema, configuration, Reach::of(grants)))
    }
}

/// What a plugin is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// A crate.
    Rust,
    /// `plugin.js`
    Javascript,
    /// `plugin.ts`
    Typescript,
    /// `plugin.py`
    Python,
    /// A package.
    Go,
    /// Every `*.c`.
    C,
}

/// `plugin.toml`, as its author writes it. The API version and the phases of the manifest are read from the component.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// See [`Manifest::name`].
    pub name: String,
    /// See [`Manifest::version`].
    pub version: String,
    /// See [`Manifest::description`].
    #[serde(default)]
    pub description: String,
    /// See [`Manifest::capabilities`].
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// See [`Manifest::optional`].
    #[serde(default)]
    pub optional: Vec<Capability>,
    /// A file with a JSON Schema, relative to `plugin.toml`.
    #[serde(default)]
    pub schema: Option<PathBuf>,
    /// What it is written in; a crate where nothing is said.
    #[serde(default)]
    pub language: Option<Language>,
    /// The phases that it exports, for a toolchain that has to be told.
    #[serde(default)]
    pub phases: Vec<String>,
}

/// Reads `plugin.toml`.
///
/// # Errors
/// In words, with the line.
pub fn parse_toml(text: &str) -> Result<Source, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

impl Source {
    /// Whether it may use a capability, where that is granted.
    #[must_use]
    pub fn may_use(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability) || self.optional.contains(&capability)
    }

    /// The manifest of this component. `schema` is what [`Source::schema`] names, read.
    ///
    /// # Errors
    /// Why the component is no plugin, or the schema no schema.
    pub fn manifest(self, component: &[u8], schema: Option<Value>) -> Result<Manifest, String> {
        let inspection = crate::inspect(component).map_err(|error| error.to_string())?;
        let manifest = Manifest {
            name: self.name,
            version: self.version,
            description: self.description,
            api: inspection.version,
            phases: inspection.phases.iter().map(|phase| phase.name().to_owned()).collect(),
            capabilities: self.capabilities,
            optional: self.optional,
            schema,
        };
        manifest.checked()
    }
}

/// The component with this manifest in it, after all else.
#[must_use]
pub fn embed(component: &[u8], manifest: &Manifest) -> Vec<u8> {
    let json = serde_json::json!(manifest).to_string();
    let section = CustomSection { name: Cow::Borrowed(SECTION), data: Cow::Borrowed(json.as_bytes()) };
    let mut with = component.to_vec();
    with.push(ComponentSection::id(&section));
    section.encode(&mut with);
    with
}
