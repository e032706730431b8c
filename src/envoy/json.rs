//! A check in protobuf's JSON format, as grpcurl reads and prints it. Only commands use it: the server never reads
//! JSON.

use super::proto::{CheckRequest, FILE_DESCRIPTOR_SET};
use prost::Message;
use prost_reflect::{DescriptorError, DescriptorPool, DynamicMessage};

/// An error of reading a check from JSON.
#[derive(Debug, thiserror::Error)]
pub enum CheckJsonError {
    /// Invalid JSON, or unknown fields.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The descriptor of modgud's messages is invalid.
    #[error("{0}")]
    Descriptor(#[from] DescriptorError),
    /// The descriptor lacks the message.
    #[error("the descriptor lacks the message `CheckRequest`")]
    NotDescribed,
    /// The JSON message can't be converted.
    #[error("{0}")]
    Decode(#[from] prost::DecodeError),
}

/// Parses a `CheckRequest` in `ProtoJSON` format, with both `headerMap` and `header_map`.
///
/// # Errors
/// [`CheckJsonError`] with line and column if the text is no check.
pub fn check_request(text: &str) -> Result<CheckRequest, CheckJsonError> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
    let message = pool.get_message_by_name("envoy.service.auth.v3.CheckRequest").ok_or(CheckJsonError::NotDescribed)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize(message, &mut json)?;
    json.end()?;
    Ok(CheckRequest::decode(dynamic.encode_to_vec().as_slice())?)
}
