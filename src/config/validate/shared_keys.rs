//! Checks that no two issuers share a key: the holder of its private half could sign for both, and `iss` would prove nothing.

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::secret_source::SecretLoader;
use modgud_core::authn::{Authenticator, JwtAuthenticator};
use modgud_core::jose::{Fingerprint, VerificationKey};

/// Checks all authenticators. Those of one issuer may share keys: they have the same signer.
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

/// Returns a key that both have. `None` if there is none.
fn shared(one: &JwtAuthenticator, other: &JwtAuthenticator) -> Option<Fingerprint> {
    let of_other =
        |key: &&VerificationKey| other.keys.static_keys.keys().iter().any(|known| known.same_key_material(key));
    one.keys.static_keys.keys().iter().find(of_other).map(VerificationKey::fingerprint)
}
