//! A check as the borrowed parts of Envoy's message. Decoding copies no text, counts no references, and skips what modgud does not use
//! (docs/decisions/0003).

#[cfg(test)]
mod tests;

use super::proto::address::Address as AddressKind;
use super::proto::{self, CheckRequest, ContextExtensionsEntry, HeaderValue, HeadersEntry};
use modgud_core::http::request::{Context, Field, Headers, Peer};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use std::mem::size_of;

/// Room for headers that is made for the first one: most requests have fewer.
const USUAL_HEADERS: usize = 32;
/// Memory of a list entry in addition to its text: as a borrowed field, and as an entry of [`CheckRequest`].
const ENTRY_BYTES: usize = size_of::<Field<'static>>() + size_of::<HeadersEntry>();

/// A message that is no check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is no `CheckRequest`")]
pub struct NotACheck;

/// A check, as far as modgud uses it. Has no `Debug`, since it can hold a credential.
#[derive(Default)]
pub struct Check<'a> {
    /// The client's request; `None` if the message has none.
    pub(super) http: Option<Http<'a>>,
    pub(super) peer: Peer<'a>,
    /// The entries of the context, at most one more than is allowed.
    pub(super) context: Vec<(&'a [u8], &'a [u8])>,
    message_bytes: usize,
}

/// The client's request, unchecked.
#[derive(Default)]
pub(super) struct Http<'a> {
    pub(super) method: &'a [u8],
    pub(super) path: &'a [u8],
    pub(super) host: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) raw_body: &'a [u8],
    /// The headers of both encodings, one after the other. Envoy fills one of them; a message with a header in both has it twice, and a lookup
    /// of a single header then fails.
    pub(super) headers: Headers<'a>,
}

/// The headers of a message: some more than are allowed show that there are too many.
#[derive(Default)]
struct HeaderLists<'a> {
    of_map: Vec<Field<'a>>,
    /// Those that Envoy sends with `encode_raw_headers`.
    of_list: Vec<Field<'a>>,
}

impl<'a> Check<'a> {
    /// Decodes a message. As Protocol Buffers demand, the last of several values counts, and messages in pieces are joined.
    ///
    /// # Errors
    /// [`NotACheck`] if the bytes are malformed, or a field that modgud uses has another type.
    pub fn decode(message: &'a [u8]) -> Result<Self, NotACheck> {
        let mut check = Self { message_bytes: message.len(), ..Self::default() };
        let mut lists = HeaderLists::default();
        each_field(message, |number, value| match number {
            1 => check.merge_attributes(value?, &mut lists),
            _ => Ok(()),
        })?;
        if let Some(http) = &mut check.http {
            http.headers = lists.joined();
        }
        Ok(check)
    }

    /// Returns the parts of a decoded message.
    #[must_use]
    pub fn of(check: &'a CheckRequest) -> Self {
        let message_bytes = check.encoded_len();
        let Some(attributes) = &check.attributes else { return Self { message_bytes, ..Self::default() } };
        let mut peer = Peer::default();
        if let Some(proto::Peer { address, principal, certificate, .. }) = &attributes.source {
            let address = match address.as_ref().and_then(|address| address.address.as_ref()) {
                Some(AddressKind::SocketAddress(socket)) => Some(&*socket.address),
                Some(AddressKind::Pipe(_)) | None => None,
            };
            peer = Peer { address, principal, certificate };
        }
        let context = attributes.context_extensions.iter();
        let context = context.map(|ContextExtensionsEntry { key, value }| (&**key, &**value)).collect();
        let http = attributes.request.as_ref().and_then(|request| request.http.as_ref());
        let http = http.map(|http| {
            let of_map = http.headers.iter().map(|HeadersEntry { key, value }| Field { name: key, value });
            let of_list = http.header_map.iter().flat_map(|map| &map.headers);
            let of_list = of_list.map(|HeaderValue { key, value, raw_value }| listed(key, value, raw_value));
            let headers = Headers::new(of_map.chain(of_list).collect());
            let proto::HttpRequest { method, path, host, body, raw_body, .. } = http;
            Http { method, path, host, body, raw_body, headers }
        });
        Self { http, peer, context, message_bytes }
    }

    /// Returns the address of the connection to Envoy; `None` if Envoy sends none.
    #[must_use]
    pub const fn connection(&self) -> Option<&'a [u8]> {
        self.peer.address
    }

    /// Returns method, path and host, unchecked; `None` without a request.
    #[must_use]
    pub fn line(&self) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
        self.http.as_ref().map(|http| (http.method, http.path, http.host))
    }

    /// Returns the headers, unchecked; `None` without a request. A request that was read has taken them.
    #[must_use]
    pub fn headers(&self) -> Option<&Headers<'a>> {
        self.http.as_ref().map(|http| &http.headers)
    }

    /// Returns the memory that the check holds with its message, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let headers = self.http.as_ref().map_or(0, |http| http.headers.iter().count());
        let entries = headers.saturating_add(self.context.len());
        entries.saturating_mul(ENTRY_BYTES).saturating_add(self.message_bytes)
    }

    fn merge_attributes(&mut self, message: &'a [u8], lists: &mut HeaderLists<'a>) -> Result<(), NotACheck> {
        each_field(message, |number, value| match number {
            1 => self.merge_source(value?),
            4 => each_field(value?, |number, value| match number {
                2 => self.http.get_or_insert_default().merge(value?, lists),
                _ => Ok(()),
            }),
            10 => {
                let (key, value) = map_entry(value?)?;
                if self.context.len() <= Context::MAX_ENTRIES {
                    self.context.push((key, value));
                }
                Ok(())
            }
            _ => Ok(()),
        })
    }

    fn merge_source(&mut self, message: &'a [u8]) -> Result<(), NotACheck> {
        each_field(message, |number, value| {
            match number {
                1 => self.merge_address(value?)?,
                4 => self.peer.principal = value?,
                5 => self.peer.certificate = value?,
                _ => {}
            }
            Ok(())
        })
    }

    /// Merges an address: that of a socket, or of a pipe, which is no client's.
    fn merge_address(&mut self, message: &'a [u8]) -> Result<(), NotACheck> {
        each_field(message, |number, value| {
            match number {
                1 => {
                    let client = self.peer.address.get_or_insert_default();
                    each_field(value?, |number, value| {
                        if number == 2 {
                            *client = value?;
                        }
                        Ok(())
                    })?;
                }
                2 => {
                    value?;
                    self.peer.address = None;
                }
                _ => {}
            }
            Ok(())
        })
    }
}

impl<'a> Http<'a> {
    fn merge(&mut self, message: &'a [u8], lists: &mut HeaderLists<'a>) -> Result<(), NotACheck> {
        each_field(message, |number, value| {
            match number {
                2 => self.method = value?,
                3 => {
                    let (name, value) = map_entry(value?)?;
                    push(&mut lists.of_map, Field { name, value });
                }
                4 => self.path = value?,
                5 => self.host = value?,
                11 => self.body = value?,
                12 => self.raw_body = value?,
                13 => each_field(value?, |number, value| {
                    if number == 1 {
                        push(&mut lists.of_list, list_entry(value?)?);
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })
    }
}

impl<'a> HeaderLists<'a> {
    fn joined(self) -> Headers<'a> {
        let Self { mut of_map, of_list } = self;
        // One of them is empty, and costs nothing.
        let all = if of_map.is_empty() {
            of_list
        } else {
            of_map.extend(of_list);
            of_map
        };
        Headers::new(all)
    }
}

/// Adds a header, unless there are too many already.
fn push<'a>(headers: &mut Vec<Field<'a>>, field: Field<'a>) {
    if headers.is_empty() {
        headers.reserve(USUAL_HEADERS);
    }
    if headers.len() <= Headers::MAX_HEADERS {
        headers.push(field);
    }
}

/// Returns a header of the list. Envoy sends `raw_value` with `encode_raw_headers`; `value` is its older form (`HeaderValue` in base.proto).
const fn listed<'a>(name: &'a [u8], value: &'a [u8], raw: &'a [u8]) -> Field<'a> {
    Field { name, value: if raw.is_empty() { value } else { raw } }
}

/// Decodes an entry of a map.
fn map_entry(message: &[u8]) -> Result<(&[u8], &[u8]), NotACheck> {
    let (mut key, mut text) = (&[][..], &[][..]);
    each_field(message, |number, value| {
        match number {
            1 => key = value?,
            2 => text = value?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, text))
}

/// Decodes a header of the list.
fn list_entry(message: &[u8]) -> Result<Field<'_>, NotACheck> {
    let (mut name, mut text, mut raw) = (&[][..], &[][..], &[][..]);
    each_field(message, |number, value| {
        match number {
            1 => name = value?,
            2 => text = value?,
            3 => raw = value?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(listed(name, text, raw))
}

/// Calls `field` with the number and the value of each field of a message, in order. Only texts, bytes and messages have a value; a caller
/// that expects one gets [`NotACheck`] for the others.
fn each_field<'a>(
    mut rest: &'a [u8],
    mut field: impl FnMut(u32, Result<&'a [u8], NotACheck>) -> Result<(), NotACheck>,
) -> Result<(), NotACheck> {
    while !rest.is_empty() {
        let (number, wire_type) = decode_key(&mut rest).map_err(|_| NotACheck)?;
        let value = if wire_type == WireType::LengthDelimited {
            let length = decode_varint(&mut rest).map_err(|_| NotACheck)?;
            let length = usize::try_from(length).map_err(|_| NotACheck)?;
            let (value, after) = rest.split_at_checked(length).ok_or(NotACheck)?;
            rest = after;
            Ok(value)
        } else {
            skip_field(wire_type, number, &mut rest, DecodeContext::default()).map_err(|_| NotACheck)?;
            Err(NotACheck)
        };
        field(number, value)?;
    }
    Ok(())
}
