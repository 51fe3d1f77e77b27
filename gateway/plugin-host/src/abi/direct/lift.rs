//! What a guest hands over, read from its memory as the canonical ABI lays it out.

use crate::meter::Stop;
use wasmtime::{Result, bail};

/// The memory of a guest during one host call, and how much of it may still be copied.
pub(super) struct Source<'m> {
    memory: &'m [u8],
    left: usize,
    limit: usize,
}

impl<'m> Source<'m> {
    /// `limit` bounds what is copied out, in bytes.
    pub(super) fn new(memory: &'m [u8], limit: usize) -> Self {
        Self { memory, left: limit, limit }
    }

    fn look(&self, at: u32, length: usize) -> Result<&'m [u8]> {
        let at = at as usize;
        match at.checked_add(length).and_then(|end| self.memory.get(at..end)) {
            Some(bytes) => Ok(bytes),
            None => bail!("pointer out of bounds of memory"),
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or(Stop::Transfer(self.limit))?;
        Ok(())
    }

    /// Bytes that the host will copy.
    pub(super) fn bytes(&mut self, at: u32, length: u32) -> Result<&'m [u8]> {
        let length = length as usize;
        self.spend(length)?;
        self.look(at, length)
    }

    /// Text that the host will copy.
    pub(super) fn text(&mut self, at: u32, length: u32) -> Result<&'m str> {
        Ok(std::str::from_utf8(self.bytes(at, length)?)?)
    }

    /// A list.
    pub(super) fn list<T: Lift>(&mut self, at: u32, length: u32) -> Result<Vec<T>> {
        T::lift_list(self, at, length)
    }

    /// One value.
    pub(super) fn value<T: Lift>(&mut self, at: u32) -> Result<T> {
        if !at.is_multiple_of(T::ALIGN) {
            bail!("pointer not aligned");
        }
        T::lift(self, at)
    }

    /// The little-endian bytes of a number.
    fn number<const N: usize>(&self, at: u32) -> Result<[u8; N]> {
        match self.look(at, N)?.first_chunk() {
            Some(bytes) => Ok(*bytes),
            None => bail!("pointer out of bounds of memory"),
        }
    }

    /// Which case of a variant stands there, of `cases`.
    pub(super) fn case(&self, at: u32, cases: u8) -> Result<u8> {
        let [case] = self.number(at)?;
        if case >= cases {
            bail!("unexpected discriminant: {case}");
        }
        Ok(case)
    }
}

/// A type that a guest hands over, and how it lies in memory.
pub(super) trait Lift: Sized {
    /// In bytes.
    const SIZE: u32;
    /// In bytes.
    const ALIGN: u32;

    /// Reads one.
    fn lift(source: &mut Source<'_>, at: u32) -> Result<Self>;

    /// Reads several.
    fn lift_list(source: &mut Source<'_>, at: u32, length: u32) -> Result<Vec<Self>> {
        let length = length as usize;
        let size = Self::SIZE as usize;
        // What the host makes of it is what it costs.
        source.spend(length.saturating_mul(size_of::<Self>().max(1)))?;
        if !at.is_multiple_of(Self::ALIGN) {
            bail!("list pointer is not aligned");
        }
        source.look(at, length.saturating_mul(size))?;
        (at..).step_by(size).take(length).map(|at| Self::lift(source, at)).collect()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Lift for $number {
            const SIZE: u32 = size_of::<Self>() as u32;
            const ALIGN: u32 = Self::SIZE;

            fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
                source.number(at).map(Self::from_le_bytes)
            }
        }
    )*};
}

numbers!(u16, u32, u64);

impl Lift for u8 {
    const SIZE: u32 = 1;
    const ALIGN: u32 = 1;

    fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
        source.number(at).map(Self::from_le_bytes)
    }

    fn lift_list(source: &mut Source<'_>, at: u32, length: u32) -> Result<Vec<Self>> {
        source.bytes(at, length).map(<[Self]>::to_vec)
    }
}

impl Lift for String {
    const SIZE: u32 = 8;
    const ALIGN: u32 = 4;

    fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
        let (begin, length) = (source.value(at)?, source.value(at.saturating_add(4))?);
        source.text(begin, length).map(str::to_owned)
    }
}

impl<T: Lift> Lift for Vec<T> {
    const SIZE: u32 = 8;
    const ALIGN: u32 = 4;

    fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
        let (begin, length) = (source.value(at)?, source.value(at.saturating_add(4))?);
        source.list(begin, length)
    }
}

impl<T: Lift> Lift for Option<T> {
    const SIZE: u32 = (T::ALIGN + T::SIZE).next_multiple_of(Self::ALIGN);
    const ALIGN: u32 = T::ALIGN;

    fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
        match source.case(at, 2)? {
            0 => Ok(None),
            _ => T::lift(source, at.saturating_add(T::ALIGN)).map(Some),
        }
    }
}

impl<E: Lift> Lift for std::result::Result<(), E> {
    const SIZE: u32 = (E::ALIGN + E::SIZE).next_multiple_of(Self::ALIGN);
    const ALIGN: u32 = E::ALIGN;

    fn lift(source: &mut Source<'_>, at: u32) -> Result<Self> {
        match source.case(at, 2)? {
            0 => Ok(Ok(())),
            _ => E::lift(source, at.saturating_add(E::ALIGN)).map(Err),
        }
    }
}
