//! Keys that replace the configured ones during a policy test: generated for the run, one per requested family, and dropped with it.

use modgud_core::jose::{Algorithm, KeyType, SecretString, SigningError, SigningKey};
use std::sync::{Arc, Mutex, PoisonError};

/// The keys of one run; clones share them.
#[derive(Debug, Clone, Default)]
pub struct EphemeralKeys(Arc<Mutex<Vec<Made>>>);

/// A family, and the private half of its key.
type Made = (KeyType, Arc<SecretString>);

impl EphemeralKeys {
    /// Returns the key that signs with this algorithm.
    ///
    /// # Errors
    /// [`SigningError`] if the system provides no random numbers.
    pub fn signing(&self, algorithm: Algorithm) -> Result<SigningKey, SigningError> {
        let family = algorithm.key_type();
        let text = self.text(family)?;
        let key = match family {
            KeyType::Hmac => SigningKey::from_secret(text.expose_secret()),
            KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::Ed25519 => {
                SigningKey::from_pem(text.expose_secret())
            }
        };
        key?.with_algorithm(algorithm)
    }

    /// Returns the private half of a family's key, which the first call generates.
    fn text(&self, family: KeyType) -> Result<Arc<SecretString>, SigningError> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = made.iter().find(|(known, _)| *known == family) {
            return Ok(Arc::clone(text));
        }
        // The last algorithm of a family has the longest hash, and a secret must be as long as that.
        let algorithm = family.algorithms().last().ok_or(SigningError::Library)?;
        let text = Arc::new(SigningKey::generate(algorithm)?.private_text()?);
        made.push((family, Arc::clone(&text)));
        Ok(text)
    }
}
