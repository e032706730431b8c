//! What sets our types apart from others of the same messages, and the gRPC service around them.

use bytes::{Bytes, BytesMut};
use envoy_types::pb::envoy::service::auth::v3 as theirs;
use modgud::envoy::proto::{
    AttributeContext, Authorization, AuthorizationClient, AuthorizationServer, CheckRequest, CheckResponse,
    HeaderAppendAction, HeaderValueOption, HeadersEntry, HttpRequest, HttpStatus, Request, RpcStatus, StatusCode,
};
use prost::Message;

fn request(http: HttpRequest) -> CheckRequest {
    let request = Request { http: Some(http), ..Request::default() };
    CheckRequest { attributes: Some(AttributeContext { request: Some(request), ..AttributeContext::default() }) }
}

fn http(request: CheckRequest) -> HttpRequest {
    request.attributes.unwrap().request.unwrap().http.unwrap()
}

fn header(key: &'static str, value: &'static [u8]) -> HeadersEntry {
    HeadersEntry { key: key.into(), value: value.into() }
}

#[test]
fn a_header_that_is_twice_in_the_map_is_seen_twice_and_in_order() {
    let headers =
        vec![header("authorization", b"JWT good"), header("x-other", b"1"), header("authorization", b"JWT bad")];
    let bytes = request(HttpRequest { headers: headers.clone(), ..HttpRequest::default() }).encode_to_vec();

    let collapsed = theirs::CheckRequest::decode(bytes.as_slice()).unwrap();
    let collapsed = collapsed.attributes.unwrap().request.unwrap().http.unwrap().headers;
    assert_eq!(collapsed.len(), 2, "a map keeps one of the two, which is why ours is none");

    assert!(http(CheckRequest::decode(bytes.as_slice()).unwrap()).headers == headers);
}

#[test]
fn an_entry_without_key_or_value_is_an_empty_one() {
    // attributes=1 { request=4 { http=2 { headers=3 { value=2: "v" }, headers=3 {} } } }
    let bytes: &[u8] = b"\x0a\x0b\x22\x09\x12\x07\x1a\x03\x12\x01v\x1a\x00";
    assert!(http(CheckRequest::decode(bytes).unwrap()).headers == [header("", b"v"), header("", b"")]);
}

/// Asserts that a value lies in the buffer that the message was decoded from.
#[track_caller]
fn assert_within(buffer: std::ops::Range<*const u8>, value: &[u8]) {
    let range = value.as_ptr_range();
    assert!(!value.is_empty() && buffer.start <= range.start && range.end <= buffer.end, "{range:?} not in {buffer:?}");
}

#[test]
fn decoding_copies_no_value() {
    let headers = vec![header("authorization", &[b'x'; 700])];
    let encoded = request(HttpRequest { path: "/a?b".into(), headers, ..HttpRequest::default() }).encode_to_vec();

    // What tonic reads from is a `BytesMut`.
    let mut growing = BytesMut::from(encoded.as_slice());
    let range = growing.as_ptr_range();
    let decoded = http(CheckRequest::decode(&mut growing).unwrap());
    for value in [&decoded.path, &decoded.headers[0].key, &decoded.headers[0].value] {
        assert_within(range.clone(), value);
    }

    let frozen = Bytes::from(encoded);
    let decoded = http(CheckRequest::decode(frozen.clone()).unwrap());
    for value in [&decoded.path, &decoded.headers[0].key, &decoded.headers[0].value] {
        assert_within(frozen.as_ptr_range(), value);
    }
}

#[test]
fn append_false_is_sent_and_append_absent_is_not() {
    let option = |append| HeaderValueOption { append, ..HeaderValueOption::default() };
    assert_eq!(option(Some(false)).encode_to_vec(), [0x12, 0x00]);
    assert_eq!(option(Some(true)).encode_to_vec(), [0x12, 0x02, 0x08, 0x01]);
    assert!(option(None).encode_to_vec().is_empty());
    let overwrite = HeaderValueOption {
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    };
    assert_eq!(overwrite.encode_to_vec(), [0x18, 0x02]);
}

#[test]
fn a_status_code_travels_as_its_number_named_or_not() {
    assert_eq!(HttpStatus { code: StatusCode::Unauthorized.into() }.encode_to_vec(), [0x08, 0x91, 0x03]);
    let unnamed = HttpStatus { code: 418 };
    assert_eq!(StatusCode::try_from(unnamed.code).ok(), None);
    assert_eq!(HttpStatus::decode(unnamed.encode_to_vec().as_slice()).unwrap(), unnamed);
}

/// Answers with the request's path, and checks on the way that nothing was copied between tonic's buffer and the handler.
struct Echo;

#[tonic::async_trait]
impl Authorization for Echo {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        let http = http(request.into_inner());
        // `id` and `method` are neighbours on the wire, with a tag and a length of one byte each in between.
        let distance = http.method.as_ptr().addr() - http.id.as_ptr_range().end.addr();
        assert_eq!(distance, 2, "a value was copied");
        let status = RpcStatus { code: 7, message: http.path, details: Vec::new() };
        Ok(tonic::Response::new(CheckResponse { status: Some(status), ..CheckResponse::default() }))
    }
}

#[tokio::test]
async fn a_client_of_envoys_finds_our_service() {
    use theirs::attribute_context::{HttpRequest, Request};
    let http =
        HttpRequest { id: "123".into(), method: "GET".into(), path: "/crm/?q=1".into(), ..HttpRequest::default() };
    let attributes = theirs::AttributeContext {
        request: Some(Request { http: Some(http), ..Request::default() }),
        ..theirs::AttributeContext::default()
    };
    let mut client = theirs::authorization_client::AuthorizationClient::new(AuthorizationServer::new(Echo));
    let answer = client.check(theirs::CheckRequest { attributes: Some(attributes) }).await.unwrap().into_inner();
    let status = answer.status.unwrap();
    assert_eq!((status.code, status.message.as_str()), (7, "/crm/?q=1"));
}

#[tokio::test]
async fn text_that_is_not_utf_8_reaches_the_handler() {
    let path = Bytes::from_static(b"/\xff\x00");
    let asked = HttpRequest { id: "123".into(), method: "GET".into(), path: path.clone(), ..HttpRequest::default() };
    let mut client = AuthorizationClient::new(AuthorizationServer::new(Echo));
    let answer = client.check(request(asked)).await.unwrap().into_inner();
    assert_eq!(answer.status.unwrap().message, path);
}
