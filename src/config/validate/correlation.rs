//! Validates `correlation`: its headers have no other use, and its key can sign.

use super::authenticators::unusable_key;
use super::principal::claim_path;
use super::rules::path_pattern;
use super::{header_name, upstream};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Claim, Impersonation, ProcessInstance};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authz::{Rules, Segment};
use modgud_core::credential::CredentialExtractor;
use modgud_core::http::header::{HeaderName, folds_to_same_name};
use modgud_core::principal::ClaimPath;
use modgud_core::upstream::{
    Correlation, Impersonation as ValidatedImpersonation, ImpersonationSource, InstanceSources, PARAMETER,
    RequestMutator, SigningSecret,
};

pub(super) fn check(
    correlation: &raw::Correlation,
    locations: &CredentialExtractor,
    shape: &RequestMutator,
    rules: &Rules,
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> Option<Correlation> {
    let raw::Correlation { header, username, email, key, issued_at, impersonation, process_instance } = correlation;
    let at = Path::root("correlation");
    let mut headers = Headers { locations, shape, taken: Vec::new() };
    let header = headers.take(&at.key("header"), header, diagnostics);
    let mut claim = |key: &str, claim: Option<&Claim>, unset: &str| match claim {
        Some(claim) => diagnostics.ok_or_report(&at.key(key), claim_path(claim)),
        None => ClaimPath::parse(unset).ok(),
    };
    let username = claim("username", username.as_ref(), "preferred_username");
    let email = claim("email", email.as_ref(), "email");
    let secret = match key {
        // A policy test tolerates that the secret of the production machine is missing.
        Some(source) if !loader.replaces_keys() => {
            let secret = loader.read_secret(source).and_then(|(secret, origin)| {
                if secret.is_empty() {
                    return Err(Issue::error("empty", "is empty", "write the secret that workers share"));
                }
                SigningSecret::parse(&secret).map_err(|error| unusable_key(&origin, &error))
            });
            diagnostics.ok_or_report(&at.key("key"), secret)
        }
        Some(_) | None => None,
    };
    let impersonation = impersonation.as_ref().and_then(|impersonation| {
        self::impersonation(&at.key("impersonation"), impersonation, &mut headers, diagnostics)
    });
    let instance = instance(&at.key("process_instance"), process_instance, rules, &mut headers, diagnostics);
    let issued_at = *issued_at;
    Some(Correlation {
        header: header?,
        username: username?,
        email: email?,
        secret,
        impersonation,
        instance,
        issued_at,
    })
}

fn impersonation(
    at: &Path,
    impersonation: &Impersonation,
    headers: &mut Headers<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<ValidatedImpersonation> {
    let Impersonation { header, body, permission } = impersonation;
    if permission.is_empty() {
        diagnostics.add(at.key("permission"), Issue::error("empty", "is empty", "write the name of a permission"));
    }
    let source = match (header, body) {
        (Some(header), None) => ImpersonationSource::Header(headers.take(&at.key("header"), header, diagnostics)?),
        (None, Some(member)) if member.is_empty() => {
            let help = "write the name of a member, such as `customer`";
            diagnostics.add(at.key("body"), Issue::error("empty", "is empty", help));
            return None;
        }
        (None, Some(member)) => ImpersonationSource::Body(member.as_str().into()),
        (Some(_), Some(_)) | (None, None) => {
            let message = "the source of the impersonated person must be one key";
            diagnostics
                .add(at.clone(), Issue::error("impersonation-source", message, "write either `header` or `body`"));
            return None;
        }
    };
    Some(ValidatedImpersonation { source, permission: permission.as_str().into() })
}

fn instance(
    at: &Path,
    instance: &ProcessInstance,
    rules: &Rules,
    headers: &mut Headers<'_>,
    diagnostics: &mut Diagnostics,
) -> InstanceSources {
    let ProcessInstance { paths, header } = instance;
    let mut patterns = Vec::new();
    for (number, text) in paths.iter().enumerate() {
        let at = at.key("paths").position(number);
        let Some(pattern) = diagnostics.ok_or_report(&at, path_pattern(text)) else { continue };
        let named = |segment: &Segment| matches!(segment, Segment::Parameter(name) if **name == *PARAMETER);
        if pattern.segments().iter().any(named) {
            // The service of a rule or a module reads this path in the same way.
            patterns.push(pattern.read(rules.widest_case(), rules.readings().cloned()));
        } else {
            let message = format!("{} has no parameter `{{process_instance}}`", Quoted::new(text));
            let help = "write one such as `/process/instance/{process_instance}/{*rest}`";
            diagnostics.add(at, Issue::error("process-instance-missing", message, help));
        }
    }
    let header = header.as_ref().and_then(|header| headers.take(&at.key("header"), header, diagnostics));
    InstanceSources { paths: patterns, header }
}

/// The headers that have another use.
struct Headers<'c> {
    locations: &'c CredentialExtractor,
    shape: &'c RequestMutator,
    taken: Vec<HeaderName>,
}

impl Headers<'_> {
    fn take(&mut self, at: &Path, written: &str, diagnostics: &mut Diagnostics) -> Option<HeaderName> {
        let name = diagnostics.ok_or_report(at, header_name(written))?;
        if let Some(issue) = upstream::refused(written, &name, self.locations) {
            diagnostics.add(at.clone(), issue);
        }
        let identity = self.shape.identity.headers().iter().map(|header| &header.name);
        let mut others = identity.chain(&self.taken);
        if let Some(other) = others.find(|other| folds_to_same_name(other.bytes(), name.bytes())) {
            diagnostics.add(at.clone(), upstream::headers_alike(other.as_str(), written));
        }
        self.taken.push(name.clone());
        Some(name)
    }
}
