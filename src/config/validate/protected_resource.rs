//! Validates `protected_resource`: the metadata by which clients find the authorization servers of the API (RFC 9728).

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw;
use crate::diagnostic::{Issue, Quoted};
use crate::http_client::{AllowInsecure, FetchUrl};
use modgud_core::authz::{Access, Case, Enforcement, PathPattern, Requirement, RouteReference, Rule, RuleName, Rules};
use modgud_core::credential::{CredentialExtractor, CredentialLocation};
use modgud_core::denial::ChallengeSchemes;
use modgud_core::http::method::Method;
use modgud_core::protected_resource::ProtectedResource;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// The name of the rule that opens the metadata, as the key.
const RULE: &str = "protected_resource";

/// The maximum size of the document, 4 KiB: Envoy's limit for a response of its own.
const MAX_DOCUMENT_BYTES: usize = 4096;

/// A protected resource with valid URLs.
pub(super) struct Resource {
    /// The URL of the API, as written: clients compare it character for character (RFC 9728 §3.3).
    url: String,
    /// Its scheme, host and port.
    origin: String,
    path: Box<str>,
    servers: Vec<String>,
}

/// Validates the section, and adds the rule that opens the metadata, unless the operator has a rule for the same requests.
pub(super) fn check(
    written: &raw::ProtectedResource,
    written_rules: &[raw::Rule],
    rules: &mut Rules,
    diagnostics: &mut Diagnostics,
) -> Option<Resource> {
    let raw::ProtectedResource { resource, authorization_servers } = written;
    let at = Path::root("protected_resource");
    if let Some(number) = written_rules.iter().position(|rule| rule.name == RULE) {
        let message = format!("{} is the name of the rule that opens the metadata", Quoted::new(RULE));
        let at = Path::root("rules").position(number).key("name");
        diagnostics.add(at, Issue::error("rule-name-taken", message, "write another name"));
    }
    let url = diagnostics.ok_or_report(&at.key("resource"), url(resource));
    let at = at.key("authorization_servers");
    if authorization_servers.is_empty() {
        let help = "name the issuer of the tokens, such as `https://login.example.com`";
        diagnostics.add(at.clone(), Issue::error("empty", "is empty", help));
    }
    for (index, server) in authorization_servers.iter().enumerate() {
        diagnostics.ok_or_report(&at.position(index), issuer(server));
    }
    let (origin, path) = url?;
    let resource =
        Resource { url: resource.clone(), origin, path: path.into(), servers: authorization_servers.clone() };
    open(&resource, rules);
    Some(resource)
}

/// Splits the URL of an API into its origin and its path, which is empty for a whole host.
fn url(text: &str) -> Result<(String, String), Issue> {
    let invalid = || {
        let message = format!("{} is not the URL of a protected resource", Quoted::new(text));
        let help = "write an `https` URL without query, fragment and a slash at the end, such as `https://api.example.com/mcp`; plain `http` only to \
                    this machine; the path may have letters, digits, `-`, `.`, `_` and `~`";
        Issue::error("resource-invalid", message, help)
    };
    let parsed = FetchUrl::parse(text, AllowInsecure::Loopback).map_err(|_| invalid())?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let in_authority = |byte: u8| is_plain(byte) || matches!(byte, b':' | b'[' | b']');
    let (scheme, rest) = text.split_once("://").ok_or_else(invalid)?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let path = if path == "/" { "" } else { path };
    let is_segment = |piece: &str| !matches!(piece, "" | "." | "..") && piece.bytes().all(is_plain);
    let is_path = path.is_empty() || path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment));
    if parsed.has_query() || !is_path || !authority.bytes().all(in_authority) {
        return Err(invalid());
    }
    Ok((format!("{}://{authority}", scheme.to_ascii_lowercase()), path.to_owned()))
}

/// Checks the issuer of an authorization server (RFC 8414 §2).
fn issuer(text: &str) -> Result<(), Issue> {
    let parsed = FetchUrl::parse(text, AllowInsecure::Loopback);
    if parsed.is_ok_and(|url| !url.has_query()) {
        return Ok(());
    }
    let message = format!("{} is not the issuer of an authorization server", Quoted::new(text));
    let help = "write its `https` URL without query and fragment, such as `https://login.example.com`; plain `http` only to this machine";
    Err(Issue::error("authorization-server-invalid", message, help))
}

/// Adds the rule that opens the metadata.
fn open(resource: &Resource, rules: &mut Rules) {
    let paths = [String::new(), resource.path.to_string()];
    let paths = paths.into_iter().map(|path| format!("{}{path}", ProtectedResource::WELL_KNOWN));
    let methods: Vec<Method<'_>> = ["GET", "HEAD"].into_iter().filter_map(|name| Method::parse(name).ok()).collect();
    for path in paths.collect::<BTreeSet<String>>() {
        let Ok(pattern) = PathPattern::parse(&path) else { continue };
        let rule = Rule {
            name: RuleName::new(RULE),
            access: Access::Public,
            require: Requirement::default(),
            constraints: None,
            pattern: path.into(),
            enforcement: Enforcement::Enforced,
            by_name: RouteReference::Require,
        };
        let pattern = pattern.read(Case::Exact, rules.readings().cloned());
        let _ = rules.add(rule, None, &methods, &pattern);
    }
}

impl Resource {
    /// Returns the URL of the metadata: the well-known path comes before that of the resource (RFC 9728 §3.1).
    pub(super) fn metadata_url(&self) -> Box<str> {
        format!("{}{}{}", self.origin, ProtectedResource::WELL_KNOWN, self.path).into()
    }

    /// Returns the document, with what the authenticators say about tokens, and with the scopes that challenges name.
    pub(super) fn publish(
        self,
        locations: &CredentialExtractor,
        schemes: &ChallengeSchemes,
        scopes: &HashMap<Box<str>, Box<str>>,
        diagnostics: &mut Diagnostics,
    ) -> ProtectedResource {
        let texts = |texts: BTreeSet<&str>| Value::from(texts.into_iter().collect::<Vec<_>>());
        // RFC 6750 §2.1 and §2.3. Other places have no name there.
        let methods = locations.all().filter_map(|(location, _)| match location {
            CredentialLocation::Scheme(..) => Some("header"),
            CredentialLocation::Query(name) if name.as_str() == "access_token" => Some("query"),
            CredentialLocation::Query(_) | CredentialLocation::Header(_) | CredentialLocation::Cookie(_) => None,
        });
        let mut document = Map::new();
        document.insert("resource".to_owned(), self.url.into());
        document.insert("authorization_servers".to_owned(), self.servers.into());
        document.insert("bearer_methods_supported".to_owned(), texts(methods.collect()));
        if !scopes.is_empty() {
            let scopes = scopes.values().flat_map(|text| text.split(' ')).collect();
            document.insert("scopes_supported".to_owned(), texts(scopes));
        }
        if *schemes == ChallengeSchemes::Dpop {
            document.insert("dpop_bound_access_tokens_required".to_owned(), true.into());
        }
        let document = Value::Object(document).to_string();
        if document.len() > MAX_DOCUMENT_BYTES {
            let message = format!(
                "the metadata has {} bytes, and Envoy's response of its own has {MAX_DOCUMENT_BYTES} at most",
                document.len()
            );
            let help = "name fewer `authorization_servers`, or leave out `denials.challenge.scope`";
            diagnostics.add(Path::root(RULE), Issue::error("metadata-too-large", message, help));
        }
        ProtectedResource { document: document.into(), path: self.path }
    }
}
