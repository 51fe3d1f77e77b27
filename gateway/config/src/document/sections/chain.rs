//! `[chain.NAME]`, and what stands in a chain.

use toml::de::DeValue;

use super::plugin::Limits;
use crate::OnError;
use crate::document::decode::{Decode, Decoder, Node, Spanned};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::{JsonConfig, Name};

section! {
    /// Plugins in a row, to be named by routes, listeners and other chains.
    Chain {
        /// Names of plugins or of other chains, or tables that give a plugin a configuration of its own.
        "plugins" => plugins: Vec<ChainEntry>, required;
    }
}

section! {
    /// A plugin with a configuration of its own at this place.
    PluginEntry {
        /// The plugin's name.
        "plugin" => plugin: Spanned<Name>, required;
        /// Replaces the plugin's own configuration as a whole.
        "config" => config: JsonConfig, optional;
        /// What happens to a request when it fails; as for the plugin when not written.
        "on_error" => on_error: OnError, optional;
        /// Whether bodies are decoded before it reads them; as for the plugin when not written.
        "decode" => decode: bool, optional;
        /// Each one that is written replaces the plugin's own.
        "limits" => limits: Limits, empty;
    }
}

/// A name, or a plugin with a configuration of its own.
#[derive(Debug, Clone)]
pub(crate) enum ChainEntry {
    /// A chain, else a plugin.
    Named(Spanned<Name>),
    /// A plugin.
    Plugin(Box<PluginEntry>),
}

impl Decode for ChainEntry {
    fn shape() -> Shape {
        Shape::Either(vec![Name::shape(), PluginEntry::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::String(_) => Spanned::decode(node, decoder).map(Self::Named),
            DeValue::Table(_) => PluginEntry::decode(node, decoder).map(Box::new).map(Self::Plugin),
            _ => {
                decoder.wrong_type(node, "a name or a table with `plugin`", None);
                None
            }
        }
    }
}
