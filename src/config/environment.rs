//! The environment of a configuration: variables, custom authenticators, and the keys of a policy test. No value of a variable is ever shown.

use crate::diagnostic::Issue;
use modgud_core::authn::CustomAuthenticators;
use modgud_core::jose::{Algorithm, KeyType, SecretString, SigningError, SigningKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The kind of text to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretKind {
    /// A public key.
    Pem,
    /// A private key.
    PrivateKey,
    /// A secret.
    Secret,
    /// A JWK, which may be a secret.
    Jwk,
}

impl SecretKind {
    /// Returns the content that a file needs.
    pub(super) const fn file_help(self) -> &'static str {
        match self {
            Self::Pem => "write the key as PEM (`openssl pkey -pubin -inform DER` reads DER and writes PEM)",
            Self::PrivateKey => "write the private key as PEM (`openssl pkey -inform DER` reads DER and writes PEM)",
            Self::Secret => "write the secret in letters and digits (`openssl rand -hex 32` makes one)",
            Self::Jwk => "write the JWK as JSON",
        }
    }

    /// Returns the value that a variable needs.
    pub(super) const fn variable_help(self) -> &'static str {
        match self {
            Self::Pem => "set it to the PEM text of the public key",
            Self::PrivateKey => "set it to the PEM text of the private key",
            Self::Secret => "set it to the secret",
            Self::Jwk => "set it to the JSON text of the JWK",
        }
    }
}

/// The environment of a configuration: variables, and authenticators that the program provides.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: Variables,
    authenticators: CustomAuthenticators,
}

#[derive(Clone)]
enum Variables {
    /// The variables of this process, overridden and extended by these.
    OfTheProcess(Arc<HashMap<String, String>>),
    /// These variables only: tests run concurrently in one process.
    Fixed(Arc<HashMap<String, String>>),
}

/// Shows names only: a value may be a secret.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, own) = match self {
            Self::OfTheProcess(own) => ("OfTheProcess", own),
            Self::Fixed(own) => ("Fixed", own),
        };
        f.debug_tuple(kind).field(&own.keys().collect::<Vec<_>>()).finish()
    }
}

impl Environment {
    /// Returns the environment of this process.
    #[must_use]
    pub fn process() -> Self {
        Self::of(Variables::OfTheProcess(Arc::default()))
    }

    /// Returns an environment of these variables only.
    #[must_use]
    pub fn fixed<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self::of(Variables::Fixed(Arc::new(variables.into_iter().map(own).collect())))
    }

    fn of(variables: Variables) -> Self {
        Self { variables, authenticators: CustomAuthenticators::default() }
    }

    /// Returns the environment with these authenticators.
    #[must_use]
    pub fn with_authenticators(self, authenticators: CustomAuthenticators) -> Self {
        Self { authenticators, ..self }
    }

    /// Returns the environment with another value of one variable.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let put = |own: &Arc<HashMap<String, String>>| {
            let mut own = HashMap::clone(own);
            own.insert(name.to_owned(), value.to_owned());
            Arc::new(own)
        };
        let variables = match &self.variables {
            Variables::OfTheProcess(own) => Variables::OfTheProcess(put(own)),
            Variables::Fixed(own) => Variables::Fixed(put(own)),
        };
        Self { variables, authenticators: self.authenticators.clone() }
    }

    /// Returns the authenticators that the program provides.
    pub(super) const fn authenticators(&self) -> &CustomAuthenticators {
        &self.authenticators
    }

    /// Returns the value of a variable that is no secret; `None` if it is not set or no UTF-8.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        self.get(name, SecretKind::Secret).ok()
    }

    /// Returns the value of a variable.
    pub(super) fn get(&self, name: &str, kind: SecretKind) -> Result<String, Issue> {
        let missing = || {
            let message = format!("the environment variable {name} is not set");
            Issue::error("variable-not-set", message, kind.variable_help())
        };
        match &self.variables {
            Variables::OfTheProcess(own) => match own.get(name) {
                Some(value) => Ok(value.clone()),
                None => of_the_process(name, missing),
            },
            Variables::Fixed(variables) => variables.get(name).cloned().ok_or_else(missing),
        }
    }
}

fn of_the_process(name: &str, missing: impl FnOnce() -> Issue) -> Result<String, Issue> {
    #[expect(clippy::disallowed_methods, reason = "this is the one owner of the environment")]
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => missing(),
        std::env::VarError::NotUnicode(_) => {
            let message = format!("the environment variable {name} is not UTF-8 text");
            Issue::error("variable-not-utf-8", message, "set it to UTF-8 text")
        }
    })
}

/// Keys that replace the configured ones during a policy test: generated for the run, one per requested family, and dropped with it. Clones
/// share them.
#[derive(Debug, Clone, Default)]
pub struct EphemeralKeys(Arc<Mutex<Vec<GeneratedKey>>>);

/// A family, and the private half of its key.
type GeneratedKey = (KeyType, Arc<SecretString>);

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
            KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => {
                SigningKey::from_pem(text.expose_secret())
            }
        };
        key?.with_algorithm(algorithm)
    }

    /// Returns the private half of a family's key, which the first call generates.
    fn text(&self, family: KeyType) -> Result<Arc<SecretString>, SigningError> {
        let mut generated = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = generated.iter().find(|(known, _)| *known == family) {
            return Ok(Arc::clone(text));
        }
        // The last algorithm of a family has the longest hash, and a secret must be as long as that.
        let algorithm = family.algorithms().last().ok_or(SigningError::Library)?;
        let text = Arc::new(SigningKey::generate(algorithm)?.private_text()?);
        generated.push((family, Arc::clone(&text)));
        Ok(text)
    }
}
