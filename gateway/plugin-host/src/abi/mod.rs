//! The interfaces by which a component can be a plugin. Its exports choose one.

pub(crate) mod gateway;

/// One of the interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Abi {
    /// `gateway:plugin`, ours.
    Gateway,
}

impl Abi {
    /// The name of its package.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway:plugin",
        }
    }
}
