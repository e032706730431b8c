//! Validates `mtls`: the accepted certificates.

use super::super::super::diagnostic::{Problem, Problems};
use super::super::super::path::Path;
use super::super::super::raw;
use crate::diagnostic::Quoted;
use modgud_core::authn::{MtlsAuthenticator, PrincipalPattern};
use modgud_core::principal::{AuthenticatorName, ClaimMapping};
use std::sync::Arc;

/// The pattern for every certificate that Envoy accepts.
const ANYBODY: &str = "*";

pub(super) fn check(
    at: &Path,
    name: &str,
    mtls: &raw::Mtls,
    identity: &Arc<ClaimMapping>,
    problems: &mut Problems,
) -> MtlsAuthenticator {
    let anybody = [ANYBODY.to_owned()];
    let written = mtls.principals.as_deref().unwrap_or(&anybody);
    let at = at.key("principals");
    if written.is_empty() {
        problems.add(at.clone(), Problem::Empty("name who is accepted, such as `spiffe://example.org/ns/prod/sa/api`"));
    }
    let mut principals = Vec::new();
    for (number, text) in written.iter().enumerate() {
        let pattern = PrincipalPattern::parse(text).map_err(|fault| Problem::Peer { found: Quoted::new(text), fault });
        principals.extend(problems.take(&at.position(number), pattern));
    }
    MtlsAuthenticator { name: AuthenticatorName::new(name), principals, identity: Arc::clone(identity) }
}
