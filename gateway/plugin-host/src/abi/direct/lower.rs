//! What the host gives, laid out as the canonical ABI wants it in a guest's memory.
//!
//! The host cannot call the guest's allocator: only guest code calls guest code. So a result is laid out here first, in pieces:
//! the place that the guest has for it, and what that points to. The wrapper around the host function then asks the
//! allocator for a place for each of them, the last first, and so a piece is complete once it has its own.

use crate::capabilities::fields::Joined;
use wasmtime::{Result, bail};

/// Room that is kept for the next result, in bytes.
const KEPT: usize = 16 << 10;

/// A result on its way to the guest.
#[derive(Default)]
pub(crate) struct Parcel {
    /// The pieces, one behind the other.
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// Where the guest has room for what does not need a place.
    into: u32,
}

struct Piece {
    /// Where it begins in the parcel; it ends where the next one begins.
    begin: usize,
    align: u32,
    /// Where in the parcel its address is to stand.
    pointer: usize,
}

impl Parcel {
    /// Fails while the guest makes room for a result: the canonical ABI has it call nothing meanwhile.
    pub(super) fn is_free(&self) -> Result<()> {
        match self.pieces.is_empty() {
            true => Ok(()),
            false => bail!("cannot call a host function while making room for what another one gave"),
        }
    }

    /// Lays a result out. What it gives says what the guest must do, see [`Self::wanted`].
    pub(super) fn pack<T: Lower>(&mut self, result: &T, into: u32, memory: &mut [u8]) -> Result<u64> {
        if !(into as usize).is_multiple_of(T::ALIGN) {
            bail!("pointer not aligned");
        }
        self.bytes.clear();
        self.bytes.resize(T::SIZE, 0);
        self.into = into;
        result.lower(self, 0);
        self.go_on(memory)
    }

    /// The guest made room for a piece.
    pub(super) fn place(&mut self, at: u32, memory: &mut [u8]) -> Result<u64> {
        let Some(piece) = self.pieces.pop() else { bail!("nothing is to be placed") };
        if !at.is_multiple_of(piece.align) {
            bail!("realloc return: result not aligned");
        }
        let bytes = self.bytes.get(piece.begin..).unwrap_or_default();
        match slot(memory, at, bytes.len()) {
            Some(place) => place.copy_from_slice(bytes),
            None => bail!("realloc return: beyond end of memory"),
        }
        self.bytes.truncate(piece.begin);
        self.put(piece.pointer, at.to_le_bytes());
        self.go_on(memory)
    }

    /// What the guest must make room for next, its alignment above its size; 0 when all is in its place.
    fn go_on(&mut self, memory: &mut [u8]) -> Result<u64> {
        if let Some(piece) = self.pieces.last() {
            let size = u32::try_from(self.bytes.len().saturating_sub(piece.begin))?;
            return Ok(u64::from(piece.align) << 32 | u64::from(size));
        }
        match slot(memory, self.into, self.bytes.len()) {
            Some(place) => place.copy_from_slice(&self.bytes),
            None => bail!("pointer out of bounds of memory"),
        }
        self.bytes.shrink_to(KEPT);
        Ok(0)
    }

    /// Forgets what a call left that did not come to its end.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = value;
        }
    }

    /// Something behind the pointer and the length at `pointer`: room for it, where it needs any.
    fn behind(&mut self, pointer: usize, length: usize, size: usize, align: usize) -> usize {
        let (begin, align) = (self.bytes.len(), align as u32);
        // No address has more than 32 bits, so a length that has is refused with its piece.
        self.put(pointer + 4, (length as u32).to_le_bytes());
        if size == 0 {
            self.put(pointer, align.to_le_bytes());
        } else {
            self.bytes.resize(begin + size, 0);
            self.pieces.push(Piece { begin, align, pointer });
        }
        begin
    }
}

fn slot(memory: &mut [u8], at: u32, length: usize) -> Option<&mut [u8]> {
    let at = at as usize;
    memory.get_mut(at..at.checked_add(length)?)
}

/// A type that the host gives, and how it lies in memory.
pub(super) trait Lower {
    /// In bytes.
    const SIZE: usize;
    /// In bytes.
    const ALIGN: usize;

    /// Writes it at `at`, and what it points to behind all there is.
    fn lower(&self, parcel: &mut Parcel, at: usize);

    /// Writes a list of them for the pointer at `at`.
    fn lower_list(list: &[Self], parcel: &mut Parcel, at: usize)
    where
        Self: Sized,
    {
        let begin = parcel.behind(at, list.len(), list.len() * Self::SIZE, Self::ALIGN);
        for (item, at) in list.iter().zip((begin..).step_by(Self::SIZE)) {
            item.lower(parcel, at);
        }
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Lower for $number {
            const SIZE: usize = size_of::<Self>();
            const ALIGN: usize = Self::SIZE;

            fn lower(&self, parcel: &mut Parcel, at: usize) {
                parcel.put(at, self.to_le_bytes());
            }
        }
    )*};
}

numbers!(u16, u32, u64, i64);

impl Lower for u8 {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        parcel.put(at, [*self]);
    }

    fn lower_list(list: &[Self], parcel: &mut Parcel, at: usize) {
        let begin = parcel.behind(at, list.len(), list.len(), 1);
        if let Some(place) = parcel.bytes.get_mut(begin..) {
            place.copy_from_slice(list);
        }
    }
}

impl Lower for bool {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        u8::from(*self).lower(parcel, at);
    }
}

impl Lower for () {
    const SIZE: usize = 0;
    const ALIGN: usize = 1;

    fn lower(&self, _: &mut Parcel, _: usize) {}
}

impl Lower for String {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        u8::lower_list(self.as_bytes(), parcel, at);
    }
}

/// As text.
impl Lower for Joined {
    const SIZE: usize = String::SIZE;
    const ALIGN: usize = String::ALIGN;

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        u8::lower_list(self.as_bytes(), parcel, at);
    }
}

impl<T: Lower> Lower for Vec<T> {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        T::lower_list(self, parcel, at);
    }
}

impl<T: Lower> Lower for Option<T> {
    const SIZE: usize = (T::ALIGN + T::SIZE).next_multiple_of(T::ALIGN);
    const ALIGN: usize = T::ALIGN;

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        if let Some(value) = self {
            parcel.put(at, [1]);
            value.lower(parcel, at + T::ALIGN);
        }
    }
}

impl<T: Lower, E: Lower> Lower for std::result::Result<T, E> {
    const SIZE: usize = (Self::ALIGN + larger(T::SIZE, E::SIZE)).next_multiple_of(Self::ALIGN);
    const ALIGN: usize = larger(T::ALIGN, E::ALIGN);

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        match self {
            Ok(value) => value.lower(parcel, at + Self::ALIGN),
            Err(error) => {
                parcel.put(at, [1]);
                error.lower(parcel, at + Self::ALIGN);
            }
        }
    }
}

impl<A: Lower, B: Lower> Lower for (A, B) {
    const SIZE: usize = (A::SIZE.next_multiple_of(B::ALIGN) + B::SIZE).next_multiple_of(Self::ALIGN);
    const ALIGN: usize = larger(A::ALIGN, B::ALIGN);

    fn lower(&self, parcel: &mut Parcel, at: usize) {
        self.0.lower(parcel, at);
        self.1.lower(parcel, at + A::SIZE.next_multiple_of(B::ALIGN));
    }
}

/// The larger of two, for layouts.
pub(super) const fn larger(one: usize, other: usize) -> usize {
    if one > other { one } else { other }
}
