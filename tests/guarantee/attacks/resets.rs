//! Calls that are reset as soon as they are made (CVE-2023-44487, "Rapid Reset"): modgud does the work, and the client does none.

use super::{Bench, Victim, good, streams};
use crate::guarantee::frames::{check, frame as http2, give_up, last};
use crate::guarantee::raw::{CHECK, frame};
use prost::Message;
use std::sync::Arc;
use tokio::task::JoinSet;

const HEADERS: u8 = 1;
const END_HEADERS: u8 = 4;
/// Pairs that are sent in one go.
const BURST: u32 = 2_000;

/// The first call, whose path goes into the table that later ones refer to (RFC 7541 §6.2.1).
fn first(stream: u32) -> Vec<u8> {
    let length = u8::try_from(CHECK.len()).unwrap();
    let block = [&[0x83, 0x86, 0x44, length], CHECK.as_bytes()].concat();
    http2(HEADERS, END_HEADERS, stream, &block)
}

/// The same call in 12 bytes.
fn again(stream: u32) -> Vec<u8> {
    http2(HEADERS, END_HEADERS, stream, &[0x83, 0x86, 0xbe])
}

/// Calls that are reset, over and over; on another connection when the server ends this one.
async fn attack(bench: &Bench, call: impl Fn(u32) -> Vec<u8>) {
    loop {
        let Some(mut connection) = bench.connect(&[]).await else { continue };
        let mut next = 3;
        let mut sent = connection.try_send(&[first(1), give_up(1)].concat()).await;
        while sent.is_ok() {
            let burst: Vec<u8> =
                streams(next, BURST).flat_map(|stream| [call(stream), give_up(stream)].concat()).collect();
            next += 2 * BURST;
            sent = connection.try_send(&burst).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_reset_at_once_starve_no_client() {
    let bench = Arc::new(Bench::start("deadline: 10s").await);
    let message = frame(&good().encode_to_vec());
    for (name, connections) in [("headers and resets", 1), ("headers and resets on five connections", 5)] {
        let mut attacks = JoinSet::new();
        for _ in 0..connections {
            let bench = Arc::clone(&bench);
            attacks.spawn(async move { attack(&bench, again).await });
        }
        bench.measure(name, Victim::Connected, attacks).await;
    }
    let mut attacks = JoinSet::new();
    let of = Arc::clone(&bench);
    attacks.spawn(async move { attack(&of, |stream| [check(stream), last(stream, &message)].concat()).await });
    bench.measure("whole checks and resets", Victim::Newcomer, attacks).await;
}
