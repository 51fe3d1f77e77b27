//! One of a few words.

/// Implements `Decode` for an enum that is written as one of a few words.
macro_rules! choice {
    ($type:ty { $($word:literal => $variant:ident),+ $(,)? }) => {
        impl $crate::document::decode::Decode for $type {
            fn shape() -> $crate::document::definition::Shape {
                $crate::document::definition::Shape::Choice(&[$($word),+])
            }

            fn decode(
                node: &$crate::document::decode::Node<'_>,
                decoder: &mut $crate::document::decode::Decoder<'_>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($word),+];
                match node.get_ref().as_str() {
                    $(Some($word) => Some(Self::$variant),)+
                    Some(text) => {
                        let message = format!("`{text}` is none of `{}`", WORDS.join("`, `"));
                        let hint = $crate::suggest::did_you_mean(text, WORDS.iter().copied());
                        decoder.report(node, $crate::Diagnostic::error("unknown-word", message).maybe_hint(hint));
                        None
                    }
                    None => {
                        decoder.wrong_type(node, &Self::shape().what(), None);
                        None
                    }
                }
            }
        }

        impl From<$type> for serde_json::Value {
            fn from(value: $type) -> Self {
                match value {
                    $(<$type>::$variant => $word.into(),)+
                }
            }
        }
    };
}

pub(crate) use choice;
