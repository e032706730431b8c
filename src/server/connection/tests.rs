use super::super::places::Places;
use super::{Connection, Due, READ, WRITTEN};
use prometheus_client::metrics::gauge::Gauge;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, advance, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

/// A connection and its other end, with the one place that there is.
fn connection(due: Due) -> (Connection, DuplexStream, Places) {
    let (near, far) = duplex(8);
    let mut places = Places::new(1, Gauge::default());
    let place = places.try_take().unwrap();
    let at = Instant::now().checked_add(PATIENCE).unwrap();
    (Connection::new(Box::new(near), place, due, at), far, places)
}

#[tokio::test(start_paused = true)]
async fn a_silent_one_ends_in_time() {
    for due in [Due::Bytes(4), Due::End] {
        let (mut connection, _far, _) = connection(due);
        let began = Instant::now();
        let error = connection.read_u8().await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (ErrorKind::TimedOut, PATIENCE), "{due:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_says_too_little_ends_in_time() {
    let (mut connection, mut far, _) = connection(Due::Bytes(4));
    far.write_all(b"PRI").await.unwrap();
    let mut heard = [0; 3];
    connection.read_exact(&mut heard).await.unwrap();
    assert_eq!(connection.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn one_that_says_enough_in_pieces_may_then_be_silent() {
    let (mut connection, mut far, _) = connection(Due::Bytes(4));
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
    let (mut connection, mut far, _) = connection(Due::End);
    far.write_all(b"GET /").await.unwrap();
    connection.read_exact(&mut [0; 5]).await.unwrap();
    // A client that does not read what it asked for: the pipe holds eight bytes.
    let began = Instant::now();
    connection.write_all(b"HTTP/1.1 200 OK").await.unwrap();
    assert_eq!(connection.flush().await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(began.elapsed(), PATIENCE);
}

#[tokio::test]
async fn what_is_written_is_sent_together() {
    let (mut connection, mut far, _) = connection(Due::End);
    for part in [b"a", b"b", b"c"] {
        connection.write_all(part).await.unwrap();
    }
    let nothing = timeout(Duration::ZERO, far.read_u8()).await;
    assert!(nothing.is_err(), "{nothing:?} was sent before anybody asked for that");
    connection.flush().await.unwrap();
    let mut sent = [0; 8];
    assert_eq!(far.read(&mut sent).await.unwrap(), 3);
    // More than is gathered is not held back.
    let long = vec![b'x'; 2 * WRITTEN];
    let (written, ()) = tokio::join!(connection.write_all(&long), async {
        far.read_exact(&mut vec![0; WRITTEN]).await.unwrap();
        drop(far);
    });
    assert_eq!(written.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn no_more_is_read_at_once_than_somebody_looks_at() {
    let (near, mut far) = duplex(4 * READ);
    let place = Places::new(1, Gauge::default()).try_take().unwrap();
    let at = Instant::now().checked_add(PATIENCE).unwrap();
    let mut connection = Connection::new(Box::new(near), place, Due::Bytes(1), at);
    let allowance = connection.allowance();
    far.write_all(&vec![b'x'; 3 * READ]).await.unwrap();
    let mut read = vec![0; READ];
    connection.read_exact(&mut read).await.unwrap();
    for _ in 0..2 {
        allowance.renew();
        connection.read_exact(&mut read).await.unwrap();
        let more = timeout(Duration::ZERO, connection.read_u8()).await;
        assert!(more.is_err(), "{more:?}");
    }
}

#[tokio::test]
async fn one_that_has_to_give_way_ends_at_once_and_leaves_its_place() {
    let (mut connection, _far, mut places) = connection(Due::Bytes(4));
    let (ended, ()) = tokio::join!(connection.read_u8(), async { places.make_room() });
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(connection.write_all(b"PRI").await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert!(places.try_take().is_none());
    drop(connection);
    assert!(places.try_take().is_some());
}
