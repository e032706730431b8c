//! The credential locations of a configuration, and the extraction of a credential from them.

use super::{
    AuthenticatorId, CookieName, Credential, CredentialError, CredentialLocation, QueryName, RawToken, Scheme,
};
use super::{cookie, parse_raw, parse_with_scheme, query};
use crate::http::header::{HeaderName, folds_to_same_name};
use crate::http::request::{HeaderLookup, Request};
use std::collections::BTreeMap;
use std::fmt;

/// The authenticators that use one location.
type AuthenticatorSet = Vec<AuthenticatorId>;

/// All credential locations, with the authenticators that use them.
#[derive(Debug, Default)]
pub struct CredentialExtractor {
    headers: BTreeMap<HeaderName, HeaderFormat>,
    cookies: Vec<(CookieName, AuthenticatorSet)>,
    queries: Vec<(QueryName, AuthenticatorSet)>,
}

/// The format of a header's credential.
#[derive(Debug)]
enum HeaderFormat {
    /// After one of these schemes.
    Scheme(Vec<(Scheme, AuthenticatorSet)>),
    /// Without a scheme.
    Raw(AuthenticatorSet),
}

/// The error of a header that is configured both with and without a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConflictingFormat;

impl CredentialExtractor {
    /// Adds the location `header` with `schemes` for an authenticator.
    ///
    /// # Errors
    /// [`ConflictingFormat`] if another authenticator reads this header without a scheme.
    pub fn add_schemes(
        &mut self,
        header: &HeaderName,
        schemes: &[Scheme],
        authenticator: AuthenticatorId,
    ) -> Result<(), ConflictingFormat> {
        let format = self.headers.entry(header.clone()).or_insert_with(|| HeaderFormat::Scheme(Vec::new()));
        let HeaderFormat::Scheme(accepted) = format else { return Err(ConflictingFormat) };
        for scheme in schemes {
            match accepted.iter_mut().find(|(known, _)| known == scheme) {
                Some((_, all)) => all.push(authenticator),
                None => accepted.push((scheme.clone(), vec![authenticator])),
            }
        }
        Ok(())
    }

    /// Adds the location `header` without a scheme for an authenticator.
    ///
    /// # Errors
    /// [`ConflictingFormat`] if another authenticator reads this header with schemes.
    pub fn add_raw(&mut self, header: &HeaderName, authenticator: AuthenticatorId) -> Result<(), ConflictingFormat> {
        match self.headers.entry(header.clone()).or_insert_with(|| HeaderFormat::Raw(Vec::new())) {
            HeaderFormat::Raw(all) => all.push(authenticator),
            HeaderFormat::Scheme(_) => return Err(ConflictingFormat),
        }
        Ok(())
    }

    /// Adds a cookie as a location for an authenticator.
    pub fn add_cookie(&mut self, name: &CookieName, authenticator: AuthenticatorId) {
        match self.cookies.iter_mut().find(|(known, _)| known == name) {
            Some((_, all)) => all.push(authenticator),
            None => self.cookies.push((name.clone(), vec![authenticator])),
        }
    }

    /// Adds a query parameter as a location for an authenticator.
    pub fn add_query(&mut self, name: &QueryName, authenticator: AuthenticatorId) {
        match self.queries.iter_mut().find(|(known, _)| known == name) {
            Some((_, all)) => all.push(authenticator),
            None => self.queries.push((name.clone(), vec![authenticator])),
        }
    }

    /// Returns true if an authenticator reads this header, or one that a server can't distinguish from it.
    #[must_use]
    pub fn reads_header(&self, header: &HeaderName) -> bool {
        self.headers.keys().any(|location| folds_to_same_name(location.as_str().as_bytes(), header.as_str().as_bytes()))
    }

    /// Returns every header that an authenticator reads.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.keys()
    }

    /// Returns the first location of an authenticator; `None` if it has none.
    #[must_use]
    pub fn of(&self, authenticator: AuthenticatorId) -> Option<CredentialLocation<'_>> {
        self.all().find(|(_, all)| all.contains(&authenticator)).map(|(location, _)| location)
    }

    /// Returns every location with its authenticators, in the order of the configuration.
    pub fn all(&self) -> impl Iterator<Item = (CredentialLocation<'_>, &[AuthenticatorId])> {
        let in_headers = self.headers.iter().flat_map(|(header, format)| {
            let (schemes, bare) = match format {
                HeaderFormat::Scheme(schemes) => (schemes.as_slice(), None),
                HeaderFormat::Raw(authenticator) => (&[][..], Some(authenticator)),
            };
            let schemes = schemes.iter().map(move |(scheme, authenticator)| {
                (CredentialLocation::Scheme(header, scheme), authenticator.as_slice())
            });
            schemes.chain(bare.map(|authenticator| (CredentialLocation::Header(header), authenticator.as_slice())))
        });
        let cookies = self
            .cookies
            .iter()
            .map(|(name, authenticator)| (CredentialLocation::Cookie(name), authenticator.as_slice()));
        let queries = self
            .queries
            .iter()
            .map(|(name, authenticator)| (CredentialLocation::Query(name), authenticator.as_slice()));
        in_headers.chain(cookies).chain(queries)
    }

    /// Extracts the credential of a request; `None` if there is none.
    ///
    /// # Errors
    /// `CredentialError` for two credentials, of which none is chosen, and for a location's value that is not a credential.
    pub fn find<'a, 's>(&'s self, request: &'a Request<'_>) -> Result<Option<Credential<'a, 's>>, CredentialError> {
        let mut sole = AtMostOne(None);
        for (header, format) in &self.headers {
            let value = match request.headers.sole(header.as_str()) {
                HeaderLookup::Absent => continue,
                HeaderLookup::Repeated => return Err(CredentialError::Ambiguous),
                HeaderLookup::One(value) => value,
            };
            match format {
                HeaderFormat::Scheme(schemes) => {
                    let (scheme, token) = parse_with_scheme(value)?;
                    let (scheme, authenticator) = schemes
                        .iter()
                        .find(|(accepted, _)| accepted.matches(scheme))
                        .ok_or(CredentialError::SchemeUnknown)?;
                    sole.put(token, CredentialLocation::Scheme(header, scheme), authenticator)?;
                }
                HeaderFormat::Raw(authenticator) => {
                    sole.put(parse_raw(value)?, CredentialLocation::Header(header), authenticator)?;
                }
            }
        }
        for (name, authenticator) in &self.cookies {
            if let Some(token) = cookie::find(&request.headers, name)? {
                sole.put(token, CredentialLocation::Cookie(name), authenticator)?;
            }
        }
        for (name, authenticator) in &self.queries {
            if let Some(token) = query::find(request, name)? {
                sole.put(token, CredentialLocation::Query(name), authenticator)?;
            }
        }
        Ok(sole.0)
    }
}

/// At most one credential.
struct AtMostOne<'a, 's>(Option<Credential<'a, 's>>);

impl<'a, 's> AtMostOne<'a, 's> {
    fn put(
        &mut self,
        token: RawToken<'a>,
        location: CredentialLocation<'s>,
        authenticators: &'s [AuthenticatorId],
    ) -> Result<(), CredentialError> {
        match self.0.replace(Credential { token, location, authenticators }) {
            None => Ok(()),
            Some(_) => Err(CredentialError::Ambiguous),
        }
    }
}

/// For people: ``the header `authorization` (JWT, Bearer), the cookie `session` ``.
impl fmt::Display for CredentialExtractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(header, format)| match format {
            HeaderFormat::Scheme(schemes) => {
                let schemes: Vec<&str> = schemes.iter().map(|(scheme, _)| scheme.as_str()).collect();
                format!("the header `{}` ({})", header.as_str(), schemes.join(", "))
            }
            HeaderFormat::Raw(_) => CredentialLocation::Header(header).to_string(),
        });
        let cookies = self.cookies.iter().map(|(name, _)| CredentialLocation::Cookie(name).to_string());
        let queries = self.queries.iter().map(|(name, _)| CredentialLocation::Query(name).to_string());
        let all: Vec<String> = headers.chain(cookies).chain(queries).collect();
        if all.is_empty() {
            f.write_str("no location: no authenticator reads one")
        } else {
            f.write_str(&all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
