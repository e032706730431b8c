//! Keys that stand in the place of the configured ones while a policy is tested: made for the run, one for each family that is
//! asked for, and gone with it.

use modgud_core::jose::{Algorithm, Family, PrivateText, SigningFault, SigningKey};
use std::sync::{Arc, Mutex, PoisonError};

/// Keys for one run; clones share them.
#[derive(Debug, Clone, Default)]
pub struct ThrowAwayKeys(Arc<Mutex<Vec<Made>>>);

/// The private half of a family's key.
type Made = (Family, Arc<PrivateText>);

impl ThrowAwayKeys {
    /// The key that signs with this algorithm.
    ///
    /// # Errors
    /// [`SigningFault`] when the system gives no random numbers.
    pub fn signing(&self, algorithm: Algorithm) -> Result<SigningKey, SigningFault> {
        let family = algorithm.family();
        let text = self.text(family)?;
        let key = match family {
            Family::Hmac => SigningKey::from_secret(text.expose()),
            Family::Rsa | Family::P256 | Family::P384 | Family::Ed25519 => SigningKey::from_pem(text.expose()),
        };
        key?.with_algorithm(algorithm)
    }

    /// The private half of a family's key, made when it is first asked for.
    fn text(&self, family: Family) -> Result<Arc<PrivateText>, SigningFault> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = made.iter().find(|(known, _)| *known == family) {
            return Ok(Arc::clone(text));
        }
        // The last of a family has the longest hash, and a secret has to be as long as that.
        let algorithm = family.algorithms().last().ok_or(SigningFault::Library)?;
        let text = Arc::new(SigningKey::generate(algorithm)?.private_text()?);
        made.push((family, Arc::clone(&text)));
        Ok(text)
    }
}
