//! The memory size of a check, up to fifty times its encoding: an empty list entry is two bytes on the wire.

#[cfg(test)]
mod tests;

use super::proto::{AttributeContext, CheckRequest, Peer};
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};
use std::mem::size_of_val;

/// Maximum number of entries in all lists of a check: headers, labels, context extensions. By default Envoy allows a
/// request 100 headers. A check with more is not decoded.
const MAX_ENTRIES: usize = 2_048;
/// Minimum size of an encoded entry.
const LEAST_ENTRY_BYTES: usize = 2;

/// Returns true if an encoded check has more list entries than modgud decodes.
#[must_use]
pub fn has_too_many_entries(check: &[u8]) -> bool {
    // Most checks are shorter, and need no scan.
    check.len() > MAX_ENTRIES.saturating_mul(LEAST_ENTRY_BYTES) && !count(Part::Check, check, &mut MAX_ENTRIES.clone())
}

/// Returns the memory that a check holds, in bytes.
#[must_use]
pub fn memory(check: &CheckRequest) -> usize {
    let encoded = check.encoded_len();
    let Some(AttributeContext { source, destination, request, context_extensions, tls_session: _ }) = &check.attributes
    else {
        return encoded;
    };
    let labels = |peer: &Option<Peer>| peer.as_ref().map_or(0, |peer| size_of_val(peer.labels.as_slice()));
    let http = request.as_ref().and_then(|request| request.http.as_ref());
    let headers = http.map_or(0, |http| size_of_val(http.headers.as_slice()));
    let header_map = http.and_then(|http| http.header_map.as_ref());
    let header_map = header_map.map_or(0, |map| size_of_val(map.headers.as_slice()));
    let lists = [labels(source), labels(destination), headers, header_map, size_of_val(context_extensions.as_slice())];
    lists.into_iter().fold(encoded, usize::saturating_add)
}

/// A message within a check that has lists, or that has messages with lists.
#[derive(Debug, Clone, Copy)]
enum Part {
    Check,
    Attributes,
    Peer,
    Request,
    Http,
    HeaderMap,
}

/// The kind of a field in such a message.
enum Field {
    Part(Part),
    Entry,
    Other,
}

impl Part {
    /// Returns the kind of a field by its number in `proto/`.
    const fn field(self, number: u32) -> Field {
        match (self, number) {
            (Self::Check, 1) => Field::Part(Self::Attributes),
            (Self::Attributes, 1 | 2) => Field::Part(Self::Peer),
            (Self::Attributes, 4) => Field::Part(Self::Request),
            (Self::Request, 2) => Field::Part(Self::Http),
            (Self::Http, 13) => Field::Part(Self::HeaderMap),
            (Self::Attributes, 10) | (Self::Peer | Self::Http, 3) | (Self::HeaderMap, 1) => Field::Entry,
            _ => Field::Other,
        }
    }
}

/// Counts entries down. Returns false if there are more. Malformed input ends the count: decoding fails in the same
/// place.
fn count(part: Part, mut rest: &[u8], left: &mut usize) -> bool {
    while !rest.is_empty() {
        let Ok((number, wire_type)) = decode_key(&mut rest) else { return true };
        let length = match wire_type {
            WireType::Varint => match decode_varint(&mut rest) {
                Ok(_) => 0,
                Err(_) => return true,
            },
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            // Group content counts as fields of this message, which counts too many rather than too few.
            WireType::StartGroup | WireType::EndGroup => 0,
            WireType::LengthDelimited => match decode_varint(&mut rest).map(usize::try_from) {
                Ok(Ok(length)) => length,
                Ok(Err(_)) | Err(_) => return true,
            },
        };
        let Some((value, after)) = rest.split_at_checked(length) else { return true };
        rest = after;
        if wire_type != WireType::LengthDelimited {
            continue;
        }
        match part.field(number) {
            Field::Part(inner) if !count(inner, value, left) => return false,
            Field::Entry if *left == 0 => return false,
            Field::Entry => *left = left.saturating_sub(1),
            Field::Part(_) | Field::Other => {}
        }
    }
    true
}
