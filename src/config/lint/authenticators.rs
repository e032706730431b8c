//! Warnings about authenticators that require less than expected.

use super::super::path::Path;
use super::super::raw::{Claim, Document};
use super::{Warning, Warnings};
use crate::diagnostic::Quoted;
use modgud_core::authn::Authenticator;
use std::time::Duration;

/// The maximum leeway without a warning: synchronized clocks need no more.
const MAX_LEEWAY_WITHOUT_WARNING: Duration = Duration::from_secs(60);

pub(super) fn find(document: &Document, profile: &Document, checked: &[Authenticator], warnings: &mut Warnings<'_>) {
    for (number, (entry, checked)) in document.authenticators.iter().zip(checked).enumerate() {
        let (Some(jwt), Some(checked)) = (&entry.jwt, checked.as_jwt()) else { continue };
        let at = Path::root("authenticators").position(number).key("jwt");
        let of_the_profile = profile
            .authenticators
            .iter()
            .filter_map(|known| Some((&known.name, known.jwt.as_ref()?)))
            .find(|(name, known)| **name == entry.name || known.issuer == jwt.issuer)
            .filter(|(_, known)| !known.require.is_empty());
        if let Some((name, known)) = of_the_profile
            && !warnings.is_said(&at.key("require"))
        {
            let claims: Vec<String> = known.require.iter().map(Claim::to_string).collect();
            let quoted: Vec<String> = claims.iter().map(|claim| Quoted::new(claim).to_string()).collect();
            let warning = Warning::RequireLeftOut {
                authenticator: Quoted::new(name),
                claims: quoted.join(" or "),
                list: claims.join(", "),
            };
            warnings.add(&at, warning);
        }
        if checked.checks.leeway > MAX_LEEWAY_WITHOUT_WARNING {
            let written = jwt.leeway.as_deref().unwrap_or_default();
            warnings.add(&at.key("leeway"), Warning::Leeway(Quoted::new(written)));
        }
    }
}
