//! What hyper is given of an answer.

use bytes::{Buf, Bytes};
use std::io::IoSlice;

use super::LARGEST;

/// Never written anywhere: it is known by its address.
static STAND_IN: [u8; LARGEST] = [0; LARGEST];

/// Some of an answer's body.
#[derive(Debug)]
pub enum Piece {
    /// As it is.
    Bytes(Bytes),
    /// So many bytes in the pipe of the connection.
    Piped(usize),
}

/// Whether a slice that is to be written stands for as many bytes in the pipe.
pub(crate) fn stands_in(slice: &IoSlice<'_>) -> bool {
    std::ptr::eq(slice.as_ptr(), STAND_IN.as_ptr())
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Piped(count) => *count,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Piped(count) => STAND_IN.get(..*count).unwrap_or(&STAND_IN),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Bytes(bytes) => bytes.advance(count),
            Self::Piped(left) => *left -= count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_a_pipe_has_a_stand_in() {
        let mut piped = Piece::Piped(LARGEST);
        assert_eq!((piped.remaining(), piped.chunk().len()), (LARGEST, LARGEST));
        assert!(stands_in(&IoSlice::new(piped.chunk())));
        piped.advance(LARGEST - 3);
        assert_eq!(piped.chunk(), [0; 3]);
        assert!(stands_in(&IoSlice::new(piped.chunk())), "the rest of it");
        let mut bytes = Piece::Bytes(Bytes::from(vec![0; LARGEST]));
        assert!(!stands_in(&IoSlice::new(bytes.chunk())));
        bytes.advance(3);
        assert_eq!((bytes.remaining(), stands_in(&IoSlice::new(bytes.chunk()))), (LARGEST - 3, false));
        assert!(!stands_in(&IoSlice::new(&[])));
    }
}
