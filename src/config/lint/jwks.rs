//! Warnings about unusable keys in a JWKS file, whose other keys are used, and about cache files that modgud would not trust.

use super::super::path::Path;
use super::super::raw::{Document, Jwks, Key, Oidc};
use super::super::secret_source::{MAX_JWKS_BYTES, SecretLoader};
use super::Warning;
use crate::diagnostic::Located;
use crate::diagnostic::Quoted;
use crate::jwks::distrust;
use crate::yaml::Node;
use modgud_core::jose;
use modgud_core::jose::SkippedKey;

/// Finds the warnings about JWKS files and cache files of a validated document.
pub(in super::super) fn find(document: &Document, root: &Node, reader: &SecretLoader) -> Vec<Located<Warning>> {
    let mut found = Vec::new();
    if reader.replaced().is_some() {
        return found;
    }
    for (number, entry) in document.authenticators.iter().enumerate() {
        let at = Path::root("authenticators").position(number).key("jwt").key("keys");
        for (number, key) in entry.jwt.iter().flat_map(|jwt| &jwt.keys).enumerate() {
            let at = at.position(number);
            found.extend(cache_file(key, &at, reader).map(|(at, warning)| Located::new(&at, root, warning)));
            let Key::Jwks(jwks) = key else { continue };
            let at = at.key("jwks").key("file");
            let skipped = skipped(jwks, reader).into_iter();
            found.extend(skipped.map(|key| Located::new(&at, root, Warning::KeyLeftOut(key))));
        }
    }
    found
}

/// Returns a warning about a provider's cache file if another user could have written it.
fn cache_file(key: &Key, at: &Path, reader: &SecretLoader) -> Option<(Path, Warning)> {
    let (kind, file) = match key {
        Key::Jwks(jwks) => ("jwks", jwks.cache_file.as_ref()?),
        Key::Oidc(Oidc::Provider(provider)) => ("oidc", provider.cache_file.as_ref()?),
        Key::Oidc(Oidc::Issuer(_)) | Key::Pem(_) | Key::Secret(_) => return None,
    };
    let fault = distrust(&reader.path(file))?;
    let file = Quoted::new(&file.display().to_string());
    Some((at.key(kind).key("cache_file"), Warning::CacheFile { file, fault }))
}

fn skipped(jwks: &Jwks, reader: &SecretLoader) -> Vec<SkippedKey> {
    let read = jwks.file.as_ref().and_then(|file| reader.read_file(file, MAX_JWKS_BYTES).ok());
    let set = read.and_then(|(text, _)| jose::Jwks::parse(&text).ok());
    set.map(|set| set.into_parts().1).unwrap_or_default()
}
