//! Little that is written in several pieces, as one.
//!
//! A kernel takes one buffer (`send`) with less work than it takes a list of them (`writev`), by more than it costs to copy a head and a small
//! body side by side: see the decision record 0024.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that are joined, at most: a frame of less than a page.
const JOINED: usize = 3 * 1024;

/// Writes some of it. Never a part of who calls it: only who joins has the room for it on the stack.
#[inline(never)]
pub(crate) fn poll_write(
    socket: &mut TcpStream,
    context: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let socket = Pin::new(socket);
    if let [slice] = slices {
        return socket.poll_write(context, slice);
    }
    if slices.iter().map(|slice| slice.len()).sum::<usize>() > JOINED {
        return socket.poll_write_vectored(context, slices);
    }
    let mut room = [MaybeUninit::uninit(); JOINED];
    let mut joined = ReadBuf::uninit(&mut room);
    slices.iter().for_each(|slice| joined.put_slice(slice));
    socket.poll_write(context, joined.filled())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_comes_is_what_was_written_joined_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (writer, reader) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (mut writer, mut reader) = (writer.unwrap(), reader.unwrap().0);
        for lengths in [&[5][..], &[0, 5], &[200, 1024], &[JOINED - 1, 1], &[JOINED, 1], &[1, 0, JOINED, 7]] {
            let pieces: Vec<Vec<u8>> = (b'a'..).zip(lengths).map(|(byte, length)| vec![byte; *length]).collect();
            let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let written = poll_fn(|context| poll_write(&mut writer, context, &slices)).await.unwrap();
            let all = pieces.concat();
            assert_eq!(written, all.len(), "{lengths:?}");
            let mut came = vec![0; written];
            reader.read_exact(&mut came).await.unwrap();
            assert_eq!(came, all, "{lengths:?}");
        }
    }
}
