//! Names: what grpcurl and Envoy's logs show must be what Envoy's own documentation says.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::core::v3 as their_core;
use envoy_types::pb::envoy::service::auth::v3 as theirs;
use envoy_types::pb::envoy::r#type::v3 as their_type;
use envoy_types::pb::google::rpc as their_rpc;
use modgud::envoy::proto as ours;
use prost::Name;

use super::every_field::{all_messages, pool};

#[test]
fn messages_are_called_what_envoy_calls_them() {
    use theirs::attribute_context::{HttpRequest, Peer, Request, TlsSession};
    let theirs: BTreeSet<_> = [
        theirs::CheckRequest::full_name(),
        theirs::CheckResponse::full_name(),
        theirs::DeniedHttpResponse::full_name(),
        theirs::OkHttpResponse::full_name(),
        theirs::AttributeContext::full_name(),
        HttpRequest::full_name(),
        Peer::full_name(),
        Request::full_name(),
        TlsSession::full_name(),
        their_core::Address::full_name(),
        their_core::HeaderMap::full_name(),
        their_core::HeaderValue::full_name(),
        their_core::HeaderValueOption::full_name(),
        their_core::Pipe::full_name(),
        their_core::QueryParameter::full_name(),
        their_core::SocketAddress::full_name(),
        their_type::HttpStatus::full_name(),
        their_rpc::Status::full_name(),
    ]
    .into();
    let ours: BTreeSet<_> = all_messages()
        .into_values()
        .filter(|message| !message.is_map_entry() && message.package_name() != "google.protobuf")
        .map(|message| message.full_name().to_owned())
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn values_of_enums_are_called_what_envoy_calls_them() {
    type Number = fn(&str) -> Option<i32>;
    let theirs: [(&str, Number); 3] = [
        ("envoy.config.core.v3.HeaderValueOption.HeaderAppendAction", |name| {
            their_core::header_value_option::HeaderAppendAction::from_str_name(name).map(i32::from)
        }),
        ("envoy.config.core.v3.SocketAddress.Protocol", |name| {
            their_core::socket_address::Protocol::from_str_name(name).map(i32::from)
        }),
        ("envoy.type.v3.StatusCode", |name| their_type::StatusCode::from_str_name(name).map(i32::from)),
    ];
    let ours: Vec<_> = pool().all_enums().filter(|found| found.package_name() != "google.protobuf").collect();
    assert_eq!(ours.len(), theirs.len());
    for (name, number) in theirs {
        let descriptor = pool().get_enum_by_name(name).unwrap();
        for value in descriptor.values() {
            assert_eq!(number(value.name()), Some(value.number()), "{}", value.full_name());
        }
    }
}

#[test]
fn every_status_that_envoy_knows_is_named() {
    for code in 0..1000 {
        let theirs = their_type::StatusCode::try_from(code).ok().map(|status| status.as_str_name());
        let ours = ours::StatusCode::try_from(code).ok().map(|status| status.as_str_name());
        assert_eq!(ours, theirs, "{code}");
    }
}

#[test]
fn the_service_and_its_method_are_envoys() {
    let services: Vec<_> = pool().services().collect();
    let [service] = services.as_slice() else { panic!("{} services", services.len()) };
    assert_eq!(service.full_name(), theirs::authorization_server::SERVICE_NAME);
    assert_eq!(ours::SERVICE_NAME, theirs::authorization_server::SERVICE_NAME);
    let methods: Vec<_> =
        service.methods().map(|method| (method.name().to_owned(), method.input(), method.output())).collect();
    let [(name, input, output)] = methods.as_slice() else { panic!("{} methods", methods.len()) };
    assert_eq!(name, "Check");
    assert_eq!(input.full_name(), theirs::CheckRequest::full_name());
    assert_eq!(output.full_name(), theirs::CheckResponse::full_name());
}
