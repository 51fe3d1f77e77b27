//! `[secret.NAME]`.

use crate::document::decode::Spanned;
use crate::document::section::section;
use crate::document::value::{Name, PlainText};

section! {
    /// A value that is a secret.
    SecretValue {
        /// The secret's name.
        "secret" => secret: Spanned<Name>, required;
    }
}

section! {
    /// Where a secret comes from.
    SecretSource {
        /// A file that holds it, relative to this one. One line break at its end does not count.
        "file" => file: Spanned<PlainText>, optional;
        /// An environment variable that holds it.
        "env" => env: Spanned<Name>, optional;
        rule ExactlyOne ["file", "env"];
    }
}
