//! A client that knows nothing of modgud's messages but what reflection tells: what grpcurl does with `list`, `describe` and a
//! call, and no more.

use super::print::described;
use prost::Message;
use prost::bytes::Buf;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use prost_types::FileDescriptorProto;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::tokio_stream::once;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// Runs a grpcurl command line: `-plaintext [-d JSON] HOST:PORT list | describe SYMBOL | SERVICE/METHOD`.
pub(super) async fn run(arguments: &[&str]) -> String {
    let (data, address, rest) = match arguments {
        ["-plaintext", "-d", data, address, rest @ ..] => (Some(*data), address, rest),
        ["-plaintext", address, rest @ ..] => (None, address, rest),
        _ => panic!("{arguments:?} is not a command line that this client knows"),
    };
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    match (data, rest) {
        (None, ["list"]) => list(&channel).await,
        (None, ["describe", symbol]) => described(&pool(&channel, symbol).await, symbol),
        (Some(data), [method]) => call(&channel, method, data).await,
        _ => panic!("{arguments:?} is not a command line that this client knows"),
    }
}

async fn ask(channel: &Channel, message: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    let mut client = ServerReflectionClient::new(channel.clone());
    let mut answers = client.server_reflection_info(once(request)).await.unwrap().into_inner();
    answers.message().await.unwrap().and_then(|answer| answer.message_response).unwrap()
}

async fn list(channel: &Channel) -> String {
    match ask(channel, MessageRequest::ListServices(String::new())).await {
        MessageResponse::ListServicesResponse(list) => {
            let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
            names.sort();
            names.join("\n")
        }
        other => panic!("{other:?}"),
    }
}

/// The file with a symbol, and all files that it needs.
async fn pool(channel: &Channel, symbol: &str) -> DescriptorPool {
    let mut files: Vec<FileDescriptorProto> = Vec::new();
    let mut wanted = vec![MessageRequest::FileContainingSymbol(symbol.to_owned())];
    while let Some(request) = wanted.pop() {
        let MessageResponse::FileDescriptorResponse(answer) = ask(channel, request).await else {
            panic!("{symbol} can't be described");
        };
        for bytes in answer.file_descriptor_proto {
            let file = FileDescriptorProto::decode(bytes.as_slice()).unwrap();
            if files.iter().all(|known| known.name != file.name) {
                wanted.extend(file.dependency.iter().cloned().map(MessageRequest::FileByFilename));
                files.push(file);
            }
        }
    }
    let mut pool = DescriptorPool::new();
    pool.add_file_descriptor_protos(files).unwrap();
    pool
}

async fn call(channel: &Channel, method: &str, data: &str) -> String {
    let (service, name) = method.split_once('/').unwrap();
    let pool = pool(channel, service).await;
    let service = pool.get_service_by_name(service).unwrap();
    let found: MethodDescriptor = service.methods().find(|found| found.name() == name).unwrap();
    let mut json = serde_json::Deserializer::from_str(data);
    let message = DynamicMessage::deserialize(found.input(), &mut json).unwrap();
    json.end().unwrap();
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = format!("/{method}").parse().unwrap();
    let answer = client.unary(Request::new(message), path, Dynamic(found.output())).await.unwrap();
    serde_json::to_string_pretty(answer.get_ref()).unwrap()
}

/// Encodes any message, and decodes this one.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(self.0.clone())
    }

    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        DynamicMessage::decode(self.0.clone(), bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
