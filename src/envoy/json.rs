//! A check in protobuf's JSON form, as grpcurl takes and prints it. Only for commands: the server never reads JSON.

use super::proto::{CheckRequest, FILE_DESCRIPTOR_SET};
use prost::Message;
use prost_reflect::{DescriptorError, DescriptorPool, DynamicMessage};

/// The text is not a check.
#[derive(Debug, thiserror::Error)]
pub enum CheckJsonError {
    /// Not JSON, or not of the message's fields.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The description of our own messages is not one.
    #[error("{0}")]
    Descriptor(#[from] DescriptorError),
    /// The description lacks the message.
    #[error("the message is not described")]
    NotDescribed,
    /// What was read can't be taken over.
    #[error("{0}")]
    Decode(#[from] prost::DecodeError),
}

/// Reads a `CheckRequest` (`ProtoJSON` format: both `headerMap` and `header_map` are understood).
///
/// # Errors
/// [`CheckJsonError`] with line and column where it is not one.
pub fn check_request(text: &str) -> Result<CheckRequest, CheckJsonError> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
    let message = pool.get_message_by_name("envoy.service.auth.v3.CheckRequest").ok_or(CheckJsonError::NotDescribed)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize(message, &mut json)?;
    json.end()?;
    Ok(CheckRequest::decode(dynamic.encode_to_vec().as_slice())?)
}
