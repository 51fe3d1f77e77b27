//! A message body: nothing, some bytes, or a stream. Moved, never copied, unless somebody asked for it.

use crate::error::{Error, Kind, Origin};
use crate::headers::strip_trailers;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body whose bytes the kernel can pass on, past our memory, for as long as nobody wants to see them.
pub trait Pipeable: HttpBody<Data = Bytes, Error = Error> + Send {
    /// The next part of it, of which the kernel may put the bytes into `pipe`, which is empty. It is read on by this alone.
    fn poll_part(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
    ) -> Poll<Option<Result<Part, Error>>>;
}

/// A part of a body.
#[derive(Debug)]
pub enum Part {
    /// As it is.
    Frame(Frame<Bytes>),
    /// So many bytes, at least one, that are in the pipe.
    Piped(usize),
}

/// A body of a request or a response.
#[derive(Default)]
pub struct Body(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Full(Bytes),
    Incoming(Incoming, Origin),
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = Error> + Send>>),
    Pipeable(Pin<Box<dyn Pipeable>>),
}

impl Body {
    /// No body.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// What a peer sends. Its faults are told as that peer's.
    #[must_use]
    pub fn incoming(body: Incoming, from: Origin) -> Self {
        if body.is_end_stream() { Self::empty() } else { Self(Inner::Incoming(body, from)) }
    }

    /// A stream of ours, on the heap.
    pub fn stream(body: impl HttpBody<Data = Bytes, Error = Error> + Send + 'static) -> Self {
        Self(Inner::Stream(Box::pin(body)))
    }

    /// The same of one that the kernel can pass on.
    pub fn pipeable(body: impl Pipeable + 'static) -> Self {
        Self(Inner::Pipeable(Box::pin(body)))
    }

    /// Where the kernel can pass it on.
    pub fn as_pipeable(&mut self) -> Option<Pin<&mut (dyn Pipeable + 'static)>> {
        match &mut self.0 {
            Inner::Pipeable(body) => Some(body.as_mut()),
            _ => None,
        }
    }

    /// All of it, where nothing has to be waited for.
    #[must_use]
    pub fn at_hand(&self) -> Option<Bytes> {
        match &self.0 {
            Inner::Empty => Some(Bytes::new()),
            Inner::Full(bytes) => Some(bytes.clone()),
            Inner::Incoming(..) | Inner::Stream(_) | Inner::Pipeable(_) => None,
        }
    }

    /// Gathers the whole body, at most `limit` bytes. Trailers are dropped.
    ///
    /// # Errors
    /// [`Kind::BodyTooLarge`] for more than `limit` bytes, else the peer's fault.
    #[expect(clippy::disallowed_methods, reason = "bounded by `Limited`")]
    pub async fn gather(self, limit: usize) -> Result<Bytes, Error> {
        match self.0 {
            Inner::Empty => Ok(Bytes::new()),
            Inner::Full(bytes) if bytes.len() <= limit => Ok(bytes),
            _ if self.size_hint().lower() > limit as u64 => Err(too_large(limit)),
            _ => match Limited::new(self, limit).collect().await {
                Ok(collected) => Ok(collected.to_bytes()),
                Err(error) => Err(match error.downcast::<Error>() {
                    Ok(error) => *error,
                    Err(error) if error.is::<LengthLimitError>() => too_large(limit),
                    Err(error) => Error::new(Kind::Internal, "a body could not be gathered").because(error),
                }),
            },
        }
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(Kind::BodyTooLarge, format!("the body has more than {limit} bytes"))
}

impl std::fmt::Debug for Body {
    /// Without what is in it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Body").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self(Inner::Full(bytes)) }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Incoming(body, origin) => {
                let mut frame = ready!(Pin::new(body).poll_frame(context));
                if let Some(trailers) = frame.as_mut().and_then(|frame| frame.as_mut().ok()?.trailers_mut()) {
                    strip_trailers(trailers);
                }
                let origin = *origin;
                Poll::Ready(frame.map(|frame| frame.map_err(|error| fault(origin, error))))
            }
            Inner::Stream(body) => body.as_mut().poll_frame(context),
            Inner::Pipeable(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full(_) => false,
            Inner::Incoming(body, _) => body.is_end_stream(),
            Inner::Stream(body) => body.is_end_stream(),
            Inner::Pipeable(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Incoming(body, _) => body.size_hint(),
            Inner::Stream(body) => body.size_hint(),
            Inner::Pipeable(body) => body.size_hint(),
        }
    }
}

/// A body that broke off: the client's bad framing is the client's fault, never the upstream's.
fn fault(origin: Origin, error: hyper::Error) -> Error {
    let kind = match origin {
        Origin::Client if error.is_parse() || error.is_user() => Kind::HttpRequestError,
        // A bad chunk reaches us as a body error with an I/O error of kind InvalidInput or InvalidData inside.
        Origin::Client if broken_framing(&error) => Kind::HttpRequestError,
        Origin::Client => Kind::ClientGone,
        _ if broken_framing(&error) => Kind::HttpProtocolError,
        _ => Kind::ConnectionTerminated,
    };
    let detail = match origin {
        Origin::Client => "the request's body broke off",
        _ => "the answer's body broke off",
    };
    Error::new(kind, detail).because(error)
}

fn broken_framing(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return matches!(io.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData);
        }
        source = cause.source();
    }
    false
}
