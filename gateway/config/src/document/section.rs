//! The macro by which each section is defined, once.

/// Defines a section: the struct it is decoded to, its decoder, and its description for schema and reference.
///
/// Each key is `"word" => field: Type, presence;` with one of these presences:
///
/// - `required`: an `Option`; `None` when it was missing or wrong, which has been reported then.
/// - `optional`: an `Option`; `None` when it was not written (or wrong).
/// - `default(value)`: the same, and a method of the field's name gives the value or its default.
/// - `empty`: the type's own `Default` when it was not written.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        $name:ident {
            $(
                $(#[doc = $key_doc:literal])+
                $key:literal => $field:ident : $type:ty, $presence:ident $(($default:expr))?;
            )+
            $(rule $rule:ident [$($ruled:literal),+];)*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default)]
        pub(crate) struct $name {
            $(
                $(#[doc = $key_doc])+
                pub(crate) $field: section!(@stored $presence $type),
            )+
        }

        impl $name {
            $( section!(@accessor $presence $field $type $(= $default)?); )+

            /// The description that decoder, schema and reference share.
            pub(crate) fn section() -> &'static $crate::document::definition::Section {
                use $crate::document::definition::{Key, Section, doc_text};
                static SECTION: std::sync::LazyLock<Section> = std::sync::LazyLock::new(|| Section {
                    name: stringify!($name),
                    doc: doc_text(&[$($doc),+]),
                    keys: vec![
                        $(
                            Key {
                                name: $key,
                                doc: doc_text(&[$($key_doc),+]),
                                presence: section!(@presence $presence $type $(= $default)?),
                                shape: <$type as $crate::document::decode::Decode>::shape(),
                            },
                        )+
                    ],
                    rules: vec![$($crate::document::definition::Rule::$rule(&[$($ruled),+])),*],
                });
                &SECTION
            }
        }

        impl $crate::document::decode::Decode for $name {
            fn shape() -> $crate::document::definition::Shape {
                $crate::document::definition::Shape::Section(Self::section)
            }

            fn decode(
                node: &$crate::document::decode::Node<'_>,
                decoder: &mut $crate::document::decode::Decoder<'_>,
            ) -> Option<Self> {
                let table = decoder.section(node, Self::section())?;
                Some(Self {
                    $( $field: section!(@read $presence decoder.value(table, $key)), )+
                })
            }
        }
    };

    (@stored empty $type:ty) => { $type };
    (@stored $presence:ident $type:ty) => { Option<$type> };

    (@read empty $value:expr) => { $value.unwrap_or_default() };
    (@read $presence:ident $value:expr) => { $value };

    (@accessor default $field:ident $type:ty = $default:expr) => {
        /// The value that was written, or the default.
        pub(crate) fn $field(&self) -> $type {
            self.$field.unwrap_or($default)
        }
    };
    (@accessor $presence:ident $field:ident $type:ty) => {};

    (@presence required $type:ty) => { $crate::document::definition::Presence::Required };
    (@presence optional $type:ty) => { $crate::document::definition::Presence::Optional };
    (@presence empty $type:ty) => { $crate::document::definition::Presence::Empty };
    (@presence default $type:ty = $default:expr) => {
        $crate::document::definition::Presence::Default(<serde_json::Value as From<$type>>::from($default))
    };
}

pub(crate) use section;
