//! The cases of a policy test: their format, the request that each makes, and the comparison with the outcome.

use super::super::explain::report::{Report, Word};
use super::super::input::{ContextArg, HeaderArg, check_request};
use super::token::DefaultToken;
use crate::config::{ConfigError, EphemeralKeys, read_document};
use crate::envoy::proto::CheckRequest;
use crate::read_limit::read_file_to_limit;
use modgud_core::authn::JwtAuthenticator;
use modgud_core::credential::{AuthenticatorId, CredentialLocation};
use modgud_core::decide::Snapshot;
use modgud_core::jose::SigningError;
use modgud_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Maximum size of a file of cases, 4 MiB: it bounds memory. A larger file is an error.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Errors of reading and running cases.
#[derive(Debug, thiserror::Error)]
pub(super) enum CasesError {
    #[error("{file} can't be read: {error}")]
    Read { file: String, error: io::Error },
    #[error("{file} is larger than {} KiB; write several files", MAX_BYTES / 1024)]
    TooLarge { file: String },
    #[error("{file} has no case; write a list of cases, as `modgud test --help` shows")]
    Empty { file: String },
    #[error(transparent)]
    Form(#[from] ConfigError),
    #[error("the token of the case `{case}` can't be signed: {error}")]
    Sign { case: String, error: SigningError },
    #[error(
        "the case `{case}` names the authenticator `{name}`, which the configuration does not have for signed tokens"
    )]
    NoAuthenticator { case: String, name: String },
    #[error(transparent)]
    System(#[from] io::Error),
    #[error("the case `{case}` has a token, but its authenticator reads none from a request; remove `token`")]
    NoLocation { case: String },
}

/// A test case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(default)]
    request: Request,
    token: Option<Token>,
    /// The authenticator of the token, which determines its issuer and location; `None` means the first.
    authenticator: Option<String>,
    /// The time of the decision, in seconds since 1970; `None` means now.
    pub(super) at: Option<u64>,
    pub(super) expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Request {
    method: String,
    path: String,
    host: String,
    headers: BTreeMap<String, String>,
    /// The context extensions of the Envoy route.
    context: BTreeMap<String, String>,
}

impl Default for Request {
    fn default() -> Self {
        let (method, path, host) = ("GET".to_owned(), "/".to_owned(), "api.example.com".to_owned());
        Self { method, path, host, headers: BTreeMap::new(), context: BTreeMap::new() }
    }
}

/// A token: claims merged over those of the default token, or a verbatim text.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "is not a token; write a map of claims, or the text of a token")]
enum Token {
    Claims(Map<String, Value>),
    Text(String),
}

/// The expected result of a case. Absent members are not compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    decision: Word,
    status: Option<u16>,
    reason: Option<String>,
    rule: Option<String>,
    authenticator: Option<String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    removed: Vec<String>,
    /// Headers of the response to the client: of the denial, or those that are added to the module's response.
    #[serde(default)]
    response: BTreeMap<String, String>,
    shadow: Option<ExpectedShadow>,
}

/// The expected outcome of a shadow rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedShadow {
    decision: Word,
    reason: Option<String>,
    rule: Option<String>,
}

/// Reads a file of cases.
pub(super) fn read(file: &Path) -> Result<Vec<Case>, CasesError> {
    let name = file.display().to_string();
    let content = read_file_to_limit(file, MAX_BYTES)
        .map_err(|error| CasesError::Read { file: name.clone(), error })?
        .ok_or_else(|| CasesError::TooLarge { file: name.clone() })?;
    let cases: Option<Vec<Case>> = read_document(&name, content)?;
    cases.filter(|cases| !cases.is_empty()).ok_or(CasesError::Empty { file: name })
}

impl Case {
    /// Returns the check of this case, and the claims of its token if they were signed here. The token goes to the first location of its
    /// authenticator.
    pub(super) fn check(
        &self,
        keys: &EphemeralKeys,
        now: Timestamp,
        snapshot: &Snapshot,
    ) -> Result<(CheckRequest, Option<String>), CasesError> {
        let Request { method, path, host, headers, context } = &self.request;
        let mut path = path.clone();
        let mut all: Vec<HeaderArg> = headers.iter().map(|(name, value)| HeaderArg::new(name, value)).collect();
        let (authenticator, signer) = self.signer(snapshot)?;
        let mut claims = None;
        let token = match &self.token {
            None => None,
            Some(Token::Text(text)) => Some(text.clone()),
            Some(Token::Claims(overrides)) => {
                let token = DefaultToken::of(signer, now).with(overrides);
                claims = Some(token.claims());
                let text = token.sign(keys);
                Some(text.map_err(|error| CasesError::Sign { case: self.name.clone(), error })?)
            }
        };
        if let Some(token) = token {
            let location = snapshot
                .extractor
                .of(authenticator)
                .ok_or_else(|| CasesError::NoLocation { case: self.name.clone() })?;
            match location {
                CredentialLocation::Scheme(header, scheme) => {
                    all.push(HeaderArg::new(header.as_str(), &format!("{} {token}", scheme.as_str())));
                }
                CredentialLocation::Header(header) => all.push(HeaderArg::new(header.as_str(), &token)),
                CredentialLocation::Cookie(name) => {
                    all.push(HeaderArg::new("cookie", &format!("{}={token}", name.as_str())));
                }
                CredentialLocation::Query(name) => {
                    let separator = if path.contains('?') { '&' } else { '?' };
                    path = format!("{path}{separator}{}={token}", name.as_str());
                }
            }
        }
        let context = context.iter().map(|(key, value)| ContextArg::new(key, value)).collect();
        Ok((check_request(method.clone(), path, host.clone(), all, context), claims))
    }

    /// Returns the authenticator of a credential: the named one, or the first JWT authenticator, since only JWTs are
    /// made here.
    fn signer<'s>(
        &self,
        snapshot: &'s Snapshot,
    ) -> Result<(AuthenticatorId, Option<&'s JwtAuthenticator>), CasesError> {
        let mut list = snapshot.authenticators.list().iter().enumerate();
        let found = match (self.authenticator.as_deref(), &self.token) {
            (Some(wanted), Some(Token::Claims(_))) => {
                list.find(|(_, one)| one.name().as_str() == wanted && one.as_jwt().is_some())
            }
            (Some(wanted), Some(Token::Text(_)) | None) => list.find(|(_, one)| one.name().as_str() == wanted),
            (None, _) => list.find(|(_, one)| one.as_jwt().is_some()),
        };
        match (found, &self.authenticator) {
            (Some((number, one)), _) => Ok((AuthenticatorId(number), one.as_jwt())),
            (None, None) => Ok((AuthenticatorId(0), None)),
            (None, Some(name)) => Err(CasesError::NoAuthenticator { case: self.name.clone(), name: name.clone() }),
        }
    }
}

impl Expect {
    /// Returns all differences from the expected result, a line each.
    pub(super) fn differences(&self, report: &Report) -> Vec<String> {
        let Self { decision, status, reason, rule, authenticator, set, removed, response, shadow } = self;
        let mut lines = Vec::new();
        let mut compare = |what: &str, expected: &str, got: &str| {
            if expected != got {
                lines.push(format!("{what}: expected `{expected}`, got `{got}`"));
            }
        };
        compare("decision", decision.as_str(), report.decision.as_str());
        if let Some(status) = status {
            let got = report.answer.as_ref().map_or_else(|| "none".to_owned(), |answer| answer.status.to_string());
            compare("status", &status.to_string(), &got);
        }
        let named = [
            ("reason", reason, report.reason),
            ("rule", rule, report.rule.as_deref()),
            ("authenticator", authenticator, report.authenticator.as_deref()),
        ];
        for (what, expected, got) in named {
            if let Some(expected) = expected {
                compare(what, expected, got.unwrap_or("none"));
            }
        }
        for (name, expected) in set {
            let got = report.upstream.as_ref().and_then(|upstream| upstream.value(name)).unwrap_or("not set");
            compare(&format!("header {name}"), expected, got);
        }
        for name in removed {
            let is = report.upstream.as_ref().is_some_and(|upstream| upstream.removes(name));
            compare(&format!("header {name}"), "removed", if is { "removed" } else { "not removed" });
        }
        for (name, expected) in response {
            let denied = report.answer.as_ref().and_then(|answer| answer.value(name));
            let got = denied.or_else(|| report.upstream.as_ref()?.on_response(name));
            compare(&format!("response header {name}"), expected, got.as_deref().unwrap_or("not set"));
        }
        if let Some(ExpectedShadow { decision, reason, rule }) = shadow {
            let got = report.shadow.as_ref();
            compare("shadow decision", decision.as_str(), got.map_or("none", |got| got.decision.as_str()));
            for (what, expected, got) in [
                ("shadow reason", reason, got.and_then(|got| got.reason)),
                ("shadow rule", rule, got.map(|got| got.rule.as_str())),
            ] {
                if let Some(expected) = expected {
                    compare(what, expected, got.unwrap_or("none"));
                }
            }
        }
        lines
    }
}
