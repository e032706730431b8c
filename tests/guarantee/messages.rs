//! Messages that no Envoy sends.

use super::good;
use super::raw::{CHECK, Raw, frame, framed};
use crate::decisions::PATIENT;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, Sidecar, check, token};
use axum::body::Body as AnyBody;
use bytes::Bytes;
use modgud::envoy::proto::{
    Address, AttributeContext, CheckRequest, ContextExtensionsEntry, HeaderMap, HeaderValue, HeadersEntry, HttpRequest,
    LabelsEntry, Peer, Pipe, Request, TlsSession, address,
};
use prost::Message;
use tonic::body::Body;

/// A sidecar, and a connection to it.
struct Bench {
    sidecar: Sidecar,
    raw: Raw,
}

impl Bench {
    async fn set_up() -> Self {
        let sidecar = Sidecar::with(PATIENT).await;
        let raw = Raw::connect(&sidecar).await;
        Self { sidecar, raw }
    }

    /// Asserts what becomes of a body: the status and reason of a denial, or neither.
    async fn expect(&mut self, what: &str, headers: &[(&str, &str)], body: Vec<u8>, expected: (Option<u16>, &str)) {
        let before = Counters::read(&self.sidecar).await;
        let found = self.raw.call(CHECK, headers, Body::new(AnyBody::from(body))).await.answer();
        let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
        let counted = Counters::read(&self.sidecar).await.reasons_since(&before).join(", ");
        assert_eq!((found.status(), counted.as_str()), expected, "{what}: {found:?}");
    }
}

const INTERNAL: (Option<u16>, &str) = (Some(503), "internal");
const TOO_LARGE: (Option<u16>, &str) = (Some(413), "request_too_large");
const MALFORMED: (Option<u16>, &str) = (Some(400), "request_malformed");
const ALLOWED: (Option<u16>, &str) = (None, "");

/// A check that only has labels: two bytes each on the wire, and many more in memory.
fn labels(count: usize) -> Vec<u8> {
    let destination = Some(Peer { labels: vec![LabelsEntry::default(); count], ..Peer::default() });
    CheckRequest { attributes: Some(AttributeContext { destination, ..AttributeContext::default() }) }.encode_to_vec()
}

#[tokio::test]
async fn bodies_that_hold_no_message() {
    let mut bench = Bench::set_up().await;
    let message = good().encode_to_vec();
    let length = message.len();
    let gzip = [("grpc-encoding", "gzip")];
    let snappy = [("grpc-encoding", "snappy")];
    bench.expect("good", &[], frame(&message), ALLOWED).await;
    for (what, headers, body) in [
        ("nothing at all", &[][..], Vec::new()),
        ("half a prefix", &[], vec![0, 0, 0]),
        ("a prefix only", &[], framed(0, length, b"")),
        ("half a message", &[], framed(0, length, &message[..length / 2])),
        ("all but a byte", &[], framed(0, length, &message[..length - 1])),
        ("compressed, and it says so", &gzip, framed(1, length, &message)),
        ("compressed in a way that nobody knows", &snappy, framed(1, length, &message)),
        ("compressed, and it does not say so", &[], framed(1, length, &message)),
        ("a flag that is none", &[], framed(2, length, &message)),
        ("bytes", &[], frame(&[0xff; 32])),
        ("text", &[], frame(b"GET / HTTP/1.1\r\n\r\n")),
        ("a message cut in its middle", &[], frame(&message[..length / 2])),
        ("an endless number", &[], frame(&[0x80; 32])),
        ("groups in groups", &[], frame(&[0x0b; 500])),
        ("messages in messages", &[], frame(&nested(200))),
    ] {
        bench.expect(what, headers, body, INTERNAL).await;
    }
    bench.expect("good, once more", &[], frame(&message), ALLOWED).await;
    // The first message is the check; nothing of another one is read.
    bench.expect("two messages", &[], [frame(&message), frame(&message)].concat(), ALLOWED).await;
    bench.expect("a good message and bytes", &[], [frame(&message), frame(b"\xff")].concat(), ALLOWED).await;
    bench.expect("bytes and a good message", &[], [frame(b"\xff"), frame(&message)].concat(), INTERNAL).await;
    bench.expect("said to be compressed, and is not", &gzip, frame(&message), INTERNAL).await;
}

/// It was `internal`, as if modgud were at fault.
#[tokio::test]
async fn a_check_beyond_its_limit_is_request_too_large() {
    let mut bench = Bench::set_up().await;
    let message = good().encode_to_vec();
    for (what, body) in [
        ("a length of 4 GiB", framed(0, 0xffff_ffff, &message)),
        ("a length beyond 1 MiB", framed(0, 1024 * 1024 + 1, &message)),
        ("a message beyond 1 MiB", frame(&vec![0x0a; 1024 * 1024 + 1])),
        ("a message of 3 MiB", frame(&vec![0x0a; 3 * 1024 * 1024])),
    ] {
        bench.expect(what, &[], body, TOO_LARGE).await;
    }
    // Labels are not read, and headers only up to one too many.
    bench.expect("many labels", &[], frame(&[message.clone(), labels(3_000)].concat()), ALLOWED).await;
    let mut many = good();
    http(many.attributes.as_mut().unwrap()).headers.resize(100_000, HeadersEntry::default());
    bench.expect("many headers", &[], frame(&many.encode_to_vec()), MALFORMED).await;
    bench.expect("good, once more", &[], frame(&message), ALLOWED).await;
}

/// Lengths that hold lengths.
fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(vec![0xff], |inner, _| {
        let length = u8::try_from(inner.len().min(0x7f)).unwrap();
        [&[0x0a, length], inner.as_slice()].concat()
    })
}

#[tokio::test]
async fn messages_that_hold_no_request() {
    let mut bench = Bench::set_up().await;
    let attributes =
        |request| CheckRequest { attributes: Some(AttributeContext { request, ..AttributeContext::default() }) };
    let http = |http| attributes(Some(Request { http, ..Request::default() }));
    for (what, message) in [
        ("an empty message", CheckRequest { attributes: None }),
        ("no request", attributes(None)),
        ("no HTTP request", http(None)),
        ("an empty HTTP request", http(Some(HttpRequest::default()))),
    ] {
        bench.expect(what, &[], frame(&message.encode_to_vec()), MALFORMED).await;
    }
    bench.expect("fields that nobody knows", &[], frame(b"\x7a\x01x\xf8\x07\x01"), MALFORMED).await;
}

#[tokio::test]
async fn a_credential_in_both_encodings_of_headers_is_two() {
    let mut bench = Bench::set_up().await;
    let mut message = good();
    let header = entry("authorization".into(), format!("JWT {}", token()).into());
    http(message.attributes.as_mut().unwrap()).headers.push(header);
    let expected = (Some(401), "credential_ambiguous");
    bench.expect("both encodings", &[], frame(&message.encode_to_vec()), expected).await;
}

#[tokio::test]
async fn every_message_that_is_cut_short_is_denied() {
    let mut bench = Bench::set_up().await;
    let message = good().encode_to_vec();
    for length in 0..message.len() {
        let found = bench.raw.send(&frame(&message[..length])).await.answer().unwrap();
        assert!(matches!(found.status(), Some(400 | 503)), "{length} bytes: {found:?}");
    }
}

#[tokio::test]
async fn arbitrary_bytes_are_denied() {
    let mut bench = Bench::set_up().await;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64: the same bytes on every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    for length in 0..400 {
        let bytes: Vec<u8> = (0..length).flat_map(|_| next()).take(length).collect();
        let found = bench.raw.send(&frame(&bytes)).await.answer().unwrap();
        assert!(matches!(found.status(), Some(400 | 503)), "{bytes:02x?}: {found:?}");
    }
}

/// A field, how bytes that are not UTF-8 get into it, and what becomes of the check.
type Field = (&'static str, fn(&mut AttributeContext), (Option<u16>, &'static str));

const NOT_UTF_8: Bytes = Bytes::from_static(b"/\xff\xfe");

fn http(context: &mut AttributeContext) -> &mut HttpRequest {
    context.request.as_mut().unwrap().http.as_mut().unwrap()
}

#[tokio::test]
async fn text_that_is_not_utf_8() {
    let path = (Some(400), "path_ambiguous");
    let host = (Some(400), "host_ambiguous");
    let fields: [Field; 20] = [
        ("id", |context| http(context).id = NOT_UTF_8, ALLOWED),
        ("method", |context| http(context).method = NOT_UTF_8, MALFORMED),
        ("path", |context| http(context).path = NOT_UTF_8, path),
        ("host", |context| http(context).host = NOT_UTF_8, host),
        ("scheme", |context| http(context).scheme = NOT_UTF_8, ALLOWED),
        ("query", |context| http(context).query = NOT_UTF_8, ALLOWED),
        ("fragment", |context| http(context).fragment = NOT_UTF_8, ALLOWED),
        ("protocol", |context| http(context).protocol = NOT_UTF_8, ALLOWED),
        ("body", |context| http(context).body = NOT_UTF_8, ALLOWED),
        ("raw_body", |context| http(context).raw_body = NOT_UTF_8, ALLOWED),
        ("a header's name", |context| http(context).headers.push(entry(NOT_UTF_8, Bytes::new())), MALFORMED),
        ("a header's value", |context| http(context).headers.push(entry("x-a".into(), NOT_UTF_8)), ALLOWED),
        ("a raw header's name", |context| raw_header(context, NOT_UTF_8, Bytes::new()), MALFORMED),
        ("a raw header's value", |context| raw_header(context, "x-a".into(), NOT_UTF_8), ALLOWED),
        ("a context extension", |context| context.context_extensions.push(extension()), MALFORMED),
        ("source.service", |context| context.source = Some(Peer { service: NOT_UTF_8, ..Peer::default() }), ALLOWED),
        (
            "source.principal",
            |context| context.source = Some(Peer { principal: NOT_UTF_8, ..Peer::default() }),
            ALLOWED,
        ),
        (
            "source.certificate",
            |context| context.source = Some(Peer { certificate: NOT_UTF_8, ..Peer::default() }),
            ALLOWED,
        ),
        ("destination", |context| context.destination = Some(destination()), ALLOWED),
        ("sni", |context| context.tls_session = Some(TlsSession { sni: NOT_UTF_8 }), ALLOWED),
    ];
    let mut bench = Bench::set_up().await;
    let value = format!("JWT {}", token());
    for encoding in Encoding::ALL {
        for (field, spoil, expected) in fields {
            let mut message = check(encoding, "GET", "/crm/", &[("authorization", value.as_bytes())]);
            spoil(message.attributes.as_mut().unwrap());
            bench.expect(field, &[], frame(&message.encode_to_vec()), expected).await;
        }
    }
}

fn entry(key: Bytes, value: Bytes) -> HeadersEntry {
    HeadersEntry { key, value }
}

fn raw_header(context: &mut AttributeContext, key: Bytes, raw_value: Bytes) {
    let map = http(context).header_map.get_or_insert_with(HeaderMap::default);
    map.headers.push(HeaderValue { key, raw_value, ..HeaderValue::default() });
}

fn extension() -> ContextExtensionsEntry {
    ContextExtensionsEntry { key: NOT_UTF_8, value: NOT_UTF_8 }
}

fn destination() -> Peer {
    let pipe = address::Address::Pipe(Pipe { path: NOT_UTF_8 });
    let labels = vec![LabelsEntry { key: NOT_UTF_8, value: NOT_UTF_8 }];
    Peer { address: Some(Address { address: Some(pipe) }), labels, ..Peer::default() }
}
