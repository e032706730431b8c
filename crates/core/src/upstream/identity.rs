//! Identity headers: what goes into which header, and that nobody but us can have written them. How a value is written is
//! `written`'s to say.

use super::Mutations;
use super::header_encoding::{EncodeError, HeaderEncoding, write};
use super::removal::Removals;
use super::value::{FieldValue, HeaderValueSource, computed};
use crate::authz::condition::Inputs;
use crate::http::header::{HeaderName, HeaderText};

/// One identity header and what it carries.
#[derive(Debug)]
pub struct IdentityHeader {
    /// The header's name.
    pub name: HeaderName,
    /// Where its value comes from.
    pub source: HeaderValueSource,
    /// How the value is written.
    pub form: HeaderEncoding,
    /// What happens when it can't be.
    pub unwritable: OnEncodeError,
}

/// What happens when a value can't be written into its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEncodeError {
    /// The request is denied: some authenticator requires the claim, or it is who the caller is, or what is made of one of these, so
    /// modules rely on it.
    Deny,
    /// The header is removed, as if the claim were missing, and that is counted.
    Drop,
}

/// A value that modules rely on and that can't be written into its header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header `{}` can't be written: {origin} {problem}", .header.as_str())]
pub struct IdentityError {
    /// The header.
    pub header: HeaderName,
    /// What it carries, for people.
    pub origin: Box<str>,
    /// What is wrong with its value.
    pub problem: EncodeError,
}

/// All identity headers of a configuration.
#[derive(Debug, Default)]
pub struct IdentityHeaders {
    headers: Vec<IdentityHeader>,
    removals: Removals,
}

impl IdentityHeaders {
    /// Identity headers, and the client headers that are removed: every spelling of theirs among them.
    #[must_use]
    pub const fn new(headers: Vec<IdentityHeader>, removals: Removals) -> Self {
        Self { headers, removals }
    }

    /// The identity headers.
    #[must_use]
    pub fn headers(&self) -> &[IdentityHeader] {
        &self.headers
    }

    /// Writes every one of our headers that has a value, and removes every other one, whether or not the request carries it: an Envoy
    /// with `allowed_headers` does not show modgud all that it carries. Of the client headers that could be taken for one of ours, and
    /// of the override headers, it removes those that the request carries.
    ///
    /// # Errors
    /// [`IdentityError`] for a value that modules rely on and that can't be written.
    pub(super) fn apply(
        &self,
        inputs: &Inputs<'_>,
        credential: Option<&HeaderName>,
        mutations: &mut Mutations,
    ) -> Result<(), IdentityError> {
        mutations.set.reserve(self.headers.len().saturating_add(1));
        for header in &self.headers {
            match (header.value(inputs), header.unwritable) {
                (Ok(Some(value)), _) => mutations.set.push((header.name.clone(), value)),
                (Ok(None), _) => mutations.remove.push(header.name.bytes().clone()),
                (Err(_), OnEncodeError::Drop) => {
                    mutations.remove.push(header.name.bytes().clone());
                    mutations.dropped.push(header.name.clone());
                }
                (Err(problem), OnEncodeError::Deny) => {
                    let origin = header.source.to_string().into();
                    return Err(IdentityError { header: header.name.clone(), origin, problem });
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
                source.find(inputs.principal).map_or(Ok(None), |found| write(found, self.form))
            }
            HeaderValueSource::Computed(expression) => {
                computed(expression, inputs)?.map_or(Ok(None), |value| write(FieldValue::Json(&value), self.form))
            }
        }
    }
}
