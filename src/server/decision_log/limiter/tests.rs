//! Tests of what a flood leaves.

use super::{Kind, Limiter, MAX_KINDS};
use modgud_core::decide::LogLimits;
use modgud_core::reason::Reason;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn limits(max_per_second: u32) -> LogLimits {
    LogLimits { sample: 1.0, max_per_second }
}

const fn denied(reason: Reason, rule: &str) -> Kind<'_> {
    let (rule, authenticator) = (Some(rule), None);
    Kind { message: "check", decision: "denied", reason: Some(reason), rule, authenticator, is_allowed: false }
}

const fn allowed(rule: &str) -> Kind<'_> {
    Kind { decision: "allowed", reason: None, is_allowed: true, ..denied(Reason::RoleMissing, rule) }
}

/// Sends so many lines of a kind in this second; returns how many are written.
fn send(limiter: &Limiter, kind: Kind<'_>, limits: LogLimits, second: u64, lines: u64) -> u64 {
    (0..lines).map(|_| u64::from(limiter.admits_at(kind, limits, second))).sum()
}

/// The lines that were left out, by sampling and by the limit.
fn left_out(limiter: &Limiter) -> (u64, u64) {
    let kinds = limiter.take_left_out();
    (kinds.iter().map(|kind| kind.sampled).sum(), kinds.iter().map(|kind| kind.rate_limited).sum())
}

#[test]
fn a_flood_of_one_kind_leaves_room_for_each_other_kind() {
    let limiter = Limiter::new(Arc::default());
    let flood = denied(Reason::TokenMalformed, "orders");
    assert_eq!(send(&limiter, flood, limits(1_000), 7, 100_000), 800);
    // By reason, by rule, and by authenticator; and allowed requests have a budget of their own.
    assert_eq!(send(&limiter, denied(Reason::RoleMissing, "orders"), limits(1_000), 7, 50), 50);
    assert_eq!(send(&limiter, denied(Reason::TokenMalformed, "invoices"), limits(1_000), 7, 50), 50);
    let other = Kind { authenticator: Some("bifrost"), ..flood };
    assert_eq!(send(&limiter, other, limits(1_000), 7, 50), 50);
    assert_eq!(send(&limiter, allowed("orders"), limits(1_000), 7, 1_000), 800);
    // The next second begins anew.
    assert_eq!(send(&limiter, flood, limits(1_000), 8, 100), 100);
    assert_eq!(left_out(&limiter), (0, 99_200 + 200));
    assert_eq!(left_out(&limiter), (0, 0));
}

/// Even if a thousand kinds flood, and with the smallest budget.
#[test]
fn the_first_line_of_each_kind_in_a_second_is_written() {
    let limiter = Limiter::new(Arc::default());
    let rules: Vec<String> = (0..MAX_KINDS - 1).map(|number| format!("rule-{number}")).collect();
    for second in 0..3 {
        for _ in 0..5 {
            for rule in &rules {
                limiter.admits_at(denied(Reason::TokenMalformed, rule), limits(1), second);
            }
        }
        assert_eq!(send(&limiter, denied(Reason::RoleMissing, "orders"), limits(1), second, 3), 1, "{second}");
    }
    assert_eq!(left_out(&limiter), (0, 3 * (4 * (MAX_KINDS as u64 - 1) + 2)));
}

/// Clients can't fill the memory: further kinds share a row for each reason, whose first line is written, too.
#[test]
fn the_table_is_bounded_and_forgets_what_is_not_used() {
    let limiter = Limiter::new(Arc::default());
    let rules: Vec<String> = (0..3 * MAX_KINDS).map(|number| format!("rule-{number}")).collect();
    let written: u64 =
        rules.iter().map(|rule| send(&limiter, denied(Reason::TokenMalformed, rule), limits(1), 1, 1)).sum();
    let rows = || limiter.state.lock().unwrap().rows.len();
    assert_eq!((written, rows()), (MAX_KINDS as u64 + 1, MAX_KINDS + 1));
    assert_eq!(send(&limiter, denied(Reason::RoleMissing, "new"), limits(1), 1, 9), 1);
    assert_eq!(left_out(&limiter), (0, 2 * MAX_KINDS as u64 - 1 + 8));
    assert_eq!(send(&limiter, denied(Reason::RoleMissing, "rule-1"), limits(1), 2, 1), 1);
    left_out(&limiter);
    left_out(&limiter);
    assert_eq!(rows(), 0);
}

#[test]
fn sampling_thins_allowed_requests_only_and_counts_the_rest() {
    let limiter = Limiter::new(Arc::default());
    let most = 1_000_000;
    for (sample, expected) in [(0.0, 0..=0), (0.25, 2_200..=2_800), (1.0, 10_000..=10_000)] {
        let limits = LogLimits { sample, max_per_second: most };
        let written = send(&limiter, allowed("orders"), limits, 1, 10_000);
        assert!(expected.contains(&written), "{sample}: {written}");
        assert_eq!(left_out(&limiter), (10_000 - written, 0));
        assert_eq!(send(&limiter, denied(Reason::RoleMissing, "orders"), limits, 1, 1_000), 1_000);
    }
}

/// Two processes do not draw alike: an attacker can't learn from one which requests another leaves out.
#[test]
fn draws_can_not_be_foreseen() {
    let limits = LogLimits { sample: 0.5, max_per_second: 1_000_000 };
    let draws = || {
        let limiter = Limiter::new(Arc::default());
        (0..64).map(|_| limiter.admits_at(allowed("orders"), limits, 1)).collect::<Vec<_>>()
    };
    assert_ne!(draws(), draws());
}

/// Far less than a line costs, in a build without optimizations too.
#[test]
fn a_line_that_is_left_out_costs_little() {
    let limiter = Limiter::new(Arc::default());
    let flood = denied(Reason::TokenMalformed, "orders");
    let began = Instant::now();
    send(&limiter, flood, limits(1), 1, 100_000);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
