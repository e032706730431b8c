//! gRPC by hand: a client that sends whatever bytes it is given, and shows what came back as it is.

use crate::decisions::answer::Answer;
use crate::support::Sidecar;
use axum::body::Body as AnyBody;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use modgud::envoy::proto::CheckResponse;
use modgud::net::listen_addr::ListenAddr;
use prost::Message;
use std::future::poll_fn;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};

/// The path of the one method.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// A connection.
#[derive(Clone)]
pub(crate) struct Raw(Channel);

/// What came back on a call.
pub(crate) struct Reply {
    http_status: u16,
    headers: HeaderMap,
    trailers: HeaderMap,
    body: Bytes,
}

impl Raw {
    pub(crate) async fn connect(sidecar: &Sidecar) -> Self {
        Self::at(&sidecar.addresses.grpc).await
    }

    /// A connection to this address.
    pub(crate) async fn at(address: &ListenAddr) -> Self {
        Self(Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap())
    }

    /// The connection, for a client of another make.
    pub(crate) fn channel(&self) -> Channel {
        self.0.clone()
    }

    /// Sends these bytes as the body of a check.
    pub(crate) async fn send(&mut self, body: &[u8]) -> Reply {
        self.call(CHECK, &[], Body::new(AnyBody::from(body.to_vec()))).await
    }

    /// Makes a call.
    pub(crate) async fn call(&mut self, path: &str, headers: &[(&str, &str)], body: Body) -> Reply {
        let mut request = Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        poll_fn(|context| self.0.poll_ready(context)).await.unwrap();
        let (head, body) = self.0.call(request.body(body).unwrap()).await.unwrap().into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Reply { http_status: head.status.as_u16(), headers: head.headers, trailers, body: collected.to_bytes() }
    }
}

impl Reply {
    /// The status of the call, in headers or trailers.
    pub(crate) fn grpc_status(&self) -> Option<tonic::Code> {
        let value = self.headers.get("grpc-status").or_else(|| self.trailers.get("grpc-status"))?;
        Some(tonic::Code::from_bytes(value.as_bytes()))
    }

    /// The one message of a call that went well.
    ///
    /// # Errors
    /// In words, why it did not go well.
    pub(crate) fn answer(&self) -> Result<Answer, String> {
        let Self { http_status, headers, trailers: _, body } = self;
        let status = self.grpc_status();
        if *http_status != 200 || status != Some(tonic::Code::Ok) {
            return Err(format!("HTTP {http_status}, gRPC {status:?}: {headers:?}"));
        }
        let (prefix, message) = body.split_at_checked(5).ok_or("no message")?;
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        if prefix != [&[0], length.as_slice()].concat() {
            return Err(format!("not one message: {prefix:?} before {} bytes", message.len()));
        }
        Answer::read(CheckResponse::decode(message).map_err(|error| error.to_string())?)
    }
}

/// A message as gRPC sends it: not compressed, with its length.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    framed(0, message.len(), message)
}

/// A message with whatever flag and length.
pub(crate) fn framed(flag: u8, length: usize, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    [&[flag], length.as_slice(), message].concat()
}
