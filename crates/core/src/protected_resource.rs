//! The metadata of the API as a protected resource, by which clients find its authorization servers (RFC 9728).

use bytes::Bytes;

/// The metadata, and its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedResource {
    /// The document (RFC 9728 §3.2), JSON.
    pub document: Bytes,
    /// The path of the resource, which follows [`WELL_KNOWN`](Self::WELL_KNOWN); empty if the resource is a whole host.
    pub path: Box<str>,
}

impl ProtectedResource {
    /// The well-known path (RFC 9728 §3.1).
    pub const WELL_KNOWN: &'static str = "/.well-known/oauth-protected-resource";

    /// Returns the paths of the document: the well-known one, and that with the path of the resource if it has one.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        let whole = (!self.path.is_empty()).then(|| format!("{}{}", Self::WELL_KNOWN, self.path));
        [Self::WELL_KNOWN.to_owned()].into_iter().chain(whole)
    }
}
