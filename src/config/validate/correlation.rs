//! Validates `correlation`: its headers have no other use, and its key can sign.

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::raw::{self, Claim, Impersonation, ProcessInstance};
use super::super::secret_source::SecretLoader;
use super::principal::claim_path;
use super::{header_name, upstream};
use crate::diagnostic::Quoted;
use modgud_core::authz::{PathPattern, Rules, Segment};
use modgud_core::credential::CredentialExtractor;
use modgud_core::http::header::{HeaderName, folds_to_same_name};
use modgud_core::principal::ClaimPath;
use modgud_core::upstream::{
    Correlation, Impersonation as Checked, ImpersonationSource, InstanceSources, PARAMETER, RequestMutator,
    SigningSecret,
};

pub(super) fn check(
    correlation: &raw::Correlation,
    places: &CredentialExtractor,
    shape: &RequestMutator,
    rules: &Rules,
    reader: &SecretLoader,
    problems: &mut Problems,
) -> Option<Correlation> {
    let raw::Correlation { header, username, email, key, impersonation, process_instance } = correlation;
    let at = Path::root("correlation");
    let mut headers = Headers { places, shape, taken: Vec::new() };
    let header = headers.take(&at.key("header"), header, problems);
    let mut claim = |key: &str, claim: Option<&Claim>, unset: &str| match claim {
        Some(claim) => problems.take(&at.key(key), claim_path(claim)),
        None => ClaimPath::parse(unset).ok(),
    };
    let username = claim("username", username.as_ref(), "preferred_username");
    let email = claim("email", email.as_ref(), "email");
    let secret = match key {
        // A policy test tolerates that the secret of the production machine is missing.
        Some(source) if !reader.replaces_keys() => {
            let secret = reader.read_secret(source).map(|(secret, _)| secret).map_err(Problem::from);
            let secret = secret.and_then(|secret| {
                if secret.is_empty() {
                    Err(Problem::Empty("nothing can be signed without a secret"))
                } else {
                    Ok(secret)
                }
            });
            problems.take(&at.key("key"), secret).map(|secret| SigningSecret::new(&secret))
        }
        Some(_) | None => None,
    };
    let impersonation = impersonation
        .as_ref()
        .and_then(|impersonation| self::impersonation(&at.key("impersonation"), impersonation, &mut headers, problems));
    let instance = instance(&at.key("process_instance"), process_instance, rules, &mut headers, problems);
    Some(Correlation { header: header?, username: username?, email: email?, secret, impersonation, instance })
}

fn impersonation(
    at: &Path,
    impersonation: &Impersonation,
    headers: &mut Headers<'_>,
    problems: &mut Problems,
) -> Option<Checked> {
    let Impersonation { header, body, permission } = impersonation;
    if permission.is_empty() {
        problems.add(at.key("permission"), Problem::Empty("nobody can have what has no name; write a permission"));
    }
    let source = match (header, body) {
        (Some(header), None) => ImpersonationSource::Header(headers.take(&at.key("header"), header, problems)?),
        (None, Some(member)) if member.is_empty() => {
            problems.add(at.key("body"), Problem::Empty("write the name of a member, such as `customer`"));
            return None;
        }
        (None, Some(member)) => ImpersonationSource::Body(member.as_str().into()),
        (Some(_), Some(_)) | (None, None) => {
            problems.add(at.clone(), Problem::ImpersonationPlace);
            return None;
        }
    };
    Some(Checked { source, permission: permission.as_str().into() })
}

fn instance(
    at: &Path,
    instance: &ProcessInstance,
    rules: &Rules,
    headers: &mut Headers<'_>,
    problems: &mut Problems,
) -> InstanceSources {
    let ProcessInstance { paths, header } = instance;
    let mut patterns = Vec::new();
    for (number, text) in paths.iter().enumerate() {
        let at = at.key("paths").position(number);
        let parsed = PathPattern::parse(text).map_err(|fault| Problem::Pattern { pattern: Quoted::new(text), fault });
        let Some(pattern) = problems.take(&at, parsed) else { continue };
        let named = |segment: &Segment| matches!(segment, Segment::Parameter(name) if **name == *PARAMETER);
        if pattern.segments().iter().any(named) {
            // The service of a rule or a module reads this path in the same way.
            patterns.push(pattern.read(rules.widest_case(), rules.readings().cloned()));
        } else {
            problems.add(at, Problem::NoProcessInstance(Quoted::new(text)));
        }
    }
    let header = header.as_ref().and_then(|header| headers.take(&at.key("header"), header, problems));
    InstanceSources { paths: patterns, header }
}

/// The headers that have another use.
struct Headers<'c> {
    places: &'c CredentialExtractor,
    shape: &'c RequestMutator,
    taken: Vec<HeaderName>,
}

impl Headers<'_> {
    fn take(&mut self, at: &Path, written: &str, problems: &mut Problems) -> Option<HeaderName> {
        let name = problems.take(at, header_name(written))?;
        if let Some(problem) = upstream::refused(written, &name, self.places) {
            problems.add(at.clone(), problem);
        }
        let identity = self.shape.identity.headers().iter().map(|header| &header.name);
        let mut others = identity.chain(&self.taken);
        if let Some(other) = others.find(|other| folds_to_same_name(other.bytes(), name.bytes())) {
            problems.add(at.clone(), Problem::HeadersAlike(Quoted::new(other.as_str()), Quoted::new(written)));
        }
        self.taken.push(name.clone());
        Some(name)
    }
}
