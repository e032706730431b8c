//! Facts about a configuration for `modgud check`: the rules that admit requests without a credential, and the age of keys.

use super::path::Path;
use super::profile::admits_without_credential;
use super::raw::{Document, Key, Rule};
use super::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Located};
use crate::net::tls::Tls;
use crate::yaml::Node;
use modgud_core::jose::{Fingerprint, OutsideValidity, Validity, VerificationKey};
use modgud_core::time::Timestamp;
use std::fmt;

/// A rule that admits requests without a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRule {
    /// The name.
    pub name: String,
    /// Its access: `public`, `optional` or `preflight`.
    pub access: &'static str,
    /// The methods; empty for every method.
    pub methods: Vec<String>,
    /// The hosts; empty for every host.
    pub hosts: Vec<String>,
    /// The path patterns; empty if only a route that names the rule selects it.
    pub paths: Vec<String>,
    /// True if a route that names it is open, whatever other rules require.
    pub is_open_by_name: bool,
    /// True if a condition must hold, too.
    pub has_condition: bool,
    /// The profile or file that contains it, with the line.
    pub origin: String,
}

/// Finds the rules, in the order of the document.
pub(super) fn open_rules(document: &Document, root: &Node) -> Vec<OpenRule> {
    let rules = document.rules.iter().enumerate();
    // A shadow rule decides nothing.
    let open = rules.filter(|(_, rule)| admits_without_credential(rule.access) && !rule.shadow);
    open.map(|(number, rule)| {
        let Rule { name, matches, allow_by_name, access, when, .. } = rule;
        OpenRule {
            name: name.clone(),
            access: access.name(),
            methods: matches.methods().to_vec(),
            hosts: matches.hosts().to_vec(),
            paths: matches.paths.clone(),
            is_open_by_name: *allow_by_name,
            has_condition: when.is_some(),
            origin: Path::root("rules").position(number).location(root).to_string(),
        }
    })
    .collect()
}

impl fmt::Display for OpenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, access, methods, hosts, paths, is_open_by_name, has_condition, origin } = self;
        write!(f, "{name} ({access}): ")?;
        if paths.is_empty() {
            f.write_str("routes that name it")?;
        } else {
            let methods = match (methods.as_slice(), *access) {
                ([], "preflight") => "OPTIONS (preflights)".to_owned(),
                ([], _) => "every method".to_owned(),
                (methods, _) => methods.join(", "),
            };
            let hosts = if hosts.is_empty() { "every host".to_owned() } else { hosts.join(", ") };
            write!(f, "{methods}; {hosts}; {}", paths.join(", "))?;
            if *is_open_by_name {
                f.write_str("; routes that name it")?;
            }
        }
        if *has_condition {
            f.write_str("; only if its condition holds")?;
        }
        write!(f, " [{origin}]")
    }
}

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
    pub(super) fn belongs_to(&self, authenticator: usize, fingerprint: Fingerprint) -> bool {
        self.authenticator == authenticator && self.fingerprint == fingerprint
    }

    /// Returns the warning about the key at this time. `None` if its dates are valid.
    pub(super) fn warning(&self, now: Timestamp) -> Option<Issue> {
        let help = "write the issuer's current certificate; if the key is the issuer's current one, write the key alone \
                    (`openssl x509 -pubkey -noout` writes it)";
        Some(match self.validity?.outside(now)? {
            OutsideValidity::NotYet(from) => {
                let message =
                    format!("the certificate here is valid from {from} only, but its key already verifies tokens");
                Issue::warning("certificate-not-yet-valid", message, help)
            }
            OutsideValidity::Expired(until) => {
                let message =
                    format!("the certificate here was valid until {until}, but its key still verifies tokens");
                Issue::warning("certificate-expired", message, help)
            }
        })
    }
}

/// Gathers the metadata of every key of a validated document. Uses the content that validation read.
pub(super) fn key_metadata(document: &Document, root: &Node, loader: &SecretLoader) -> Vec<Located<KeyMetadata>> {
    let mut facts = Vec::new();
    if loader.replaces_keys() {
        return facts;
    }
    for (authenticator, entry) in document.authenticators.iter().enumerate() {
        let at = Path::root("authenticators").position(authenticator).key("jwt").key("keys");
        let keys = entry.jwt.iter().flat_map(|jwt| &jwt.keys);
        for (number, key) in keys.enumerate() {
            let Key::Pem(pem) = key else { continue };
            let Ok((text, _)) = loader.read_pem(pem) else { continue };
            let Ok(key) = VerificationKey::from_pem(&text) else { continue };
            let validity = Validity::of_pem(&text);
            let changed = loader.changed(pem);
            let of_this = KeyMetadata { authenticator, fingerprint: key.fingerprint(), validity, changed };
            facts.push(at.position(number).key("pem").locate(root, of_this));
        }
    }
    facts
}

/// Returns the end of each certificate of a validated document, with its path: that of TLS, those of authenticators' keys, and those that
/// `mint` publishes.
pub(super) fn certificates(
    (document, root): (&Document, &Node),
    tls: Option<&Tls>,
    keys: &[Located<KeyMetadata>],
    loader: &SecretLoader,
) -> Vec<(String, Timestamp)> {
    let own = tls.map(|tls| ("server.tls.cert".to_owned(), tls.validity().until));
    let of_keys = keys.iter().filter_map(|key| Some((key.path().to_owned(), key.what().validity?.until)));
    let published = document.mint.iter().enumerate().flat_map(|(number, mint)| {
        let at = Path::root("mint").position(number).key("also_published");
        let sources = mint.also_published.iter().enumerate().filter(|_| !loader.replaces_keys());
        sources.filter_map(move |(number, source)| {
            let validity = Validity::of_pem(&loader.read_pem(source).ok()?.0)?;
            Some((at.position(number).shown(root).to_string(), validity.until))
        })
    });
    own.into_iter().chain(of_keys).chain(published).collect()
}
