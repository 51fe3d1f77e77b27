//! `[store.NAME]`.

use toml::de::DeValue;

use super::SecretValue;
use crate::WhenAway;
use crate::document::decode::{Decode, Decoder, Node, Spanned};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::{Name, Percent, PlainText, RedisUrl, Time, choice};

section! {
    /// A Redis (or Valkey) that several gateways share: budgets of plugins with the grant `limit`, and values of those with the
    /// grant `kv`. It is reached when it is first needed, and reached again when it was away.
    Store {
        /// Where it listens: `redis://HOST:PORT`, with `/NUMBER` for another database than 0, `rediss://` for TLS.
        "redis" => redis: Spanned<RedisUrl>, required;
        /// Who to log in as; its default user when not written.
        "username" => username: PlainText, optional;
        /// The password: `{ secret = "NAME" }`.
        "password" => password: SecretValue, optional;
        /// A file in PEM, relative to this one: the authorities that sign its certificate; the system's when not written.
        "ca" => ca: Spanned<PlainText>, optional;
        /// What keys begin with, `gateway` when not written: gateways that share budgets have the same.
        "prefix" => prefix: Name, optional;
        /// For each command, and for a connection.
        "timeout" => timeout: Time, default(Time::milliseconds(100));
        /// What limits do while it does not answer: each gateway counts for itself, nothing is allowed, or everything.
        "when-away" => when_away: WhenAway, default(WhenAway::Local);
        /// How much of a budget one gateway may take ahead of its requests, so that Redis is not asked for each; `"5 %"` when not
        /// written. `false` has it asked for each.
        "ahead" => ahead: Ahead, optional;
    }
}

choice!(WhenAway { "local" => Local, "deny" => Deny, "allow" => Allow });

/// `false`, or a share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ahead(pub(crate) u8);

impl Decode for Ahead {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Boolean, Percent::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Boolean(false) => Some(Self(0)),
            DeValue::String(_) => Percent::decode(node, decoder).map(|percent| Self(percent.number())),
            _ => {
                decoder.wrong_type(node, "`false` or a share", Some("for example `\"5 %\"`".to_owned()));
                None
            }
        }
    }
}

/// Where budgets are counted: `true`, or the name of a store.
#[derive(Debug, Clone, Default)]
pub(crate) enum LimitGrant {
    /// Not at all.
    #[default]
    None,
    /// In memory.
    Local,
    /// In a store.
    Store(Spanned<Name>),
}

impl Decode for LimitGrant {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Boolean, Name::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Boolean(false) => Some(Self::None),
            DeValue::Boolean(true) => Some(Self::Local),
            DeValue::String(_) => Spanned::decode(node, decoder).map(Self::Store),
            _ => {
                decoder.wrong_type(node, "`true` or the name of a store", None);
                None
            }
        }
    }
}
