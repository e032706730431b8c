//! What a check with a known token allocates on the heap, from the message to the response.

use super::snapshot;
use crate::support::{Encoding, KEY, NOW, check, claims};
use modgud::envoy::{Check, read, response};
use modgud_core::decide::{Verdict, decide};
use modgud_core::denial::ParsedRequest;
use modgud_core::time::Timestamp;
use prost::Message;
use std::cell::Cell;

/// A browser's headers.
const HEADERS: [(&str, &str); 14] = [
    (":authority", "api.example.com"),
    (":path", "/crm/appointment/1/"),
    (":method", "GET"),
    (":scheme", "http"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", "en-GB,en;q=0.9"),
    ("cookie", "csrftoken=3b1c; theme=dark"),
    ("origin", "https://app.example.com"),
    ("referer", "https://app.example.com/calendar"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
    ("x-forwarded-for", "192.0.2.7"),
    ("x-forwarded-proto", "http"),
    ("x-request-id", "f7d1c9d0-6c36-4f6e-9a44-5f6b0a3b7c11"),
];

/// Each allocation has its reason; one more needs one.
#[test]
fn a_known_token_costs_few_allocations() {
    // The list of headers.
    const READING: u64 = 1;
    // Four identity headers and the token, each a text of its own, and the list of them.
    const DECIDING: u64 = 6;
    // The list of headers to set, and the metadata.
    const RESPONDING: u64 = 2;
    let snapshot = snapshot("");
    let token = format!("JWT {}", KEY.sign(&claims()).unwrap());
    let mut headers: Vec<(&str, &[u8])> = HEADERS.map(|(name, value)| (name, value.as_bytes())).to_vec();
    headers.push(("authorization", token.as_bytes()));
    for encoding in Encoding::ALL {
        let message = check(encoding, "GET", "/crm/appointment/1/", &headers).encode_to_vec();
        let mut encoded = Vec::with_capacity(8 * 1024);
        let counts = Cell::new([0; 3]);
        let mut decide_once = || {
            let (mut checked, mut decided, mut sent) = (None, None, None);
            let reading = allocation_counter::measure(|| checked = Some(Check::decode(&message).unwrap()));
            let mut checked = checked.unwrap();
            let mut request = None;
            let building = allocation_counter::measure(|| {
                request = Some(read(&mut checked, snapshot.scheme, snapshot.max_target).unwrap());
            });
            let request = request.unwrap();
            let deciding = allocation_counter::measure(|| {
                decided = Some(decide(&request, &snapshot, Timestamp::from_secs(NOW)));
            });
            let decision = decided.unwrap();
            assert!(matches!(decision.verdict, Verdict::Allow(_)));
            let responding = allocation_counter::measure(|| {
                let seen = ParsedRequest::of(Some(&request), None);
                let response = response(decision, seen, &snapshot);
                encoded.clear();
                response.encode(&mut encoded).unwrap();
                sent = Some(response);
            });
            let reading = reading.count_total.saturating_add(building.count_total);
            counts.set([reading, deciding.count_total, responding.count_total]);
        };
        decide_once();
        decide_once();
        let [reading, deciding, responding] = counts.get();
        let most = [READING, DECIDING, RESPONDING];
        let found = [reading, deciding, responding];
        assert!(
            found.iter().zip(&most).all(|(found, most)| found <= most),
            "{encoding:?}: {found:?}, at most {most:?}"
        );
    }
}
