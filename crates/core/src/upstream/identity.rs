//! Identity headers: the value of each, and the guarantee that only modgud writes them. `header_encoding` encodes the values.

use super::Mutations;
use super::header_encoding::{EncodeError, FieldValue, HeaderEncoding, encode};
use super::removal::Removals;
use super::value::{HeaderValueSource, computed};
use crate::authz::condition::Inputs;
use crate::http::header::{HeaderName, HeaderText};

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

/// All identity headers of a configuration.
#[derive(Debug, Default)]
pub struct IdentityHeaders {
    headers: Vec<IdentityHeader>,
    removals: Removals,
}

impl IdentityHeaders {
    /// Builds the identity headers, and the removals of client headers, which include every spelling of the identity headers.
    #[must_use]
    pub const fn new(headers: Vec<IdentityHeader>, removals: Removals) -> Self {
        Self { headers, removals }
    }

    /// Returns the identity headers.
    #[must_use]
    pub fn headers(&self) -> &[IdentityHeader] {
        &self.headers
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
            match (header.value(inputs), header.on_error) {
                (Ok(Some(value)), _) => mutations.set.push((header.name.clone(), value)),
                (Ok(None), _) => mutations.remove.push(header.name.bytes().clone()),
                (Err(_), OnEncodeError::Drop) => {
                    mutations.remove.push(header.name.bytes().clone());
                    mutations.dropped.push(header.name.clone());
                }
                (Err(error), OnEncodeError::Deny) => {
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
}

impl IdentityHeader {
    fn value(&self, inputs: &Inputs<'_>) -> Result<Option<HeaderText>, EncodeError> {
        match &self.source {
            HeaderValueSource::Source(source) => {
                source.find(inputs.principal).map_or(Ok(None), |found| encode(found, self.encoding))
            }
            HeaderValueSource::Computed(expression) => {
                computed(expression, inputs)?.map_or(Ok(None), |value| encode(FieldValue::Json(&value), self.encoding))
            }
        }
    }
}
