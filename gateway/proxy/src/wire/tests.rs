//! Connections over loopback, whose other ends wait for nothing.

use super::*;
use std::future::poll_fn;
use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::yield_now;

/// A connection, and the other end of it, which waits for nothing.
fn pair() -> (Wire, std::net::TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (theirs, _) = listener.accept().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (Wire::new(TcpStream::from_std(ours).unwrap()), theirs)
}

/// What has come by now.
fn came(theirs: &mut std::net::TcpStream) -> Vec<u8> {
    let mut came = Vec::new();
    match theirs.read_to_end(&mut came) {
        Ok(_) => came.extend_from_slice(b" end"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
    }
    came
}

/// Writes as much as there is room for.
fn fill(wire: &Wire) -> usize {
    std::iter::from_fn(|| wire.tcp().try_write(&[b'x'; 100_000]).ok()).sum()
}

/// What comes until the other end has no more.
async fn rest(theirs: std::net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    TcpStream::from_std(theirs).unwrap().read_to_end(&mut all).await.unwrap();
    all
}

/// No test takes as long.
const LONG: Duration = Duration::from_secs(3600);

/// Runs where what is written is sent together, or not.
fn run(patience: Option<Duration>, test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(patience) = patience {
            tokio::spawn(send_together(patience));
        }
        tokio::time::timeout(Duration::from_secs(30), test).await.unwrap();
    });
}

/// One that has joined others. Nothing is written to a socket of which the kernel has not said that it can be.
async fn writable() -> (Wire, std::net::TcpStream) {
    let (mut wire, theirs) = pair();
    wire.tcp().writable().await.unwrap();
    wire.join();
    (wire, theirs)
}

#[test]
fn what_comes_is_what_was_written_held_or_not() {
    for patience in [Some(LONG), None] {
        run(patience, async {
            let (mut wire, mut theirs) = writable().await;
            for lengths in [&[5][..], &[0, 5], &[200, 1024], &[LITTLE - 1, 1], &[LITTLE, 1], &[1, 0, LITTLE, 7], &[0]] {
                let pieces: Vec<Vec<u8>> = (b'a'..).zip(lengths).map(|(byte, length)| vec![byte; *length]).collect();
                let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                // Twice: the second finds the first still held.
                for _ in 0..2 {
                    let written = wire.write_vectored(&slices).await.unwrap();
                    assert_eq!(written, pieces.concat().len(), "{lengths:?}");
                }
                poll_fn(|context| wire.poll_clear(context)).await.unwrap();
                assert_eq!(came(&mut theirs), pieces.concat().repeat(2), "{lengths:?}");
            }
        });
    }
}

#[test]
fn little_goes_out_behind_what_was_ready_and_at_once_where_it_is_much_or_many() {
    run(Some(LONG), async {
        let (mut first, mut to_first) = writable().await;
        let (mut second, mut to_second) = writable().await;
        first.write_all(b"first").await.unwrap();
        second.write_all(b"second").await.unwrap();
        second.flush().await.unwrap();
        assert!(!first.is_clear() && !second.is_clear());
        assert_eq!([came(&mut to_first), came(&mut to_second)], [b"", b""]);
        yield_now().await;
        assert!(first.is_clear() && second.is_clear());
        assert_eq!([came(&mut to_first), came(&mut to_second)], [b"first".to_vec(), b"second".to_vec()]);

        // What is written to one that has something held sends all.
        first.write_all(b"first").await.unwrap();
        second.write_all(b"second").await.unwrap();
        first.write_all(&[b'x'; LITTLE + 1]).await.unwrap();
        assert_eq!(came(&mut to_first).len(), b"first".len() + LITTLE + 1);
        assert_eq!(came(&mut to_second), b"second");

        let mut many = Vec::new();
        for _ in 0..outbox::WRITES {
            many.push(writable().await);
        }
        for (number, (wire, _)) in many.iter_mut().enumerate() {
            wire.write_all(&number.to_string().into_bytes()).await.unwrap();
        }
        for (number, (_, theirs)) in many.iter_mut().enumerate() {
            assert_eq!(came(theirs), number.to_string().into_bytes());
        }
    });
}

#[test]
fn what_was_held_for_long_does_not_wait_for_more() {
    for (patience, expected) in [(Duration::ZERO, &b"held"[..]), (LONG, b"")] {
        run(Some(patience), async {
            let (mut wire, mut theirs) = writable().await;
            wire.write_all(b"held").await.unwrap();
            assert!(!wire.is_clear());
            send_overdue();
            assert_eq!(came(&mut theirs), expected);
        });
    }
}

#[test]
fn who_has_left_waits_for_the_kernel() {
    run(Some(LONG), async {
        let (mut wire, theirs) = writable().await;
        let written = fill(&wire);
        wire.write_all(b"held").await.unwrap();
        wire.leave();
        let flushing = tokio::spawn(async move {
            wire.flush().await.unwrap();
            assert!(wire.is_clear());
            wire.write_all(b"more").await.unwrap();
            assert!(wire.is_clear());
        });
        yield_now().await;
        assert!(!flushing.is_finished());
        let all = rest(theirs).await;
        assert!(all.ends_with(b"xheldmore"));
        assert_eq!(all.len(), written + b"heldmore".len());
        flushing.await.unwrap();
    });
}

#[test]
fn what_the_kernel_does_not_take_is_waited_for() {
    run(Some(LONG), async {
        let (mut wire, theirs) = writable().await;
        let mut written = fill(&wire);
        wire.write_all(b"held").await.unwrap();
        written += b"held".len();
        let flushing = tokio::spawn(async move {
            yield_now().await;
            // The kernel has not taken it.
            assert!(!wire.is_clear());
            wire.flush().await.unwrap();
            wire.write_all(b"more").await.unwrap();
            wire.shutdown().await.unwrap();
        });
        let all = rest(theirs).await;
        assert!(all.ends_with(b"xheldmore"));
        assert_eq!(all.len(), written + b"more".len());
        flushing.await.unwrap();
    });
}

/// The task that wrote is woken, though it waits for nothing that was written.
#[test]
fn a_write_that_failed_after_it_was_held_is_told_to_its_task() {
    for stays in [false, true] {
        run(Some(LONG), a_write_fails(stays, false));
    }
}

/// What stays with a task wakes another one all the same, where that is who wrote.
#[test]
fn who_writes_is_told_whoever_wrote_first() {
    run(Some(LONG), a_write_fails(true, true));
}

async fn a_write_fails(stays: bool, is_handed_on: bool) {
    let (mut wire, theirs) = writable().await;
    if stays {
        wire.stay();
    }
    if is_handed_on {
        wire = tokio::spawn(async move {
            wire.write_all(b"first").await.unwrap();
            wire
        })
        .await
        .unwrap();
        yield_now().await;
        assert!(wire.is_clear());
    }
    socket2::SockRef::from(wire.tcp()).shutdown(Shutdown::Write).unwrap();
    let mut is_written = false;
    let told = poll_fn(|context| {
        if !is_written {
            is_written = true;
            assert!(matches!(Pin::new(&mut wire).poll_write(context, b"held"), Poll::Ready(Ok(4))));
        }
        match Pin::new(&mut wire).poll_flush(context) {
            // In the outbox.
            Poll::Ready(Ok(())) => Poll::Pending,
            other => other,
        }
    });
    assert_eq!(told.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(wire.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    drop(theirs);
}

#[test]
fn what_is_held_of_a_connection_that_is_gone_is_sent() {
    run(Some(LONG), async {
        let (mut dropped, mut to_dropped) = writable().await;
        let (mut shut, mut to_shut) = writable().await;
        dropped.write_all(b"last").await.unwrap();
        drop(dropped);
        shut.write_all(b"last").await.unwrap();
        shut.shutdown().await.unwrap();
        assert_eq!([came(&mut to_dropped), came(&mut to_shut)], [b"last end", b"last end"]);
    });
    let (mut wire, mut theirs) = (None, None);
    run(Some(LONG), async {
        // The thread's last words.
        let (mut left, to_left) = writable().await;
        left.write_all(b"last").await.unwrap();
        (wire, theirs) = (Some(left), Some(to_left));
    });
    assert_eq!(came(&mut theirs.unwrap()), b"last");
    drop(wire);
}
