//! Bytes that go from socket to socket past our memory.
//!
//! An answer that nobody wants to see is moved by the kernel (`splice(2)`): from its service's socket into a pipe, and out of it into its
//! client's. hyper frames the answer as any other. In the place of the bytes it is given a stand-in for them, and by that the client's
//! socket knows that it is to take as many out of the pipe.

mod kernel;
mod passage;
mod piece;

use kernel::Pipe;
pub(crate) use kernel::{LARGEST, splice};
pub(crate) use passage::Passage;
pub(crate) use piece::{Piece, stands_in};
