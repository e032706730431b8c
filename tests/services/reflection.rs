//! Server reflection, both versions: a client without our proto files learns Envoy's messages from modgud, with Envoy's
//! types: the generated code has other ones (see `envoy::proto`), which clients must not see.

use super::running::Running;
use modgud::server::app::Shutdown;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};
use prost_types::FileDescriptorProto;
use tonic::Code;
use tonic::codegen::tokio_stream::once;
use tonic::transport::Channel;

/// The calls of one version; the two differ in nothing but their names.
macro_rules! client {
    ($version:ident, $service:literal) => {
        mod $version {
            use super::{Channel, Code, FileDescriptorProto, once};
            use prost::Message;
            use tonic_reflection::pb::$version::ServerReflectionRequest;
            use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;

            pub(super) const SERVICE: &str = $service;

            async fn ask(channel: &Channel, message: MessageRequest) -> Result<MessageResponse, Code> {
                let request = ServerReflectionRequest { host: String::new(), message_request: Some(message) };
                let mut client = ServerReflectionClient::new(channel.clone());
                let answers = client.server_reflection_info(once(request)).await.map_err(|status| status.code())?;
                let answer = answers.into_inner().message().await.map_err(|status| status.code())?;
                answer.and_then(|answer| answer.message_response).ok_or(Code::DataLoss)
            }

            pub(super) async fn services(channel: &Channel) -> Vec<String> {
                match ask(channel, MessageRequest::ListServices(String::new())).await {
                    Ok(MessageResponse::ListServicesResponse(list)) => {
                        list.service.into_iter().map(|one| one.name).collect()
                    }
                    other => panic!("{other:?}"),
                }
            }

            pub(super) async fn file(channel: &Channel, request: Wanted<'_>) -> Result<FileDescriptorProto, Code> {
                let request = match request {
                    Wanted::Symbol(name) => MessageRequest::FileContainingSymbol(name.to_owned()),
                    Wanted::File(name) => MessageRequest::FileByFilename(name.to_owned()),
                };
                match ask(channel, request).await? {
                    MessageResponse::FileDescriptorResponse(files) => {
                        let [file] = files.file_descriptor_proto.as_slice() else { panic!("one file at a time") };
                        Ok(FileDescriptorProto::decode(file.as_slice()).unwrap())
                    }
                    other => panic!("{other:?}"),
                }
            }

            use super::Wanted;
        }
    };
}

client!(v1, "grpc.reflection.v1.ServerReflection");
client!(v1alpha, "grpc.reflection.v1alpha.ServerReflection");

/// What a file is asked for by.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    Symbol(&'a str),
    File(&'a str),
}

/// A pool of the file with a symbol and all that it needs, as a client builds it.
macro_rules! pool {
    ($version:ident, $channel:expr, $symbol:expr) => {{
        let mut files = vec![$version::file($channel, Wanted::Symbol($symbol)).await.unwrap()];
        let mut next = 0;
        while let Some(file) = files.get(next) {
            let missing: Vec<String> = file
                .dependency
                .iter()
                .filter(|name| files.iter().all(|file| file.name() != name.as_str()))
                .cloned()
                .collect();
            for name in missing {
                files.push($version::file($channel, Wanted::File(&name)).await.unwrap());
            }
            next = next.saturating_add(1);
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files).unwrap();
        pool
    }};
}

/// What a client must find out about Envoy's service.
fn describes_envoy(pool: &DescriptorPool) {
    let service = pool.get_service_by_name("envoy.service.auth.v3.Authorization").unwrap();
    let methods: Vec<_> = service
        .methods()
        .map(|method| {
            (method.name().to_owned(), method.input().full_name().to_owned(), method.output().full_name().to_owned())
        })
        .collect();
    let named = |text: &str| text.to_owned();
    let check =
        (named("Check"), named("envoy.service.auth.v3.CheckRequest"), named("envoy.service.auth.v3.CheckResponse"));
    assert_eq!(methods, [check]);
    let message = |name: &str| -> MessageDescriptor {
        pool.get_message_by_name(&format!("envoy.service.auth.v3.{name}")).unwrap()
    };
    let http = message("AttributeContext.HttpRequest");
    let headers = http.get_field_by_name("headers").unwrap();
    assert!(headers.is_map(), "headers is a map<string, string>");
    let Kind::Message(entry) = headers.kind() else { panic!("a map is of entries") };
    assert_eq!(
        (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind()),
        (Kind::String, Kind::String)
    );
    for (name, kind) in [("path", Kind::String), ("size", Kind::Int64), ("raw_body", Kind::Bytes)] {
        assert_eq!(http.get_field_by_name(name).unwrap().kind(), kind, "{name}");
    }
    for name in ["DeniedHttpResponse", "OkHttpResponse", "CheckResponse", "AttributeContext", "AttributeContext.Peer"] {
        assert!(message(name).fields().len() > 0, "{name}");
    }
}

macro_rules! version {
    ($version:ident) => {{
        let running = Running::start("profile: bifrost\n").await;
        let channel = running.channel().await;
        let mut services = $version::services(&channel).await;
        services.sort();
        let expected = ["envoy.service.auth.v3.Authorization", "grpc.health.v1.Health", $version::SERVICE];
        assert_eq!(services, expected);
        describes_envoy(&pool!($version, &channel, "envoy.service.auth.v3.Authorization"));
        // Each service that is listed can be described, itself included.
        for service in &services {
            assert!(pool!($version, &channel, service).get_service_by_name(service).is_some(), "{service}");
        }
        let strange = $version::file(&channel, Wanted::Symbol("envoy.service.auth.v2.Authorization")).await;
        assert_eq!(strange.unwrap_err(), Code::NotFound);
        running.stop.send(Shutdown::Immediate).await.unwrap();
        running.left().await;
    }};
}

#[tokio::test]
async fn version_1_describes_the_services() {
    version!(v1);
}

#[tokio::test]
async fn version_1alpha_describes_the_services() {
    version!(v1alpha);
}
