//! The process instance that a request names.

use super::CorrelationError;
use super::field::{CorrelationField, PartError};
use crate::authz::PathPattern;
use crate::http::header::HeaderName;
use crate::http::path::CanonicalPath;
use crate::http::request::{HeaderLookup, Request};

/// The name of the path parameter with the process instance's id.
pub const PARAMETER: &str = "process_instance";

/// The sources of the process instance.
#[derive(Debug, Default)]
pub struct InstanceSources {
    /// Paths with a parameter of the name [`PARAMETER`].
    pub paths: Vec<PathPattern>,
    /// A header.
    pub header: Option<HeaderName>,
}

impl InstanceSources {
    /// Returns the id; `None` if the request names none.
    ///
    /// # Errors
    /// [`CorrelationError`] if the id is not a valid field, or the request names two.
    pub(super) fn of(&self, request: &Request<'_>) -> Result<Option<CorrelationField>, CorrelationError> {
        let in_path = self.in_path(&request.path)?;
        let in_header = match self.header.as_ref().map(|name| request.headers.sole(name.as_str())) {
            None | Some(HeaderLookup::Absent) => None,
            Some(HeaderLookup::Repeated) => return Err(CorrelationError::Instances),
            Some(HeaderLookup::One(value)) => {
                Some(std::str::from_utf8(value).map_err(|_| CorrelationError::Instance(PartError::NotText))?)
            }
        };
        let text = match (in_path, in_header) {
            (Some(one), Some(other)) if one != other => return Err(CorrelationError::Instances),
            (Some(text), _) | (None, Some(text)) => text,
            (None, None) => return Ok(None),
        };
        match CorrelationField::parse(text) {
            Ok(part) if part.as_str().is_empty() => Err(CorrelationError::Instance(PartError::Empty)),
            Ok(part) => Ok(Some(part)),
            Err(fault) => Err(CorrelationError::Instance(fault)),
        }
    }

    /// Returns the id in the path. The service reads the path as rules do.
    fn in_path<'p>(&self, path: &'p CanonicalPath<'_>) -> Result<Option<&'p str>, CorrelationError> {
        let sure = self.paths.iter().find_map(|pattern| pattern.parameter(PARAMETER, path));
        let widest = self.paths.iter().find_map(|pattern| pattern.parameter_read_widely(PARAMETER, path));
        if sure == widest { Ok(sure) } else { Err(CorrelationError::Instances) }
    }
}
