//! The types of the WIT in a guest's memory.

use super::lift::{Lift, Source};
use super::lower::{Lower, Parcel, larger};
use crate::abi::gateway::wit::{crypto, http, limit, log, types};
use wasmtime::{Result, bail};

macro_rules! lift_record {
    ($($record:ty { $($field:ident: $type:ty),* })*) => {$(
        impl Lift for $record {
            const SIZE: u32 = {
                let mut end = 0_u32;
                $(end = end.next_multiple_of(<$type as Lift>::ALIGN) + <$type as Lift>::SIZE;)*
                end.next_multiple_of(<Self as Lift>::ALIGN)
            };
            const ALIGN: u32 = {
                let mut align = 1;
                $(if <$type as Lift>::ALIGN > align { align = <$type as Lift>::ALIGN })*
                align
            };

            fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
                let mut end = 0_u32;
                $(
                    let begin = end.next_multiple_of(<$type as Lift>::ALIGN);
                    let $field = <$type as Lift>::lift(source, at.saturating_add(begin))?;
                    end = begin + <$type as Lift>::SIZE;
                )*
                let _ = end;
                Ok(Self { $($field),* })
            }
        }
    )*};
}

macro_rules! lower_record {
    ($($record:ty { $($field:ident: $type:ty),* })*) => {$(
        impl Lower for $record {
            const SIZE: usize = {
                let mut end = 0_usize;
                $(end = end.next_multiple_of(<$type as Lower>::ALIGN) + <$type as Lower>::SIZE;)*
                end.next_multiple_of(<Self as Lower>::ALIGN)
            };
            const ALIGN: usize = {
                let mut align = 1;
                $(align = larger(align, <$type as Lower>::ALIGN);)*
                align
            };

            fn lower(&self, parcel: &mut Parcel, at: usize) {
                let mut end = 0_usize;
                $(
                    let begin = end.next_multiple_of(<$type as Lower>::ALIGN);
                    self.$field.lower(parcel, at + begin);
                    end = begin + <$type as Lower>::SIZE;
                )*
                let _ = end;
            }
        }
    )*};
}

/// A type of which a guest says which case it means.
pub(super) trait Case: Sized + Copy + 'static {
    /// All of them, in the order of the WIT.
    const CASES: &'static [Self];

    /// The one with this number.
    fn case(number: u32) -> Result<Self> {
        match usize::try_from(number).ok().and_then(|number| Self::CASES.get(number)) {
            Some(case) => Ok(*case),
            None => bail!("unexpected discriminant: {number}"),
        }
    }
}

macro_rules! cases {
    ($($name:ty { $($case:ident),* })*) => {$(
        impl Case for $name {
            const CASES: &'static [Self] = &[$(Self::$case),*];
        }

        impl Lift for $name {
            const SIZE: u32 = 1;
            const ALIGN: u32 = 1;

            fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
                Self::case(source.value::<u8>(at)?.into())
            }
        }
    )*};
}

cases! {
    log::Level { Trace, Debug, Info, Warn, Error }
    limit::Algorithm { TokenBucket, SlidingWindow, FixedWindow, Concurrency }
    crypto::Algorithm { Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, Es512, Eddsa, Hs256, Hs384, Hs512 }
}

lift_record! {
    types::Field { name: String, value: Vec<u8> }
    types::Response { status: u16, headers: Vec<types::Field>, body: Vec<u8> }
    http::Request { method: String, url: String, headers: Vec<types::Field>, body: Vec<u8>, timeout: Option<u32> }
    limit::Budget { key: String, algorithm: limit::Algorithm, limit: u64, window: u64, burst: u64 }
}

lower_record! {
    types::Field { name: String, value: Vec<u8> }
    types::Response { status: u16, headers: Vec<types::Field>, body: Vec<u8> }
    limit::Standing { allowed: bool, remaining: u64, reset: u64, retry_after: u64 }
    crypto::KeySet { id: u32, keys: u32, refused: Vec<String> }
    crypto::Verified { algorithm: crypto::Algorithm, typ: Option<String>, payload: Vec<u8> }
}

impl Lower for crypto::Algorithm {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        (*self as u8).lower(parcel, at);
    }
}

impl Lower for types::Error {
    const SIZE: usize = 12;
    const ALIGN: usize = 4;

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        let (case, text) = match self {
            Self::Denied(text) => (0_u8, Some(text)),
            Self::WrongPhase => (1, None),
            Self::Invalid(text) => (2, Some(text)),
            Self::TooLarge(text) => (3, Some(text)),
            Self::Failed(text) => (4, Some(text)),
        };
        case.lower(parcel, at);
        if let Some(text) = text {
            text.lower(parcel, at + Self::ALIGN);
        }
    }
}

impl Lower for crypto::Refusal {
    const SIZE: usize = 4 + types::Error::SIZE;
    const ALIGN: usize = 4;

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        let case: u8 = match self {
            Self::Failed(_) => 0,
            Self::Malformed(_) => 1,
            Self::Algorithm => 2,
            Self::Key => 3,
            Self::Signature => 4,
        };
        case.lower(parcel, at);
        match self {
            Self::Failed(error) => error.lower(parcel, at + Self::ALIGN),
            Self::Malformed(text) => text.lower(parcel, at + Self::ALIGN),
            Self::Algorithm | Self::Key | Self::Signature => {}
        }
    }
}

impl Lift for types::Flow {
    const SIZE: u32 = 4 + <types::Response as Lift>::SIZE;
    const ALIGN: u32 = 4;

    fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
        Ok(match source.case(at, 3)? {
            0 => Self::Next,
            1 => Self::Respond(Lift::lift(source, at.saturating_add(Self::ALIGN))?),
            _ => Self::AwaitBody,
        })
    }
}

impl Lift for types::BodyFlow {
    const SIZE: u32 = 4 + <types::Response as Lift>::SIZE;
    const ALIGN: u32 = 4;

    fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
        Ok(match source.case(at, 3)? {
            0 => Self::Next,
            1 => Self::Replace(Lift::lift(source, at.saturating_add(Self::ALIGN))?),
            _ => Self::Respond(Lift::lift(source, at.saturating_add(Self::ALIGN))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::component::ComponentType;

    fn lifts<T: Lift + ComponentType>() {
        let name = std::any::type_name::<T>();
        assert_eq!((T::SIZE as usize, <T as Lift>::ALIGN), (T::SIZE32, T::ALIGN32), "{name}");
    }

    fn lowers<T: Lower + ComponentType>() {
        let name = std::any::type_name::<T>();
        assert_eq!((<T as Lower>::SIZE, <T as Lower>::ALIGN), (T::SIZE32, T::ALIGN32 as usize), "{name}");
    }

    #[test]
    fn layouts_are_the_engines() {
        lifts::<types::Field>();
        lifts::<types::Response>();
        lifts::<types::Flow>();
        lifts::<types::BodyFlow>();
        lifts::<std::result::Result<(), String>>();
        lifts::<http::Request>();
        lifts::<limit::Budget>();
        lowers::<std::result::Result<(), types::Error>>();
        lowers::<std::result::Result<Option<String>, types::Error>>();
        lowers::<std::result::Result<Option<Vec<u8>>, types::Error>>();
        lowers::<std::result::Result<i64, types::Error>>();
        lowers::<std::result::Result<bool, types::Error>>();
        lowers::<std::result::Result<types::Response, types::Error>>();
        lowers::<std::result::Result<Vec<limit::Standing>, types::Error>>();
        lowers::<std::result::Result<crypto::KeySet, types::Error>>();
        lowers::<std::result::Result<crypto::Verified, crypto::Refusal>>();
        lowers::<limit::Standing>();
        lowers::<(String, String)>();
        lowers::<Option<String>>();
        lowers::<types::Field>();
    }
}
