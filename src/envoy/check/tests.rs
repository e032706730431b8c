//! What is decoded here is what prost decodes, and what it rejects of the parts that count is rejected.

use super::{Check, Http, NotACheck};
use crate::envoy::proto::{
    Address, AttributeContext, CheckRequest, ContextExtensionsEntry, HeaderMap, HeaderValue, HeadersEntry, HttpRequest,
    LabelsEntry, Peer, Pipe, Request, SocketAddress, TlsSession, address,
};
use bytes::Bytes;
use modgud_core::http::request::{Context, Headers};
use proptest::prelude::*;
use prost::Message;

/// Every part of a check, to compare.
#[derive(Debug, PartialEq)]
struct Parts {
    line: Option<Vec<Text>>,
    headers: Vec<[Text; 2]>,
    context: Vec<[Text; 2]>,
    client: Option<Text>,
    peer: [Text; 2],
}

fn parts(check: &Check<'_>) -> Parts {
    let line = check.http.as_ref().map(|Http { method, path, host, body, raw_body, headers: _ }| {
        [method, path, host, body, raw_body].map(|text| text.to_vec()).to_vec()
    });
    let headers = check.http.iter().flat_map(|http| http.headers.iter());
    let headers = headers.map(|field| [field.name.to_vec(), field.value.to_vec()]).collect();
    let context = check.context.iter().map(|(key, value)| [key.to_vec(), value.to_vec()]).collect();
    let peer = [check.peer.principal.to_vec(), check.peer.certificate.to_vec()];
    Parts { line, headers, context, client: check.connection().map(<[u8]>::to_vec), peer }
}

type Text = Vec<u8>;

/// What a check is made of: the messages themselves can't be printed.
#[derive(Debug, Clone)]
struct Made {
    /// Which of the optional messages there are.
    has: [bool; 8],
    texts: Vec<Text>,
    headers: Vec<[Text; 2]>,
    listed: Vec<[Text; 3]>,
    context: Vec<[Text; 2]>,
    size: i64,
}

impl Made {
    fn any() -> impl Strategy<Value = Self> {
        let text = || prop::collection::vec(any::<u8>(), 0..6);
        let pair = || [text(), text()];
        let lists = (
            prop::collection::vec(pair(), 0..4),
            prop::collection::vec([text(), text(), text()], 0..4),
            prop::collection::vec(pair(), 0..3),
        );
        let has = prop::array::uniform8(prop::bool::weighted(0.8));
        (has, prop::collection::vec(text(), 12), lists, any::<i64>()).prop_map(
            |(has, texts, (headers, listed, context), size)| Self { has, texts, headers, listed, context, size },
        )
    }

    fn peer(&self, has_address: bool) -> Peer {
        let text = |number: usize| Bytes::from(self.texts[number].clone());
        let address = if self.has[7] {
            address::Address::SocketAddress(SocketAddress { address: text(0), ..SocketAddress::default() })
        } else {
            address::Address::Pipe(Pipe { path: text(0) })
        };
        Peer {
            address: has_address.then(|| Address { address: self.has[6].then_some(address) }),
            service: text(1),
            labels: vec![LabelsEntry { key: text(2), value: text(3) }],
            principal: text(4),
            certificate: text(5),
        }
    }

    fn http(&self) -> HttpRequest {
        let text = |number: usize| Bytes::from(self.texts[number].clone());
        let headers = self.headers.iter().cloned();
        let listed = self.listed.iter().cloned().map(|[key, value, raw]| HeaderValue {
            key: key.into(),
            value,
            raw_value: raw.into(),
        });
        HttpRequest {
            id: text(0),
            method: text(6),
            headers: headers.map(|[key, value]| HeadersEntry { key: key.into(), value: value.into() }).collect(),
            header_map: self.has[5].then(|| HeaderMap { headers: listed.collect() }),
            path: text(7),
            host: text(8),
            scheme: text(1),
            query: text(2),
            fragment: text(3),
            size: self.size,
            protocol: text(9),
            body: text(10),
            raw_body: text(11),
        }
    }

    fn check(&self) -> CheckRequest {
        let context = self.context.iter().cloned();
        let attributes = AttributeContext {
            source: self.has[1].then(|| self.peer(self.has[2])),
            destination: Some(self.peer(true)),
            request: self.has[3].then(|| Request { time: None, http: self.has[4].then(|| self.http()) }),
            context_extensions: context
                .map(|[key, value]| ContextExtensionsEntry { key: key.into(), value: value.into() })
                .collect(),
            tls_session: Some(TlsSession { sni: Bytes::from(self.texts[9].clone()) }),
        };
        CheckRequest { attributes: self.has[0].then_some(attributes) }
    }

    fn message(&self) -> Vec<u8> {
        self.check().encode_to_vec()
    }
}

/// Asserts that a message is decoded as prost decodes it, if prost does.
fn assert_alike(message: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(decoded) = CheckRequest::decode(message) {
        let found = Check::decode(message);
        prop_assert_eq!(found.as_ref().map(parts).ok(), Some(parts(&Check::of(&decoded))));
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_check_is_decoded_as_prost_decodes_it(made in Made::any()) {
        let found = Check::decode(&made.message()).as_ref().map(parts).ok();
        prop_assert_eq!(found, Some(parts(&Check::of(&made.check()))));
    }

    /// Pieces are joined, the last of several values counts, and a pipe replaces a socket.
    #[test]
    fn pieces_are_joined_as_prost_joins_them(one in Made::any(), other in Made::any()) {
        assert_alike(&[one.message(), other.message()].concat())?;
    }

    #[test]
    fn changed_bytes_are_decoded_as_prost_decodes_them(
        made in Made::any(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut message = made.message();
        for (at, byte) in changes {
            if !message.is_empty() {
                let at = at.index(message.len());
                message[at] = byte;
            }
        }
        assert_alike(&message)?;
    }

    #[test]
    fn arbitrary_bytes_are_decoded_as_prost_decodes_them(message in prop::collection::vec(any::<u8>(), 0..40)) {
        assert_alike(&message)?;
    }
}

/// Encodes a field that holds bytes.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat()
}

/// Encodes a field that holds a small number.
fn number(number: u8) -> Vec<u8> {
    vec![number << 3, 1]
}

#[test]
fn parts_of_another_type_or_cut_short_are_rejected() {
    let attributes = |value: Vec<u8>| field(1, &value);
    let http = |value: Vec<u8>| attributes(field(4, &field(2, &value)));
    let source = |value: Vec<u8>| attributes(field(1, &value));
    let cut = vec![2 << 3 | 2, 9];
    for (what, message) in [
        ("attributes", number(1)),
        ("source", attributes(number(1))),
        ("request", attributes(number(4))),
        ("http", attributes(field(4, &number(2)))),
        ("context", attributes(number(10))),
        ("a context's key", attributes(field(10, &number(1)))),
        ("a context's value", attributes(field(10, &number(2)))),
        ("address", source(number(1))),
        ("socket", source(field(1, &number(1)))),
        ("a socket's address", source(field(1, &field(1, &number(2))))),
        ("pipe", source(field(1, &number(2)))),
        ("principal", source(number(4))),
        ("certificate", source(number(5))),
        ("method", http(number(2))),
        ("headers", http(number(3))),
        ("a header's name", http(field(3, &number(1)))),
        ("a header's value", http(field(3, &number(2)))),
        ("path", http(number(4))),
        ("host", http(number(5))),
        ("body", http(number(11))),
        ("raw body", http(number(12))),
        ("header map", http(number(13))),
        ("a listed header", http(field(13, &number(1)))),
        ("a listed header's name", http(field(13, &field(1, &number(1))))),
        ("a listed header's value", http(field(13, &field(1, &number(2))))),
        ("a listed header's raw value", http(field(13, &field(1, &number(3))))),
        ("cut attributes", cut.clone()),
        ("cut http", http(cut.clone())),
        ("cut header", http(field(3, &cut))),
    ] {
        assert_eq!(Check::decode(&message).err(), Some(NotACheck), "{what}");
        assert!(CheckRequest::decode(message.as_slice()).is_err(), "{what}");
    }
}

/// Entries are two bytes on the wire.
#[test]
fn a_list_keeps_one_entry_too_many_and_no_more() {
    let headers = vec![HeadersEntry::default(); 5_000];
    let header_map = Some(HeaderMap { headers: vec![HeaderValue::default(); 5_000] });
    let context_extensions = vec![ContextExtensionsEntry::default(); 5_000];
    let http = HttpRequest { headers, header_map, ..HttpRequest::default() };
    let request = Some(Request { time: None, http: Some(http) });
    let attributes = AttributeContext { request, context_extensions, ..AttributeContext::default() };
    let message = CheckRequest { attributes: Some(attributes) }.encode_to_vec();
    let check = Check::decode(&message).unwrap();
    assert_eq!(check.context.len(), Context::MAX_ENTRIES + 1);
    let headers = check.http.as_ref().unwrap().headers.iter().count();
    assert_eq!(headers, 2 * (Headers::MAX_HEADERS + 1));
    assert!(check.memory() > message.len() + 96 * headers);
}
