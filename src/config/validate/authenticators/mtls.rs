//! Validates `mtls`: the accepted certificates.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw;
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authn::{MtlsAuthenticator, PrincipalPattern};
use modgud_core::principal::{AuthenticatorName, ClaimMapping};
use std::sync::Arc;

/// The pattern for every certificate that Envoy accepts.
const ANY: &str = "*";

pub(super) fn check(
    at: &Path,
    name: &str,
    mtls: &raw::Mtls,
    identity: &Arc<ClaimMapping>,
    diagnostics: &mut Diagnostics,
) -> MtlsAuthenticator {
    let any = [ANY.to_owned()];
    let written = mtls.principals.as_deref().unwrap_or(&any);
    let at = at.key("principals");
    if written.is_empty() {
        let help = "name the accepted principals, such as `spiffe://example.org/ns/prod/sa/api`";
        diagnostics.add(at.clone(), Issue::error("empty", "is empty", help));
    }
    let mut principals = Vec::new();
    for (number, text) in written.iter().enumerate() {
        let pattern = PrincipalPattern::parse(text).map_err(|error| {
            Issue::parse("principal-invalid", format!("{} is not a principal: {error}", Quoted::new(text)))
        });
        principals.extend(diagnostics.ok_or_report(&at.position(number), pattern));
    }
    MtlsAuthenticator { name: AuthenticatorName::new(name), principals, identity: Arc::clone(identity) }
}
