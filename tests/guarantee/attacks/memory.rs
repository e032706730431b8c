//! Calls that occupy memory: unread responses, and messages whose last byte never arrives.

use super::{Bench, Victim, good, streams};
use crate::guarantee::frames::{Connection, block, check, last, literal, part, trailers};
use crate::guarantee::raw::{CHECK, frame, framed};
use prost::Message;
use std::sync::Arc;
use tokio::task::JoinSet;

/// `SETTINGS_INITIAL_WINDOW_SIZE` of 0: no byte of a response may be sent (RFC 9113 §6.5.2).
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

/// Whole checks, as many as a connection may have, on so many connections; no answer is read.
fn unread(bench: &Arc<Bench>, settings: &'static [u8], connections: usize, calls: u32) -> JoinSet<()> {
    let message = frame(&good().encode_to_vec());
    let mut attacks = JoinSet::new();
    for _ in 0..connections {
        let (bench, message) = (Arc::clone(bench), message.clone());
        attacks.spawn(async move {
            loop {
                let Some(mut connection) = bench.connect(settings).await else { continue };
                let mut sent = Ok(());
                for stream in streams(1, calls) {
                    sent = connection.try_send(&[check(stream), last(stream, &message)].concat()).await;
                    if sent.is_err() {
                        break;
                    }
                }
                // Until the server closes it.
                if sent.is_ok() {
                    connection.closed().await;
                }
                bench.turn().await;
            }
        });
    }
    attacks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_that_are_not_read_fill_no_memory() {
    let bench = Arc::new(Bench::start("deadline: 10s").await);
    let attacks = unread(&bench, &NO_WINDOW, 250, 1_024);
    bench.measure("responses without a window", Victim::Connected, attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_is_not_read_fills_no_memory() {
    let bench = Arc::new(Bench::start("deadline: 10s").await);
    let attacks = unread(&bench, &[], 60, 500_000);
    bench.measure("a socket that is not read", Victim::Connected, attacks).await;
}

/// A message of all bytes but the last, on every stream that a connection may have.
async fn unfinished(connection: &mut Connection) -> Result<(), String> {
    const LENGTH: usize = 1_000_000;
    let begin = framed(0, LENGTH, &vec![0x0a; 60_000]);
    for stream in streams(1, 1_024) {
        connection.try_send(&check(stream)).await.map_err(|error| error.to_string())?;
        let mut sent = 0;
        let mut next = begin.as_slice();
        while sent + next.len() < LENGTH {
            for part in next.chunks(16_384) {
                connection.send_part(stream, part).await?;
            }
            sent += next.len();
            next = begin.get(5..).unwrap();
        }
    }
    connection.closed().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_never_end_fill_no_memory() {
    let bench = Arc::new(Bench::start("deadline: 10s").await);
    let mut attacks = JoinSet::new();
    for _ in 0..8 {
        let bench = Arc::clone(&bench);
        attacks.spawn(async move {
            loop {
                if let Some(mut connection) = bench.connect(&[]).await {
                    let _ = unfinished(&mut connection).await;
                }
                bench.turn().await;
            }
        });
    }
    bench.measure("messages that never end", Victim::Connected, attacks).await;
}

/// Connections that send these parts, each once the one before has been read, and again when they are closed.
fn parts<const PARTS: usize>(
    bench: &Arc<Bench>,
    settings: &'static [u8],
    connections: usize,
    parts: [Vec<Vec<u8>>; PARTS],
) -> JoinSet<()> {
    let parts = Arc::new(parts);
    let mut attacks = JoinSet::new();
    for _ in 0..connections {
        let (bench, parts) = (Arc::clone(bench), Arc::clone(&parts));
        attacks.spawn(async move {
            loop {
                bench.turn().await;
                let Some(mut connection) = bench.connect(settings).await else { continue };
                if send_parts(&mut connection, &*parts).await.is_ok() {
                    connection.closed().await;
                }
            }
        });
    }
    attacks
}

async fn send_parts(connection: &mut Connection, parts: &[Vec<Vec<u8>>]) -> Result<(), String> {
    for part in parts {
        for call in part {
            connection.try_send(call).await.map_err(|error| error.to_string())?;
        }
        connection.ping().await?;
    }
    Ok(())
}

/// The path is that of a check; the query and the authority are as long as they may be together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_addresses_fill_no_memory() {
    let bench = Arc::new(Bench::start("deadline: 10s").await);
    let long = vec![b'a'; 60_000];
    let address = [
        &[0x83, 0x86][..],
        &literal(":path", &[CHECK.as_bytes(), b"?", &long].concat()),
        &literal(":authority", &long),
    ]
    .concat();
    let calls = streams(1, 1_000).map(|stream| block(stream, &address)).collect();
    bench.measure("long addresses", Victim::Connected, parts(&bench, &[], 6, [calls])).await;
}

/// Of calls that are answered before their messages end, whose responses stay unread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_fill_no_memory() {
    let bench = Arc::new(Bench::start("deadline: 10s").await);
    let no_message = [2, 0, 0, 0, 0];
    let begin = streams(1, 110).map(|stream| [check(stream), part(stream, &no_message)].concat()).collect();
    let end = streams(1, 110).map(|stream| trailers(stream, 3_700)).collect();
    bench.measure("trailers", Victim::Connected, parts(&bench, &NO_WINDOW, 20, [begin, end])).await;
}
