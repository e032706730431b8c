use super::super::proto::{
    AttributeContext, CheckRequest, ContextExtensionsEntry, HeaderMap, HeaderValue, HeadersEntry, HttpRequest,
    LabelsEntry, Peer, Request,
};
use super::{MAX_ENTRIES, has_too_many_entries, memory};
use prost::Message;

/// Returns checks with this many empty entries, each in another list.
fn checks(entries: usize) -> Vec<CheckRequest> {
    let http =
        |http| AttributeContext { request: Some(Request { http: Some(http), time: None }), ..Default::default() };
    let peer = || Some(Peer { labels: vec![LabelsEntry::default(); entries], ..Peer::default() });
    let attributes = [
        AttributeContext { source: peer(), ..Default::default() },
        AttributeContext { destination: peer(), ..Default::default() },
        AttributeContext { context_extensions: vec![ContextExtensionsEntry::default(); entries], ..Default::default() },
        http(HttpRequest { headers: vec![HeadersEntry::default(); entries], ..Default::default() }),
        http(HttpRequest {
            header_map: Some(HeaderMap { headers: vec![HeaderValue::default(); entries] }),
            ..Default::default()
        }),
    ];
    attributes.into_iter().map(|attributes| CheckRequest { attributes: Some(attributes) }).collect()
}

#[test]
fn entries_of_every_list_are_counted() {
    for (number, check) in checks(MAX_ENTRIES).iter().enumerate() {
        assert!(!has_too_many_entries(&check.encode_to_vec()), "list {number}");
        assert!(memory(check) > 64 * MAX_ENTRIES, "list {number}: {}", memory(check));
    }
    for (number, check) in checks(MAX_ENTRIES + 1).iter().enumerate() {
        assert!(has_too_many_entries(&check.encode_to_vec()), "list {number}");
    }
}

#[test]
fn entries_of_all_lists_are_counted_together_and_of_messages_in_pieces() {
    let all: Vec<u8> = checks(MAX_ENTRIES / 5 + 1).iter().flat_map(Message::encode_to_vec).collect();
    assert!(has_too_many_entries(&all));
    // Decoding joins the pieces, too.
    let pieces: Vec<u8> = (0..=MAX_ENTRIES).flat_map(|_| checks(1).swap_remove(4).encode_to_vec()).collect();
    let decoded = CheckRequest::decode(pieces.as_slice()).unwrap();
    assert!(memory(&decoded) > 96 * MAX_ENTRIES);
    assert!(has_too_many_entries(&pieces));
}

/// Checks for arbitrary bytes that no decoded list has more entries than counted.
#[test]
fn long_bodies_and_malformed_bytes_have_no_entries() {
    let body = HttpRequest { raw_body: vec![0x0a; 900_000].into(), ..Default::default() };
    let request = Request { http: Some(body), time: None };
    let check = CheckRequest { attributes: Some(AttributeContext { request: Some(request), ..Default::default() }) };
    let bytes = check.encode_to_vec();
    assert!(!has_too_many_entries(&bytes));
    assert!(memory(&check) >= 900_000);
    for length in [5_000, bytes.len() - 1] {
        assert!(!has_too_many_entries(bytes.get(..length).unwrap()));
    }
    for byte in [0, 0x0a, 0x0b, 0x0c, 0x0f, 0x80, 0xff] {
        assert!(!has_too_many_entries(&[byte; 10_000]), "{byte}");
    }
}
