//! Metadata of a configured key: its age.

use super::path::Path;
use super::raw::{Document, Key};
use super::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Located};
use crate::yaml::Node;
use modgud_core::jose::{Fingerprint, Validity, VerificationKey};
use modgud_core::time::Timestamp;

/// The known age of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyMetadata {
    /// The authenticator's index in the list.
    authenticator: usize,
    fingerprint: Fingerprint,
    /// The validity period of the certificate that holds the key. `None` for a key without a certificate.
    pub validity: Option<Validity>,
    /// The time of the last change of the key's file. `None` for a key from elsewhere.
    pub changed: Option<Timestamp>,
}

impl KeyMetadata {
    /// Returns true if this is the metadata of this key of this authenticator.
    pub(super) fn are_of(&self, authenticator: usize, fingerprint: Fingerprint) -> bool {
        self.authenticator == authenticator && self.fingerprint == fingerprint
    }

    /// Returns the warning about the key at this time. `None` if its dates are valid.
    pub(super) fn warning(&self, now: Timestamp) -> Option<Issue> {
        let Validity { from, until } = self.validity?;
        let help = "write the issuer's current certificate; if the key is the issuer's current one, write the key alone \
                    (`openssl x509 -pubkey -noout` writes it)";
        if now < from {
            let message =
                format!("the certificate here is valid from {from} only, but its key already verifies tokens");
            return Some(Issue::warning("certificate-not-yet-valid", message, help));
        }
        // `notAfter` is a whole second, all of which is included.
        (now.as_secs() > until.as_secs()).then(|| {
            let message = format!("the certificate here was valid until {until}, but its key still verifies tokens");
            Issue::warning("certificate-expired", message, help)
        })
    }
}

/// Gathers the metadata of every key of a validated document. Uses the content that validation read.
pub(super) fn gather(document: &Document, root: &Node, reader: &SecretLoader) -> Vec<Located<KeyMetadata>> {
    let mut facts = Vec::new();
    if reader.replaces_keys() {
        return facts;
    }
    for (authenticator, entry) in document.authenticators.iter().enumerate() {
        let at = Path::root("authenticators").position(authenticator).key("jwt").key("keys");
        let keys = entry.jwt.iter().flat_map(|jwt| &jwt.keys);
        for (number, key) in keys.enumerate() {
            let Key::Pem(pem) = key else { continue };
            let Ok((text, _)) = reader.read_pem(pem) else { continue };
            let Ok(key) = VerificationKey::from_pem(&text) else { continue };
            let validity = Validity::of_pem(&text);
            let changed = reader.changed(pem);
            let of_this = KeyMetadata { authenticator, fingerprint: key.fingerprint(), validity, changed };
            facts.push(at.position(number).key("pem").locate(root, of_this));
        }
    }
    facts
}
