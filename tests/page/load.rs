//! A flood of decisions: what is kept is bounded, and the rest is counted. The cost of the page is measured where the Makefile asks for it.

use super::{CONFIGURATION, Served, token};
use crate::support::{Encoding, check, is_set};
use modgud::envoy::proto::CheckRequest;
use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// Checks in a second, and in one step of the pace.
const RATE: u32 = 1_000;
const STEP: u32 = 20;

/// A check with a token that the server knows, and one that is denied.
fn checks() -> [CheckRequest; 2] {
    let bearer = format!("Bearer {}", token(&[("roles", json!(["clerk"]))]));
    let headers = [("authorization", bearer.as_bytes())];
    [check(Encoding::Joined, "GET", "/orders/1", &headers), check(Encoding::Joined, "GET", "/nowhere", &headers)]
}

/// Sends so many seconds of checks at the rate, one denied in a hundred.
async fn send(served: &Served, seconds: u32) {
    let [known, denied] = checks();
    let mut client = served.client.clone();
    client.check(known.clone()).await.unwrap();
    let mut ticks = interval(Duration::from_secs(1) * STEP / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for step in 0..seconds * RATE / STEP {
        ticks.tick().await;
        for number in 0..STEP {
            let check = if (step * STEP + number).is_multiple_of(100) { &denied } else { &known };
            client.check(check.clone()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_flood_is_counted_and_a_few_of_each_kind_are_kept() {
    let served = Served::of(CONFIGURATION).await;
    let started = Instant::now();
    send(&served, 2).await;
    // The second in which it began, and the one in which it ended.
    let seconds = started.elapsed().as_secs() + 2;
    let all = served.get("/api/decisions").await.json();
    let (kept, checks) = (all["last"].as_u64().unwrap(), all["checks"].as_u64().unwrap());
    assert_eq!(checks, u64::from(2 * RATE + 1));
    assert!(kept <= 80 * seconds && kept < checks, "{kept} of {checks} in {seconds} s");
    // The few denials are not hidden by what is allowed.
    let denied = all["decisions"].as_array().unwrap().iter().filter(|one| one["reason"] == "no_rule").count();
    assert!(denied >= 15, "{denied} of 20 denials are kept");
}

/// The CPU time of a process, and its resident memory in KiB.
fn usage(process: u32) -> (Duration, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident = resident.trim().split(' ').next().unwrap().parse().unwrap();
    (Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second()), resident)
}

/// Not a limit that a busy machine could break: it prints the ratio of CPU time with and without the page. `make page-test` runs it.
#[tokio::test]
async fn cost_of_the_page_at_1000_decisions_a_second() {
    if !is_set("MODGUD_TEST_PAGE_COST") {
        return;
    }
    let with = Served::of(CONFIGURATION).await;
    let without = Served::without_page(CONFIGURATION).await;
    let mut spent = [Duration::ZERO; 2];
    for _ in 0..6 {
        for (spent, served) in spent.iter_mut().zip([&without, &with]) {
            let process = served.modgud.id().unwrap();
            let before = usage(process).0;
            let open = async {
                // An open page asks every second.
                for _ in 0..5 {
                    if served.page.port() != 0 {
                        served.get("/api/decisions?since=1000000").await;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            tokio::join!(send(served, 5), open);
            *spent += usage(process).0.saturating_sub(before);
        }
    }
    let memory = [&without, &with].map(|served| usage(served.modgud.id().unwrap()).1);
    let ratio = spent[1].as_secs_f64() / spent[0].as_secs_f64();
    let text = format!(
        "1000 decisions a second for 30 s: CPU {:?} without the page, {:?} with it open: {ratio:.3} x; resident {} and {} KiB\n",
        spent[0], spent[1], memory[0], memory[1]
    );
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
