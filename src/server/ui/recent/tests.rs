use super::{Entry, Gate, MAX_DECISIONS, MAX_RECENT_BYTES, Ring, shortened};
use modgud_core::time::Timestamp;

fn entry(path: &str) -> Entry {
    Entry {
        id: 0,
        at: 1,
        took: 2,
        decision: "denied",
        reason: Some("no_rule"),
        detail: None,
        rule: None,
        authenticator: None,
        method: None,
        host: None,
        path: Some(path.to_owned()),
        client: None,
        request_id: None,
        trace_id: None,
        shadow: None,
    }
}

#[test]
fn a_gate_admits_so_many_in_each_second() {
    let gate = Gate::new(3);
    let admitted = |second| (0..10).filter(|_| gate.admits(Timestamp::from_secs(second))).count();
    assert_eq!((admitted(100), admitted(101), admitted(101)), (3, 3, 0));
    // A clock that goes back opens the gate once more, and does not close it for ever.
    assert_eq!(admitted(7), 3);
}

#[test]
fn the_ring_holds_so_many_decisions_and_finds_each() {
    let mut ring = Ring::default();
    for number in 1..=MAX_DECISIONS + 10 {
        assert_eq!(ring.push(entry("/")), number as u64);
    }
    assert_eq!(ring.entries.len(), MAX_DECISIONS);
    assert!(ring.kept(10).is_none() && ring.kept(0).is_none());
    assert_eq!(ring.kept(11).unwrap().entry.id, 11);
    let last = ring.last;
    assert_eq!(ring.kept(last).unwrap().entry.id, last);
    assert!(ring.kept(last + 1).is_none());
}

#[test]
fn the_ring_holds_so_many_bytes_with_explanations() {
    let mut ring = Ring::default();
    let explanation = "x".repeat(64 * 1024);
    for _ in 0..MAX_DECISIONS {
        let id = ring.push(entry(&"/p".repeat(100)));
        ring.explain(id, &explanation);
        assert!(ring.bytes <= MAX_RECENT_BYTES);
    }
    assert!(ring.entries.len() < MAX_DECISIONS && ring.entries.len() > 100, "{}", ring.entries.len());
    // An explanation that comes after its decision is gone is dropped.
    let bytes = ring.bytes;
    ring.explain(1, &explanation);
    assert_eq!(ring.bytes, bytes);
}

#[test]
fn a_text_is_cut_between_characters() {
    let cut = shortened("é".repeat(1_000));
    assert!(cut.len() <= 512 + '…'.len_utf8() && cut.ends_with("é…"), "{}", cut.len());
    assert_eq!(shortened("short".to_owned()), "short");
}
