//! Finding the credential: where each authenticator looks, and exactly one credential or none. Nothing here knows whether
//! a credential is good.

mod authorization;

pub use authorization::{BearerText, Scheme, SchemeFault};

use crate::header::{HeaderName, same_to_a_server};
use crate::reason::Reason;
use crate::request::{Headers, Lookup};
use authorization::split;
use std::collections::BTreeMap;
use std::fmt;

/// Which authenticator of a snapshot, by its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticatorIndex(pub usize);

/// All the places where a credential can stand: for each header that authenticators look into, the schemes that they
/// accept there.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<HeaderName, Vec<(Scheme, Vec<AuthenticatorIndex>)>>);

/// One credential, found in one place.
#[derive(Debug, PartialEq, Eq)]
pub struct Credential<'a, 's> {
    /// The token, checked only for its characters.
    pub token: BearerText<'a>,
    /// The header that it stood in.
    pub header: &'s HeaderName,
    /// The authenticators that look there for this scheme. Never empty.
    pub authenticators: &'s [AuthenticatorIndex],
}

/// Why what stands in a credential's place is not one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// The header stands there twice, or two places hold a credential.
    #[error("more than one credential is there")]
    Ambiguous,
    /// The value is not `SCHEME token`.
    #[error("the credential is not of the form `SCHEME token`")]
    Malformed,
    /// The scheme is one that no authenticator accepts.
    #[error("no authenticator accepts the credential's scheme")]
    SchemeUnknown,
}

impl CredentialFault {
    /// The reason that this fault is told as.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Ambiguous => Reason::CredentialAmbiguous,
            Self::Malformed | Self::SchemeUnknown => Reason::CredentialMalformed,
        }
    }
}

impl Places {
    /// Lets an authenticator look for `schemes` in `header`.
    pub fn add(&mut self, header: &HeaderName, schemes: &[Scheme], authenticator: AuthenticatorIndex) {
        let accepted = self.0.entry(header.clone()).or_default();
        for scheme in schemes {
            match accepted.iter_mut().find(|(known, _)| known == scheme) {
                Some((_, who)) => who.push(authenticator),
                None => accepted.push((scheme.clone(), vec![authenticator])),
            }
        }
    }

    /// Whether any authenticator looks into this header, or into one that a server can't tell from it.
    #[must_use]
    pub fn looks_in(&self, header: &HeaderName) -> bool {
        self.0.keys().any(|place| same_to_a_server(place.as_str().as_bytes(), header.as_str().as_bytes()))
    }

    /// Every header into which an authenticator looks.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.keys()
    }

    /// The first place into which an authenticator looks, and a scheme that it accepts there.
    #[must_use]
    pub fn of(&self, authenticator: AuthenticatorIndex) -> Option<(&HeaderName, &Scheme)> {
        self.0.iter().find_map(|(header, schemes)| {
            let (scheme, _) = schemes.iter().find(|(_, who)| who.contains(&authenticator))?;
            Some((header, scheme))
        })
    }

    /// The one credential of a request, or none.
    ///
    /// # Errors
    /// Two credentials are a refusal and not a choice; so is anything in a credential's place that is not one.
    pub fn find<'a, 's>(&'s self, headers: &Headers<'a>) -> Result<Option<Credential<'a, 's>>, CredentialFault> {
        let mut found = None;
        for (header, schemes) in &self.0 {
            let value = match headers.sole(header.as_str()) {
                Lookup::Absent => continue,
                Lookup::Repeated => return Err(CredentialFault::Ambiguous),
                Lookup::One(value) => value,
            };
            let (scheme, token) = split(value)?;
            let (_, authenticators) =
                schemes.iter().find(|(accepted, _)| accepted.matches(scheme)).ok_or(CredentialFault::SchemeUnknown)?;
            let credential = Credential { token, header, authenticators };
            if found.replace(credential).is_some() {
                return Err(CredentialFault::Ambiguous);
            }
        }
        Ok(found)
    }
}

/// For people: `` `authorization` (JWT, Bearer) ``.
impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no header: there is no authenticator");
        }
        let mut separator = "";
        for (header, schemes) in &self.0 {
            let schemes: Vec<&str> = schemes.iter().map(|(scheme, _)| scheme.as_str()).collect();
            write!(f, "{separator}`{}` ({})", header.as_str(), schemes.join(", "))?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{AuthenticatorIndex, CredentialFault, Places, Scheme};
    use crate::header::HeaderName;
    use crate::request::{Field, Headers};

    fn places() -> Places {
        let mut places = Places::default();
        let schemes = ["JWT", "Bearer"].map(|scheme| Scheme::parse(scheme).unwrap());
        places.add(&HeaderName::parse("authorization").unwrap(), &schemes, AuthenticatorIndex(0));
        places.add(&HeaderName::parse("x-auth").unwrap(), &schemes[..1], AuthenticatorIndex(1));
        places
    }

    fn headers<'a>(fields: &[(&'a str, &'a [u8])]) -> Headers<'a> {
        Headers::new(fields.iter().map(|(name, value)| Field { name: name.as_bytes(), value }).collect())
    }

    #[test]
    fn one_credential_or_a_fault() {
        type Case<'a> = (&'a [(&'a str, &'a [u8])], Result<Option<&'a str>, CredentialFault>);
        let cases: &[Case<'_>] = &[
            (&[], Ok(None)),
            (&[("Authorization", b"JWT a.b.c")], Ok(Some("a.b.c"))),
            (&[("authorization", b"bearer a.b.c")], Ok(Some("a.b.c"))),
            (&[("authorization", b"jwt  a.b.c")], Ok(Some("a.b.c"))),
            (&[("x-auth", b"JWT a.b.c")], Ok(Some("a.b.c"))),
            (&[("x-auth", b"Bearer a.b.c")], Err(CredentialFault::SchemeUnknown)),
            (&[("authorization", b"Basic dTpw")], Err(CredentialFault::SchemeUnknown)),
            (&[("authorization", b"JWT a"), ("AUTHORIZATION", b"JWT a")], Err(CredentialFault::Ambiguous)),
            (&[("authorization", b"JWT a"), ("x-auth", b"JWT a")], Err(CredentialFault::Ambiguous)),
            (&[("x-auth", b"JWT a"), ("X_Auth", b"JWT b")], Err(CredentialFault::Ambiguous)),
            (&[("x_auth", b"JWT a")], Err(CredentialFault::Ambiguous)),
            (&[("x.auth", b"JWT a")], Err(CredentialFault::Ambiguous)),
            (&[("authorization", b"JWT a, JWT b")], Err(CredentialFault::Ambiguous)),
            (&[("authorization", b"JWT a,JWT b")], Err(CredentialFault::Ambiguous)),
        ];
        for (fields, expected) in cases {
            let places = places();
            let got = places.find(&headers(fields));
            assert_eq!(got.map(|found| found.map(|credential| credential.token.as_str())), *expected, "{fields:?}");
        }
    }

    #[test]
    fn whatever_is_not_a_credential_is_malformed() {
        let values: &[&[u8]] = &[
            b"",
            b" ",
            b"JWT",
            b"JWT ",
            b"a.b.c",
            b"JWT\ta.b.c",
            b"JWT \ta.b.c",
            b"JWT a.b.c ",
            b"JWT a.b.c x",
            b" JWT a.b.c",
            b"JWT\xc2\xa0a.b.c",
            b"JWT a.b.c\xc2\xa0",
            b"JWT a.b.c\0",
            b"JWT \"a.b.c\"",
            b"JWT {\"payload\":\"e30\"}",
            b"JWT a;b",
            b"JWT\r\nx: y",
            b"\xff\xfe",
            b"JWT \xff",
        ];
        for value in values {
            let places = places();
            let fields = [("authorization", *value)];
            let got = places.find(&headers(&fields));
            assert_eq!(got.err(), Some(CredentialFault::Malformed), "{:?}", value.escape_ascii().to_string());
        }
    }
}
