//! Decodes checks, except those that would be far larger in memory than on the wire.

use crate::envoy::has_too_many_entries;
use crate::envoy::proto::{CheckRequest, CheckResponse};
use prost::Message;
use prost::bytes::Buf;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// The codec of checks.
pub(super) struct CheckCodec;

impl Codec for CheckCodec {
    type Encode = CheckResponse;
    type Decode = CheckRequest;
    type Encoder = ProstEncoder<CheckResponse>;
    type Decoder = CheckDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> CheckDecoder {
        CheckDecoder
    }
}

/// The decoder of checks.
pub(super) struct CheckDecoder;

impl Decoder for CheckDecoder {
    type Item = CheckRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<CheckRequest>, Status> {
        // A message is in one piece: it was gathered in one buffer.
        let whole = buffer.chunk();
        if whole.len() < buffer.remaining() || has_too_many_entries(whole) {
            return Err(Status::out_of_range("the check has more headers or other entries than are decoded"));
        }
        CheckRequest::decode(buffer).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
