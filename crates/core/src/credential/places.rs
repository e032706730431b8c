//! All the places where the authenticators of a configuration look, and the look itself.

use super::{AuthenticatorIndex, BearerText, CookieName, Credential, CredentialFault, Place, QueryName, Scheme};
use super::{authorization, cookie, query};
use crate::http::header::{HeaderName, same_to_a_server};
use crate::http::request::{Lookup, Request};
use std::collections::BTreeMap;
use std::fmt;

/// Who looks in one place.
type Who = Vec<AuthenticatorIndex>;

/// All the places where a credential can stand, and who looks there.
#[derive(Debug, Default)]
pub struct Places {
    headers: BTreeMap<HeaderName, Form>,
    cookies: Vec<(CookieName, Who)>,
    queries: Vec<(QueryName, Who)>,
}

/// The form that a header's credential has.
#[derive(Debug)]
enum Form {
    /// After one of these schemes.
    Schemes(Vec<(Scheme, Who)>),
    /// By itself.
    Bare(Who),
}

/// A header can hold a credential after a scheme or by itself, and not now one and now the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TwoForms;

impl Places {
    /// Lets an authenticator look for `schemes` in `header`.
    ///
    /// # Errors
    /// [`TwoForms`] when another looks there for a credential without a scheme.
    pub fn add_schemes(
        &mut self,
        header: &HeaderName,
        schemes: &[Scheme],
        who: AuthenticatorIndex,
    ) -> Result<(), TwoForms> {
        let form = self.headers.entry(header.clone()).or_insert_with(|| Form::Schemes(Vec::new()));
        let Form::Schemes(accepted) = form else { return Err(TwoForms) };
        for scheme in schemes {
            match accepted.iter_mut().find(|(known, _)| known == scheme) {
                Some((_, all)) => all.push(who),
                None => accepted.push((scheme.clone(), vec![who])),
            }
        }
        Ok(())
    }

    /// Lets an authenticator look for a credential without a scheme in `header`.
    ///
    /// # Errors
    /// [`TwoForms`] when another looks there for schemes.
    pub fn add_bare(&mut self, header: &HeaderName, who: AuthenticatorIndex) -> Result<(), TwoForms> {
        match self.headers.entry(header.clone()).or_insert_with(|| Form::Bare(Vec::new())) {
            Form::Bare(all) => all.push(who),
            Form::Schemes(_) => return Err(TwoForms),
        }
        Ok(())
    }

    /// Lets an authenticator look into a cookie.
    pub fn add_cookie(&mut self, name: &CookieName, who: AuthenticatorIndex) {
        match self.cookies.iter_mut().find(|(known, _)| known == name) {
            Some((_, all)) => all.push(who),
            None => self.cookies.push((name.clone(), vec![who])),
        }
    }

    /// Lets an authenticator look into a parameter of the query.
    pub fn add_query(&mut self, name: &QueryName, who: AuthenticatorIndex) {
        match self.queries.iter_mut().find(|(known, _)| known == name) {
            Some((_, all)) => all.push(who),
            None => self.queries.push((name.clone(), vec![who])),
        }
    }

    /// Whether any authenticator looks into this header, or into one that a server can't tell from it.
    #[must_use]
    pub fn looks_in(&self, header: &HeaderName) -> bool {
        self.headers.keys().any(|place| same_to_a_server(place.as_str().as_bytes(), header.as_str().as_bytes()))
    }

    /// Every header into which an authenticator looks.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.keys()
    }

    /// The first place into which an authenticator looks; `None` for one that looks nowhere.
    #[must_use]
    pub fn of(&self, who: AuthenticatorIndex) -> Option<Place<'_>> {
        self.all().find(|(_, all)| all.contains(&who)).map(|(place, _)| place)
    }

    /// Every place with those who look there, the authenticators in the order of the configuration.
    pub fn all(&self) -> impl Iterator<Item = (Place<'_>, &[AuthenticatorIndex])> {
        let in_headers = self.headers.iter().flat_map(|(header, form)| {
            let (schemes, bare) = match form {
                Form::Schemes(schemes) => (schemes.as_slice(), None),
                Form::Bare(who) => (&[][..], Some(who)),
            };
            let schemes = schemes.iter().map(move |(scheme, who)| (Place::Scheme(header, scheme), who.as_slice()));
            schemes.chain(bare.map(|who| (Place::Header(header), who.as_slice())))
        });
        let cookies = self.cookies.iter().map(|(name, who)| (Place::Cookie(name), who.as_slice()));
        let queries = self.queries.iter().map(|(name, who)| (Place::Query(name), who.as_slice()));
        in_headers.chain(cookies).chain(queries)
    }

    /// The one credential of a request, or none.
    ///
    /// # Errors
    /// Two credentials are a refusal and not a choice; so is anything in a credential's place that is not one.
    pub fn find<'a, 's>(&'s self, request: &Request<'a>) -> Result<Option<Credential<'a, 's>>, CredentialFault> {
        let mut sole = Sole(None);
        for (header, form) in &self.headers {
            let value = match request.headers.sole(header.as_str()) {
                Lookup::Absent => continue,
                Lookup::Repeated => return Err(CredentialFault::Ambiguous),
                Lookup::One(value) => value,
            };
            match form {
                Form::Schemes(schemes) => {
                    let (scheme, token) = authorization::split(value)?;
                    let (scheme, who) = schemes
                        .iter()
                        .find(|(accepted, _)| accepted.matches(scheme))
                        .ok_or(CredentialFault::SchemeUnknown)?;
                    sole.put(token, Place::Scheme(header, scheme), who)?;
                }
                Form::Bare(who) => sole.put(authorization::bare(value)?, Place::Header(header), who)?,
            }
        }
        for (name, who) in &self.cookies {
            if let Some(token) = cookie::find(&request.headers, name)? {
                sole.put(token, Place::Cookie(name), who)?;
            }
        }
        for (name, who) in &self.queries {
            if let Some(token) = request.query.map(|query| query::find(query, name)).transpose()?.flatten() {
                sole.put(token, Place::Query(name), who)?;
            }
        }
        Ok(sole.0)
    }
}

/// At most one credential.
struct Sole<'a, 's>(Option<Credential<'a, 's>>);

impl<'a, 's> Sole<'a, 's> {
    fn put(
        &mut self,
        token: BearerText<'a>,
        place: Place<'s>,
        authenticators: &'s [AuthenticatorIndex],
    ) -> Result<(), CredentialFault> {
        match self.0.replace(Credential { token, place, authenticators }) {
            None => Ok(()),
            Some(_) => Err(CredentialFault::Ambiguous),
        }
    }
}

/// For people: ``the header `authorization` (JWT, Bearer), the cookie `session` ``.
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(header, form)| match form {
            Form::Schemes(schemes) => {
                let schemes: Vec<&str> = schemes.iter().map(|(scheme, _)| scheme.as_str()).collect();
                format!("the header `{}` ({})", header.as_str(), schemes.join(", "))
            }
            Form::Bare(_) => Place::Header(header).to_string(),
        });
        let cookies = self.cookies.iter().map(|(name, _)| Place::Cookie(name).to_string());
        let queries = self.queries.iter().map(|(name, _)| Place::Query(name).to_string());
        let all: Vec<String> = headers.chain(cookies).chain(queries).collect();
        if all.is_empty() {
            f.write_str("no place: no authenticator looks for one")
        } else {
            f.write_str(&all.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
