//! Warnings about `correlation`: a process instance that is never signed, and a secret that can be guessed.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::Document;
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::Issue;
use crate::yaml::Node;
use modgud_core::upstream::SigningSecret;

pub(super) fn find(document: &Document, root: &Node, loader: &SecretLoader, diagnostics: &mut Diagnostics) {
    let Some(correlation) = &document.correlation else { return };
    let at = Path::root("correlation");
    let instance = &correlation.process_instance;
    match &correlation.key {
        // A profile alone is not a mistake.
        None if at.key("process_instance").is_in_a_file(root)
            && (instance.header.is_some() || !instance.paths.is_empty()) =>
        {
            let message = "has no effect on signatures without `correlation.key`: modgud signs no correlation, and workers can verify none";
            let help = "write the secret that workers share, such as `key: { env: IDENTITY_SIGNING_KEY }`";
            diagnostics.add(at.key("process_instance"), Issue::warning("correlation-unsigned", message, help));
        }
        None => {}
        // A policy test does not need the secret of the production machine.
        Some(_) if loader.replaces_keys() => {}
        Some(source) => {
            let bytes = loader.read_secret(source).map_or(usize::MAX, |(secret, _)| secret.len());
            if bytes < SigningSecret::RECOMMENDED_BYTES {
                let unit = if bytes == 1 { "byte" } else { "bytes" };
                let message = format!("the secret has {bytes} {unit}, so it can be guessed, and a correlation forged");
                let help = format!(
                    "use at least {} random bytes, such as those of `modgud keygen --algorithm HS256`",
                    SigningSecret::RECOMMENDED_BYTES
                );
                diagnostics.add(at.key("key"), Issue::warning("correlation-secret-short", message, help));
            }
        }
    }
}
