//! Connections and calls that are held open: for the place that they take.

use super::{Bench, Victim, streams};
use crate::guarantee::frames::{End, call, last};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::JoinSet;

const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Each takes all the calls that a connection may have, and says no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_messages_starve_no_client() {
    let bench = Arc::new(Bench::start("deadline: 2s").await);
    for (name, path, connections) in [
        ("checks without messages", crate::guarantee::raw::CHECK, 5),
        ("questions about health without messages", HEALTH, 5),
    ] {
        let mut attacks = JoinSet::new();
        for _ in 0..connections {
            let bench = Arc::clone(&bench);
            attacks.spawn(async move {
                loop {
                    let Some(mut connection) = bench.connect(&[]).await else { continue };
                    bench.turn().await;
                    let mut next = 1;
                    loop {
                        let calls: Vec<u8> = streams(next, 1_024).flat_map(|stream| call(stream, path)).collect();
                        if connection.try_send(&calls).await.is_err() {
                            break;
                        }
                        // The last one is answered when all the others are.
                        next += 2 * 1_024;
                        if let End::Closed(_) = connection.end(next - 2).await {
                            break;
                        }
                    }
                }
            });
        }
        bench.measure(name, Victim::Connected, attacks).await;
    }
}

/// Whole questions, each answered: as fast as they are, on several connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_health_checks_starves_no_client() {
    const BURST: u32 = 200;
    let bench = Arc::new(Bench::start("deadline: 10s").await);
    let answered = Arc::new(AtomicU64::new(0));
    let mut attacks = JoinSet::new();
    for _ in 0..5 {
        let (bench, answered) = (Arc::clone(&bench), Arc::clone(&answered));
        attacks.spawn(async move {
            loop {
                let Some(mut connection) = bench.connect(&[]).await else { continue };
                bench.turn().await;
                let mut next = 1;
                loop {
                    let ask = |stream| [call(stream, HEALTH), last(stream, &[0; 5])].concat();
                    let burst: Vec<u8> = streams(next, BURST).flat_map(ask).collect();
                    next += 2 * BURST;
                    if connection.try_send(&burst).await.is_err() {
                        break;
                    }
                    match connection.end(next - 2).await {
                        End::Answered(body) => assert_eq!(body, [0, 0, 0, 0, 2, 8, 1], "serving"),
                        End::Reset | End::Closed(_) => break,
                    }
                    answered.fetch_add(BURST.into(), Ordering::Relaxed);
                }
            }
        });
    }
    bench.measure("whole questions about health", Victim::Connected, attacks).await;
    let answered = answered.load(Ordering::Relaxed);
    assert!(answered >= 1_000, "no flood: {answered} answers");
}

/// Each asks about health once, and stays: Envoy must be able to connect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_with_health_checks_keep_no_client_out() {
    let ask = [call(1, HEALTH), last(1, &[0; 5])].concat();
    places_are_taken("connections that ask about health", ask).await;
}

/// Each begins a check, of which no message comes: it has carried none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_with_incomplete_checks_keep_no_client_out() {
    places_are_taken("connections that begin a check", call(1, crate::guarantee::raw::CHECK)).await;
}

/// All the connections that there may be send this, and stay.
async fn places_are_taken(name: &str, call: Vec<u8>) {
    const MOST: usize = 300;
    let bench = Arc::new(Bench::start(&format!("deadline: 10s, max_connections: {MOST}")).await);
    let mut open = Vec::new();
    for _ in 0..MOST {
        let mut connection = bench.connect(&[]).await.unwrap();
        connection.send(&call).await;
        connection.ping().await.unwrap();
        open.push(connection);
    }
    let mut attacks = JoinSet::new();
    // They come back when they are closed, and ask again.
    let of = Arc::clone(&bench);
    attacks.spawn(async move {
        for number in (0..MOST).cycle() {
            let Some(connection) = open.get_mut(number) else { continue };
            if connection.ping().await.is_ok() {
                continue;
            }
            of.turn().await;
            if let Some(mut fresh) = of.connect(&[]).await {
                let _ = fresh.try_send(&call).await;
                *connection = fresh;
            }
        }
    });
    bench.measure(name, Victim::Newcomer, attacks).await;
}
