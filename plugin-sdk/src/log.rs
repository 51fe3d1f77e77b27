//! The gateway's log. Each entry carries the plugin's name and the request id.

use std::fmt::Arguments;

/// How much an entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Every step.
    Trace,
    /// For the plugin's author.
    Debug,
    /// What happens.
    Info,
    /// What should not be, and was dealt with.
    Warn,
    /// What failed.
    Error,
}

/// Writes an entry: at most 100 a second, of 8 KiB each.
pub fn write(level: Level, message: Arguments<'_>) {
    match message.as_str() {
        Some(message) => crate::sys::log::log(level, message),
        None => crate::sys::log::log(level, &message.to_string()),
    }
}

/// Logs at the level `trace`, with the arguments of `format!`.
#[macro_export]
macro_rules! trace {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Trace, ::core::format_args!($($message)*)) };
}

/// Logs at the level `debug`, with the arguments of `format!`.
#[macro_export]
macro_rules! debug {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($message)*)) };
}

/// Logs at the level `info`, with the arguments of `format!`.
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Info, ::core::format_args!($($message)*)) };
}

/// Logs at the level `warn`, with the arguments of `format!`.
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($message)*)) };
}

/// Logs at the level `error`, with the arguments of `format!`.
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Error, ::core::format_args!($($message)*)) };
}
