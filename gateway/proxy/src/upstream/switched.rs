//! What is left of a connection once its endpoint has switched to another protocol: a socket, and the request's place.

use super::endpoint::Active;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A socket that HTTP has left. It never goes back to its pool, and counts as a request under way until it is dropped.
pub struct Switched {
    /// Where the bytes go and come from.
    pub socket: Box<dyn Duplex>,
    /// What has come already, behind the head of the answer.
    pub first: Bytes,
    pub(super) _active: Active,
    pub(super) _permit: OwnedSemaphorePermit,
}
