//! Sees to it that no two issuers share a key: whoever holds its private half could sign in the name of both, and `iss` would
//! tell nothing. Keys are read in `authenticators`.

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::secret_source::SecretLoader;
use modgud_core::authn::{Authenticator, JwtAuthenticator};
use modgud_core::jose::{Fingerprint, VerificationKey};

/// Authenticators of one issuer may share keys: they are one and the same signer's.
pub(super) fn check(list: &[Authenticator], reader: &SecretLoader, problems: &mut Problems) {
    if reader.replaces_keys() {
        return;
    }
    let of_tokens = || list.iter().enumerate().filter_map(|(number, one)| Some((number, one.as_jwt()?)));
    for (number, one) in of_tokens() {
        let before = of_tokens().take_while(|(other, _)| *other < number).map(|(_, other)| other);
        let mut others = before.filter(|other| other.issuer != one.issuer);
        let Some((other, fingerprint)) = others.find_map(|other| Some((other, shared(one, other)?))) else { continue };
        let at = Path::root("authenticators").position(number).key("jwt").key("keys");
        let (of, issuer) = (Quoted::new(other.name.as_str()), Quoted::new(&other.issuer));
        problems.add(at, Problem::KeyShared { fingerprint, of, issuer });
    }
}

/// A key that both have.
fn shared(one: &JwtAuthenticator, other: &JwtAuthenticator) -> Option<Fingerprint> {
    let of_other = |key: &&VerificationKey| other.keys.fixed.keys().iter().any(|known| known.same_key_material(key));
    one.keys.fixed.keys().iter().find(of_other).map(VerificationKey::fingerprint)
}
