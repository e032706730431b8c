//! Each message, written once with our types and once with `envoy-types`, must be the same bytes both ways. No value occurs
//! twice, so a swapped pair of fields is seen; no literal leaves a field out, so a new one must be added here to compile.

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3 as their_core;
use envoy_types::pb::envoy::service::auth::v3 as theirs;
use envoy_types::pb::envoy::r#type::v3 as their_type;
use envoy_types::pb::google::{protobuf as their_wkt, rpc as their_rpc};
use modgud::envoy::proto as ours;
use prost::Message;

fn text(value: &'static str) -> Bytes {
    Bytes::from_static(value.as_bytes())
}

fn our_request() -> ours::CheckRequest {
    let http = ours::HttpRequest {
        id: text("id"),
        method: text("method"),
        headers: vec![ours::HeadersEntry { key: text("header key"), value: text("header value") }],
        header_map: Some(ours::HeaderMap {
            headers: vec![ours::HeaderValue {
                key: text("raw key"),
                value: text("raw text").into(),
                raw_value: Bytes::from_static(b"\xff\xfe"),
            }],
        }),
        path: text("path"),
        host: text("host"),
        scheme: text("scheme"),
        query: text("query"),
        fragment: text("fragment"),
        size: -1,
        protocol: text("protocol"),
        body: text("body"),
        raw_body: Bytes::from_static(b"\xfd"),
    };
    let source = ours::Peer {
        address: Some(ours::Address {
            address: Some(ours::address::Address::SocketAddress(ours::SocketAddress {
                protocol: ours::Protocol::Udp.into(),
                address: text("192.0.2.1"),
                port_specifier: Some(ours::PortSpecifier::PortValue(65_535)),
            })),
        }),
        service: text("source service"),
        labels: vec![ours::LabelsEntry { key: text("source label"), value: text("source label value") }],
        principal: text("source principal"),
        certificate: text("source certificate"),
    };
    let destination = ours::Peer {
        address: Some(ours::Address {
            address: Some(ours::address::Address::Pipe(ours::Pipe { path: text("@pipe") })),
        }),
        service: text("destination service"),
        labels: vec![ours::LabelsEntry { key: text("destination label"), value: text("destination label value") }],
        principal: text("destination principal"),
        certificate: text("destination certificate"),
    };
    ours::CheckRequest {
        attributes: Some(ours::AttributeContext {
            source: Some(source),
            destination: Some(destination),
            request: Some(ours::Request {
                time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 7 }),
                http: Some(http),
            }),
            context_extensions: vec![ours::ContextExtensionsEntry {
                key: text("context key"),
                value: text("context value"),
            }],
            tls_session: Some(ours::TlsSession { sni: text("sni") }),
        }),
    }
}

fn their_request() -> theirs::CheckRequest {
    use theirs::attribute_context::{HttpRequest, Peer, Request, TlsSession};
    let pair = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    let http = HttpRequest {
        id: "id".into(),
        method: "method".into(),
        headers: pair("header key", "header value"),
        header_map: Some(their_core::HeaderMap {
            headers: vec![their_core::HeaderValue {
                key: "raw key".into(),
                value: "raw text".into(),
                raw_value: vec![0xff, 0xfe],
            }],
        }),
        path: "path".into(),
        host: "host".into(),
        scheme: "scheme".into(),
        query: "query".into(),
        fragment: "fragment".into(),
        size: -1,
        protocol: "protocol".into(),
        body: "body".into(),
        raw_body: vec![0xfd],
    };
    let socket = their_core::SocketAddress {
        protocol: their_core::socket_address::Protocol::Udp.into(),
        address: "192.0.2.1".into(),
        resolver_name: String::new(),
        ipv4_compat: false,
        network_namespace_filepath: String::new(),
        port_specifier: Some(their_core::socket_address::PortSpecifier::PortValue(65_535)),
    };
    let source = Peer {
        address: Some(their_core::Address { address: Some(their_core::address::Address::SocketAddress(socket)) }),
        service: "source service".into(),
        labels: pair("source label", "source label value"),
        principal: "source principal".into(),
        certificate: "source certificate".into(),
    };
    let pipe = their_core::Pipe { path: "@pipe".into(), mode: 0 };
    let destination = Peer {
        address: Some(their_core::Address { address: Some(their_core::address::Address::Pipe(pipe)) }),
        service: "destination service".into(),
        labels: pair("destination label", "destination label value"),
        principal: "destination principal".into(),
        certificate: "destination certificate".into(),
    };
    theirs::CheckRequest {
        attributes: Some(theirs::AttributeContext {
            source: Some(source),
            destination: Some(destination),
            request: Some(Request {
                time: Some(their_wkt::Timestamp { seconds: 1_700_000_000, nanos: 7 }),
                http: Some(http),
            }),
            context_extensions: pair("context key", "context value"),
            metadata_context: None,
            route_metadata_context: None,
            tls_session: Some(TlsSession { sni: "sni".into() }),
        }),
    }
}

fn our_metadata(key: &str) -> prost_types::Struct {
    let value = prost_types::Value { kind: Some(prost_types::value::Kind::BoolValue(true)) };
    prost_types::Struct { fields: [(key.to_owned(), value)].into() }
}

fn their_metadata(key: &str) -> their_wkt::Struct {
    let value = their_wkt::Value { kind: Some(their_wkt::value::Kind::BoolValue(true)) };
    their_wkt::Struct { fields: [(key.to_owned(), value)].into() }
}

fn our_header(key: &'static str, action: ours::HeaderAppendAction, append: bool) -> ours::HeaderValueOption {
    ours::HeaderValueOption {
        header: Some(ours::HeaderValue {
            key: text(key),
            value: text("set").into(),
            raw_value: Bytes::from_static(b"\xfc"),
        }),
        append: Some(append),
        append_action: action.into(),
        keep_empty_value: true,
    }
}

#[expect(deprecated, reason = "`append` is read by older versions of Envoy, so modgud sends it")]
fn their_header(
    key: &str,
    action: their_core::header_value_option::HeaderAppendAction,
    append: bool,
) -> their_core::HeaderValueOption {
    their_core::HeaderValueOption {
        header: Some(their_core::HeaderValue { key: key.into(), value: "set".into(), raw_value: vec![0xfc] }),
        append: Some(their_wkt::BoolValue { value: append }),
        append_action: action.into(),
        keep_empty_value: true,
    }
}

fn our_denied() -> ours::DeniedHttpResponse {
    ours::DeniedHttpResponse {
        status: Some(ours::HttpStatus { code: ours::StatusCode::ServiceUnavailable.into() }),
        headers: vec![our_header("denied", ours::HeaderAppendAction::AddIfAbsent, true)],
        body: text("denied body"),
    }
}

fn their_denied() -> theirs::DeniedHttpResponse {
    use their_core::header_value_option::HeaderAppendAction;
    theirs::DeniedHttpResponse {
        status: Some(their_type::HttpStatus { code: their_type::StatusCode::ServiceUnavailable.into() }),
        headers: vec![their_header("denied", HeaderAppendAction::AddIfAbsent, true)],
        body: "denied body".into(),
    }
}

fn our_ok() -> ours::OkHttpResponse {
    ours::OkHttpResponse {
        headers: vec![our_header("request", ours::HeaderAppendAction::OverwriteIfExistsOrAdd, false)],
        headers_to_remove: vec![text("removed one"), text("removed two")],
        dynamic_metadata: Some(our_metadata("older")),
        response_headers_to_add: vec![our_header("response", ours::HeaderAppendAction::OverwriteIfExists, false)],
        query_parameters_to_set: vec![ours::QueryParameter { key: text("parameter"), value: text("parameter value") }],
        query_parameters_to_remove: vec![text("removed parameter")],
    }
}

#[expect(deprecated, reason = "declared by us, so compared")]
fn their_ok() -> theirs::OkHttpResponse {
    use their_core::header_value_option::HeaderAppendAction;
    theirs::OkHttpResponse {
        headers: vec![their_header("request", HeaderAppendAction::OverwriteIfExistsOrAdd, false)],
        headers_to_remove: vec!["removed one".into(), "removed two".into()],
        dynamic_metadata: Some(their_metadata("older")),
        response_headers_to_add: vec![their_header("response", HeaderAppendAction::OverwriteIfExists, false)],
        query_parameters_to_set: vec![their_core::QueryParameter {
            key: "parameter".into(),
            value: "parameter value".into(),
        }],
        query_parameters_to_remove: vec!["removed parameter".into()],
    }
}

fn our_response(http_response: ours::HttpResponse) -> ours::CheckResponse {
    let detail = prost_types::Any { type_url: "type".into(), value: vec![0xfb] };
    ours::CheckResponse {
        status: Some(ours::RpcStatus { code: 16, message: text("message"), details: vec![detail] }),
        dynamic_metadata: our_metadata("metadata").encode_to_vec(),
        http_response: Some(http_response),
    }
}

fn their_response(http_response: theirs::check_response::HttpResponse) -> theirs::CheckResponse {
    let detail = their_wkt::Any { type_url: "type".into(), value: vec![0xfb] };
    theirs::CheckResponse {
        status: Some(their_rpc::Status { code: 16, message: "message".into(), details: vec![detail] }),
        dynamic_metadata: Some(their_metadata("metadata")),
        http_response: Some(http_response),
    }
}

#[test]
fn a_request_has_the_same_meaning_in_both_types() {
    let from_ours = theirs::CheckRequest::decode(our_request().encode_to_vec().as_slice()).unwrap();
    assert_eq!(from_ours, their_request());
    let from_theirs = ours::CheckRequest::decode(their_request().encode_to_vec().as_slice()).unwrap();
    assert!(from_theirs == our_request());
}

#[test]
fn each_kind_of_response_has_the_same_meaning_in_both_types() {
    use theirs::check_response::HttpResponse as Theirs;
    let pairs = [
        (ours::HttpResponse::DeniedResponse(our_denied()), Theirs::DeniedResponse(their_denied())),
        (ours::HttpResponse::OkResponse(our_ok()), Theirs::OkResponse(their_ok())),
        (ours::HttpResponse::ErrorResponse(our_denied()), Theirs::ErrorResponse(their_denied())),
    ];
    for (our, their) in pairs {
        let (our, their) = (our_response(our), their_response(their));
        assert_eq!(theirs::CheckResponse::decode(our.encode_to_vec().as_slice()).unwrap(), their);
        assert!(ours::CheckResponse::decode(their.encode_to_vec().as_slice()).unwrap() == our, "{their:?}");
    }
}
