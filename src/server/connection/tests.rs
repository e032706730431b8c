use super::super::connection_slots::ConnectionSlots;
use super::{Connection, ReadDeadline, WRITE_BUFFER_BYTES};
use crate::telemetry::metrics::ConnectionCounters;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, advance, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

/// Creates a connection that holds the only slot, its other end, and the slots.
fn connection(due: ReadDeadline) -> (Connection, DuplexStream, ConnectionSlots) {
    let (near, far) = duplex(8);
    let mut slots = ConnectionSlots::new(1, ConnectionCounters::default());
    let slot = slots.try_take().unwrap();
    let at = Instant::now().checked_add(PATIENCE).unwrap();
    (Connection::new(Box::new(near), slot, due, at, None), far, slots)
}

#[tokio::test(start_paused = true)]
async fn a_silent_one_ends_in_time() {
    for due in [ReadDeadline::Bytes(4), ReadDeadline::End] {
        let (mut connection, _far, _) = connection(due);
        let began = Instant::now();
        let error = connection.read_u8().await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (ErrorKind::TimedOut, PATIENCE), "{due:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_says_too_little_ends_in_time() {
    let (mut connection, mut far, _) = connection(ReadDeadline::Bytes(4));
    far.write_all(b"PRI").await.unwrap();
    let mut on_read = [0; 3];
    connection.read_exact(&mut on_read).await.unwrap();
    assert_eq!(connection.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn one_that_says_enough_in_pieces_may_then_be_silent() {
    let (mut connection, mut far, _) = connection(ReadDeadline::Bytes(4));
    for piece in [b"PR", b"I "] {
        far.write_all(piece).await.unwrap();
        connection.read_exact(&mut [0; 2]).await.unwrap();
    }
    advance(PATIENCE * 2).await;
    far.write_all(b"*").await.unwrap();
    assert_eq!(connection.read_u8().await.unwrap(), b'*');
}

#[tokio::test(start_paused = true)]
async fn one_that_has_to_end_ends_whatever_it_says() {
    let (mut connection, mut far, _) = connection(ReadDeadline::End);
    far.write_all(b"GET /").await.unwrap();
    connection.read_exact(&mut [0; 5]).await.unwrap();
    // The client does not read the response: the pipe holds eight bytes.
    let began = Instant::now();
    connection.write_all(b"HTTP/1.1 200 OK").await.unwrap();
    assert_eq!(connection.flush().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(began.elapsed(), PATIENCE);
}

#[tokio::test]
async fn what_is_written_is_sent_together() {
    let (mut connection, mut far, _) = connection(ReadDeadline::End);
    for part in [b"a", b"b", b"c"] {
        connection.write_all(part).await.unwrap();
    }
    let nothing = timeout(Duration::ZERO, far.read_u8()).await;
    assert!(nothing.is_err(), "{nothing:?} was sent before anybody asked for that");
    connection.flush().await.unwrap();
    let mut sent = [0; 8];
    assert_eq!(far.read(&mut sent).await.unwrap(), 3);
    // Bytes beyond the buffer's size are not held back.
    let long = vec![b'x'; 2 * WRITE_BUFFER_BYTES];
    let (written, ()) = tokio::join!(connection.write_all(&long), async {
        far.read_exact(&mut vec![0; WRITE_BUFFER_BYTES]).await.unwrap();
        drop(far);
    });
    assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

/// Creates a connection whose other end holds this many bytes.
fn roomy(bytes: usize) -> (Connection, DuplexStream) {
    let (near, far) = duplex(bytes);
    let slot = ConnectionSlots::new(1, ConnectionCounters::default()).try_take().unwrap();
    let at = Instant::now().checked_add(PATIENCE).unwrap();
    (Connection::new(Box::new(near), slot, ReadDeadline::Bytes(1), at, None), far)
}

/// Returns true if nothing may be read.
async fn is_refused(connection: &mut Connection) -> bool {
    timeout(Duration::ZERO, connection.read_u8()).await.is_err() && connection.budget().was_refused()
}

#[tokio::test]
async fn no_more_bytes_are_read_than_are_allowed() {
    const READ: usize = 10_000;
    let (mut connection, mut far) = roomy(4 * READ);
    let budget = connection.budget();
    far.write_all(&vec![b'x'; 3 * READ]).await.unwrap();
    let mut read = vec![0; READ];
    for _ in 0..2 {
        budget.allow(READ, usize::MAX);
        connection.read_exact(&mut read).await.unwrap();
        assert!(is_refused(&mut connection).await);
    }
    assert_eq!(budget.read_bytes(), 2 * READ);
}

/// Reading ends with the header of the last allowed call, however frames arrive; resets are counted.
#[tokio::test]
async fn no_more_calls_are_read_than_are_allowed() {
    const CALLS: usize = 1_000;
    let headers = |length: u8, call: usize| {
        let [.., high, low] = (2 * call + 1).to_be_bytes();
        [&[0, 0, length, 1, 4, 0, 0, high, low][..], &vec![0x82; usize::from(length)]].concat()
    };
    let reset = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];
    for length in [0, 3, 200] {
        let pairs: Vec<u8> = (0..CALLS).flat_map(|call| [headers(length, call), reset.to_vec()].concat()).collect();
        let pair = pairs.len() / CALLS;
        let (mut connection, mut far) = roomy(24 + pairs.len());
        let budget = connection.budget();
        far.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), pairs].concat()).await.unwrap();
        let mut calls = 0;
        for limit in [1, 2, 100, 7, 1] {
            budget.allow(usize::MAX, limit);
            let mut buffer = vec![0; 1 << 20];
            let before = budget.read_bytes();
            while let Ok(read) = timeout(Duration::ZERO, connection.read(&mut buffer)).await {
                read.unwrap();
            }
            assert!(budget.was_refused());
            calls += limit;
            // The rest of the earlier frames is read too.
            let header = 24 + (calls - 1) * pair + 9;
            assert_eq!(budget.read_bytes(), header, "{length}: after {calls} calls, from {before}");
            assert_eq!(budget.take_resets(), if calls == limit { calls - 1 } else { limit });
        }
        assert_eq!(budget.take_resets(), 0);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_noticed() {
    let (mut connection, mut far) = roomy(8);
    let budget = connection.budget();
    connection.write_all(b"twelve bytes").await.unwrap();
    assert!(!budget.is_write_blocked());
    assert!(timeout(Duration::ZERO, connection.flush()).await.is_err());
    assert!(budget.is_write_blocked());
    far.read_exact(&mut [0; 8]).await.unwrap();
    connection.flush().await.unwrap();
    assert!(!budget.is_write_blocked());
}

#[tokio::test]
async fn one_that_has_to_give_way_ends_at_once_and_leaves_its_place() {
    let (mut connection, _far, mut slots) = connection(ReadDeadline::Bytes(4));
    let (ended, ()) = tokio::join!(connection.read_u8(), async { slots.evict_idle() });
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(connection.write_all(b"PRI").await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert!(slots.try_take().is_none());
    drop(connection);
    assert!(slots.try_take().is_some());
}
