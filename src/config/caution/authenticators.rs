//! Authenticators that ask for less than it seems.

use super::super::document::Document;
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::{Caution, Cautions};
use crate::authn::JwtAuthenticator;
use std::time::Duration;

/// The most leeway that clocks need.
const MOST_LEEWAY: Duration = Duration::from_secs(60);

pub(super) fn find(document: &Document, profile: &Document, checked: &[JwtAuthenticator], cautions: &mut Cautions<'_>) {
    for (number, (entry, checked)) in document.authenticators.iter().zip(checked).enumerate() {
        let at = Path::root("authenticators").position(number).key("jwt");
        let of_the_profile = profile
            .authenticators
            .iter()
            .find(|known| known.name == entry.name || known.jwt.issuer == entry.jwt.issuer)
            .filter(|known| !known.jwt.require.is_empty());
        if let Some(known) = of_the_profile
            && !cautions.is_said(&at.key("require"))
        {
            let quoted: Vec<String> = known.jwt.require.iter().map(|claim| Quoted::new(claim).to_string()).collect();
            let caution = Caution::RequireLeftOut {
                authenticator: Quoted::new(&known.name),
                claims: quoted.join(" or "),
                list: known.jwt.require.join(", "),
            };
            cautions.add(&at, caution);
        }
        if checked.checks.leeway > MOST_LEEWAY {
            let written = entry.jwt.leeway.as_deref().unwrap_or_default();
            cautions.add(&at.key("leeway"), Caution::Leeway(Quoted::new(written)));
        }
    }
}
