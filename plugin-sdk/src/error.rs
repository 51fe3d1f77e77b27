//! Why a function of the gateway refused.

use std::fmt;

/// What a phase returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a function of the gateway refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The plugin did not ask for this capability in `plugin.toml`, or the configuration does not grant it.
    Denied(String),
    /// There is no such thing in this phase, for example a response in `on_request`.
    WrongPhase,
    /// The argument is malformed; the text says how.
    Invalid(String),
    /// The argument passes a bound; the text names it.
    TooLarge(String),
    /// It was allowed and it failed; the text says how.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPhase => formatter.write_str("there is no such thing in this phase"),
            Self::Denied(text) | Self::Invalid(text) | Self::TooLarge(text) | Self::Failed(text) => {
                formatter.write_str(text)
            }
        }
    }
}

impl std::error::Error for Error {}

/// So that `configure` can use `?`.
impl From<Error> for String {
    fn from(error: Error) -> Self {
        error.to_string()
    }
}

/// What is read or written as JSON is not what it should be.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Invalid(error.to_string())
    }
}
