//! Security of the merged document: schemes from the configuration's authenticators, and the requirement of each operation from its rule.

use super::names::{Names, plain};
use super::rewrite::Minor;
use modgud_core::authn::Authenticator;
use modgud_core::authz::{Access, Fallback};
use modgud_core::credential::{AuthenticatorId, CredentialLocation};
use modgud_core::decide::Snapshot;
use modgud_core::http::request::{Headers, Request};
use serde_json::{Value, json};

/// The value of each parameter in the path by which the rule of an operation is found. No literal of a rule is like it.
const SAMPLE: &str = "any-value";

/// A security scheme of the gateway.
#[derive(Debug)]
pub(super) struct Scheme {
    /// Its name in the document.
    pub(super) name: String,
    /// The authenticator that it describes.
    authenticator: String,
    /// The scheme.
    pub(super) definition: Value,
}

/// The access to an operation.
#[derive(Debug)]
pub(super) enum Reach<'s> {
    /// Callers with a credential of one of these schemes; an empty list is any caller.
    Open(Vec<&'s str>, Optional),
    /// No caller, for this reason.
    Closed(String),
    /// The rule requires a credential, and there is no scheme for it.
    NoScheme,
}

/// Whether a request without a credential is allowed, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Optional {
    /// The request needs a credential, or needs none at all.
    No,
    /// The credential is optional.
    Yes,
}

/// The rule of an operation.
#[derive(Debug)]
pub(super) struct Decided<'s> {
    /// The access.
    pub(super) reach: Reach<'s>,
    /// The name of the rule; `None` for the fallback.
    pub(super) rule: Option<&'s str>,
}

/// Returns the schemes of all authenticators.
pub(super) fn schemes(snapshot: &Snapshot) -> Vec<Scheme> {
    let mut names = Names::default();
    let mut schemes = Vec::new();
    for (number, authenticator) in snapshot.authenticators.list().iter().enumerate() {
        let name = authenticator.name().as_str();
        let id = AuthenticatorId(number);
        let locations: Vec<CredentialLocation<'_>> =
            snapshot.extractor.all().filter(|(_, all)| all.contains(&id)).map(|(location, _)| location).collect();
        if let Authenticator::Mtls(_) = authenticator {
            let definition = json!({ "type": "mutualTLS", "description": about(authenticator) });
            schemes.push(Scheme { name: names.unique("", &plain(name)), authenticator: name.to_owned(), definition });
        }
        for location in &locations {
            let suffix = match location {
                _ if locations.len() == 1 => String::new(),
                CredentialLocation::Scheme(_, scheme) => format!("_{}", scheme.as_str()),
                CredentialLocation::Header(header) => format!("_{}", header.as_str()),
                CredentialLocation::Cookie(_) => "_cookie".to_owned(),
                CredentialLocation::Query(_) => "_query".to_owned(),
            };
            let definition = definition(authenticator, *location);
            let name_in_document = names.unique("", &plain(&format!("{name}{suffix}")));
            schemes.push(Scheme { name: name_in_document, authenticator: name.to_owned(), definition });
        }
    }
    schemes
}

/// Returns the version that the schemes need: `mutualTLS` came with 3.1.
pub(super) fn needed(schemes: &[Scheme]) -> Minor {
    Minor::from(schemes.iter().any(|scheme| scheme.definition.get("type").is_some_and(|kind| kind == "mutualTLS")))
}

/// Describes an authenticator.
fn about(authenticator: &Authenticator) -> String {
    match authenticator {
        Authenticator::Jwt(jwt) => jwt.issuer().map_or_else(
            || "A signed token (JWT).".to_owned(),
            |issuer| format!("A signed token (JWT) of the issuer `{issuer}`."),
        ),
        Authenticator::Introspection(_) => "An access token.".to_owned(),
        Authenticator::ApiKey(_) => "An API key.".to_owned(),
        Authenticator::Mtls(_) => "A client certificate.".to_owned(),
        Authenticator::Custom(custom) => format!("A credential for `{}`.", custom.name.as_str()),
    }
}

fn definition(authenticator: &Authenticator, location: CredentialLocation<'_>) -> Value {
    let about = about(authenticator);
    let key = |place: &str, name: &str, about: String| json!({ "type": "apiKey", "in": place, "name": name, "description": about });
    match location {
        CredentialLocation::Scheme(header, scheme) => {
            // Only these are registered for HTTP (RFC 9110 §16.4.1) and known to tools; another one is a part of the value.
            let is_http = ["bearer", "basic", "dpop"].iter().any(|known| scheme.as_str().eq_ignore_ascii_case(known));
            if header.as_str() != "authorization" || !is_http {
                return key("header", header.as_str(), format!("{about} The value is `{} TOKEN`.", scheme.as_str()));
            }
            let mut http =
                json!({ "type": "http", "scheme": scheme.as_str().to_ascii_lowercase(), "description": about });
            if let (Some(object), Authenticator::Jwt(_), true) =
                (http.as_object_mut(), authenticator, scheme.is_bearer())
            {
                object.insert("bearerFormat".to_owned(), json!("JWT"));
            }
            http
        }
        CredentialLocation::Header(header) => key("header", header.as_str(), about),
        CredentialLocation::Cookie(name) => key("cookie", name.as_str(), about),
        CredentialLocation::Query(name) => key("query", name.as_str(), about),
    }
}

/// Returns the access of an operation by the rule that decides on its path with sample values.
pub(super) fn decided<'s>(
    snapshot: &'s Snapshot,
    schemes: &'s [Scheme],
    (method, path, host): (&str, &str, &str),
    has_access_list: bool,
) -> Decided<'s> {
    let path = sample(path);
    let request = Request::parse(method.as_bytes(), path.as_bytes(), host.as_bytes(), Headers::default()).ok();
    let rule = request.as_ref().and_then(|request| snapshot.rules.find(request));
    let name = rule.map(|rule| rule.name.as_str());
    let access = match (rule.map(|rule| rule.access), snapshot.rules.fallback()) {
        // An access list requires a caller.
        (Some(Access::Optional), _) if has_access_list => Access::Authenticated,
        (Some(access), _) => access,
        (None, Fallback::Authenticated) => Access::Authenticated,
        (None, Fallback::Denied) => Access::Denied,
    };
    let accepted = rule.map(|rule| rule.require.authenticators.as_slice()).unwrap_or_default();
    let schemes = schemes.iter().filter(|scheme| {
        accepted.is_empty() || accepted.iter().any(|accepted| accepted.as_str() == scheme.authenticator)
    });
    let schemes: Vec<&str> = schemes.map(|scheme| scheme.name.as_str()).collect();
    let reach = match access {
        Access::Public | Access::Preflight => Reach::Open(Vec::new(), Optional::No),
        Access::Denied => Reach::Closed(match name {
            Some(name) => format!("the rule `{name}` denies every request"),
            None => "no rule matches, and `fallback` is `denied`".to_owned(),
        }),
        Access::Authenticated | Access::Optional if schemes.is_empty() => Reach::NoScheme,
        Access::Authenticated => Reach::Open(schemes, Optional::No),
        Access::Optional => Reach::Open(schemes, Optional::Yes),
    };
    Decided { reach, rule: name }
}

/// Returns a path with a value for each parameter.
fn sample(template: &str) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        path.extend([before, SAMPLE]);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    path.push_str(rest);
    path
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn each_parameter_has_a_value() {
        assert_eq!(sample("/crm/{id}/a"), "/crm/any-value/a");
        assert_eq!(sample("/crm/{id}.json"), "/crm/any-value.json");
        assert_eq!(sample("/crm/{broken"), "/crm/any-value");
    }
}
