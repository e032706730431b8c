//! Identity headers: the value of each, and the guarantee that only modgud writes them. `header_encoding` encodes the values.

use super::Mutations;
use super::header_encoding::{EncodeError, FieldValue, HeaderEncoding, MAX_BYTES, encode};
use super::removal::Removals;
use super::value::{HeaderValueSource, computed};
use crate::authz::condition::Inputs;
use crate::http::header::{HeaderName, HeaderText, HeaderTextError};

/// One identity header and its value.
#[derive(Debug)]
pub struct IdentityHeader {
    /// The header's name.
    pub name: HeaderName,
    /// The source of its value.
    pub source: HeaderValueSource,
    /// The encoding of the value.
    pub encoding: HeaderEncoding,
    /// The behaviour for a value that can't be encoded.
    pub on_error: OnEncodeError,
}

/// The behaviour for a value that can't be encoded in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEncodeError {
    /// The request is denied. This applies to required claims, to the caller's identity, and to values that are derived from these, as
    /// modules rely on them.
    Deny,
    /// The header is removed, as if the claim were missing, and that is counted.
    Drop,
}

/// The error for a value that modules rely on and that can't be encoded in its header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header `{}` can't be written: {origin} {error}", .header.as_str())]
pub struct IdentityError {
    /// The header.
    pub header: HeaderName,
    /// The source of its value, for people.
    pub origin: Box<str>,
    /// The reason why it can't be encoded.
    pub error: EncodeError,
}

/// An identity header that is omitted, since its value can't be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedHeader {
    /// The header's name.
    pub name: HeaderName,
    /// The reason why its value can't be encoded.
    pub error: EncodeError,
}

/// The limits of identity headers.
#[derive(Debug, Clone, Copy)]
pub struct HeaderLimits {
    /// The longest list or JSON text, in bytes.
    pub max_bytes: usize,
    /// The behaviour for a longer value, and for a longer text, on which no module relies.
    pub on_too_large: OnEncodeError,
}

impl Default for HeaderLimits {
    /// Returns 8 KiB, beyond which a header is omitted.
    fn default() -> Self {
        Self { max_bytes: MAX_BYTES, on_too_large: OnEncodeError::Drop }
    }
}

/// All identity headers of a configuration.
#[derive(Debug, Default)]
pub struct IdentityHeaders {
    headers: Vec<IdentityHeader>,
    removals: Removals,
    limits: HeaderLimits,
}

impl IdentityHeaders {
    /// Builds the identity headers, and the removals of client headers, which include every spelling of the identity headers.
    #[must_use]
    pub const fn new(headers: Vec<IdentityHeader>, removals: Removals, limits: HeaderLimits) -> Self {
        Self { headers, removals, limits }
    }

    /// Returns the identity headers.
    #[must_use]
    pub fn headers(&self) -> &[IdentityHeader] {
        &self.headers
    }

    /// Returns the removals of client headers.
    #[must_use]
    pub const fn removals(&self) -> &Removals {
        &self.removals
    }

    /// Writes every identity header that has a value, and removes every other one. It removes them even if the request seems to lack them:
    /// an Envoy with `allowed_headers` does not send modgud all of its headers. It also removes override headers and client headers that a
    /// server could take for identity headers, if the request carries them.
    ///
    /// # Errors
    /// [`IdentityError`] for a value that modules rely on and that can't be encoded.
    pub(super) fn apply(
        &self,
        inputs: &Inputs<'_>,
        credential: Option<&HeaderName>,
        mutations: &mut Mutations,
    ) -> Result<(), IdentityError> {
        mutations.set.reserve(self.headers.len().saturating_add(1));
        for header in &self.headers {
            match (header.value(inputs, self.limits.max_bytes), header.on_error) {
                (Ok(Some(value)), _) => mutations.set.push((header.name.clone(), value)),
                (Ok(None), _) => mutations.remove.push(header.name.bytes().clone()),
                (Err(error), OnEncodeError::Drop) if !self.denies(error) => {
                    mutations.remove.push(header.name.bytes().clone());
                    mutations.dropped.push(DroppedHeader { name: header.name.clone(), error });
                }
                (Err(error), _) => {
                    let origin = header.source.to_string().into();
                    return Err(IdentityError { header: header.name.clone(), origin, error });
                }
            }
        }
        let ours = || self.headers.iter().map(|header| &header.name).chain(credential);
        let is_ours = |name: &[u8]| ours().any(|ours| ours.bytes().eq_ignore_ascii_case(name));
        self.removals.apply(&inputs.request.headers, is_ours, &mut mutations.remove);
        Ok(())
    }

    /// Returns true if this error of any header is a denial.
    fn denies(&self, error: EncodeError) -> bool {
        let is_too_large =
            matches!(error, EncodeError::TooLong { .. } | EncodeError::Text(HeaderTextError::TooLong { .. }));
        is_too_large && self.limits.on_too_large == OnEncodeError::Deny
    }
}

impl IdentityHeader {
    fn value(&self, inputs: &Inputs<'_>, limit: usize) -> Result<Option<HeaderText>, EncodeError> {
        match &self.source {
            HeaderValueSource::Source(source) => {
                source.find(inputs.principal).map_or(Ok(None), |found| encode(found, self.encoding, limit))
            }
            HeaderValueSource::Computed(expression) => computed(expression, inputs)?
                .map_or(Ok(None), |value| encode(FieldValue::Json((&value).into()), self.encoding, limit)),
        }
    }
}
