//! Validates `keys` of an authenticator: reads the local ones, and collects the providers of the others.

use super::super::DurationRange;
use super::secret;
use crate::config::diagnostic::Diagnostics;
use crate::config::environment::EphemeralKeys;
use crate::config::path::Path;
use crate::config::raw::{Jwks, Key, Oidc, OidcProvider};
use crate::config::secret_source::{MAX_JWKS_BYTES, SecretLoader};
use crate::diagnostic::{Issue, Quoted};
use crate::http_client::{AllowInsecure, FetchUrl, TrustAnchors, UrlError};
use crate::jwks::{KeyFormat, KeySource, Location, Provider, WELL_KNOWN};
use modgud_core::authn::{Authenticator, IssuerKeys, JwtAuthenticator, RemoteJwks};
use modgud_core::jose::{Algorithm, Fingerprint, KeyError, KeySet, VerificationKey};
use std::fmt::Display;
use std::path::{Path as StdPath, PathBuf};

/// The maximum size of a file with authorities: 1 MiB. All authorities that browsers trust take 250 KiB. A larger file is an error.
const MAX_CA_BYTES: u64 = 1024 * 1024;

/// The default of `refresh`.
const REFRESH: &str = "5m";
/// The default of `stale_if_error`.
const STALE_IF_ERROR: &str = "24h";

/// The issuer and algorithms of the keys, and the lists for results.
pub(super) struct Context<'a> {
    /// The issuer of the tokens; `None` if it is ignored.
    pub(super) issuer: Option<&'a str>,
    pub(super) algorithms: &'a [Algorithm],
    pub(super) loader: &'a SecretLoader,
    pub(super) sources: &'a mut Vec<KeySource>,
    pub(super) diagnostics: &'a mut Diagnostics,
}

/// The request settings of a provider, which both kinds share.
struct Manner<'a> {
    refresh: Option<&'a String>,
    stale_if_error: Option<&'a String>,
    cache_file: Option<&'a PathBuf>,
    ca: Option<&'a PathBuf>,
    plain: AllowInsecure,
}

impl Context<'_> {
    pub(super) fn keys(&mut self, at: &Path, list: &[Key]) -> IssuerKeys {
        if list.is_empty() {
            let help = "name at least one key, such as `pem: { file: issuer.pem }`";
            self.diagnostics.add(at.clone(), Issue::error("empty", "is empty", help));
        }
        let mut keys = Vec::new();
        let mut remote = Vec::new();
        match self.loader.replaced() {
            // One key for each algorithm replaces all of them.
            Some(ephemeral) => {
                let generated = self.algorithms.iter().map(|algorithm| replaced(ephemeral, *algorithm));
                for key in generated.collect::<Vec<_>>() {
                    keys.extend(self.diagnostics.ok_or_report(at, key));
                }
            }
            None => {
                for (number, key) in list.iter().enumerate() {
                    self.key(&at.position(number), key, &mut keys, &mut remote);
                }
            }
        }
        let fixed = KeySet::new(keys).map_err(|error| Issue::parse("keys-too-many", error));
        let fixed = self.diagnostics.ok_or_report(at, fixed).unwrap_or_default();
        IssuerKeys { static_keys: fixed, remote }
    }

    fn key(&mut self, at: &Path, key: &Key, keys: &mut Vec<VerificationKey>, remote: &mut Vec<RemoteJwks>) {
        match key {
            Key::Pem(source) => {
                let read = self.loader.read_pem(source);
                let key = read.and_then(|(text, origin)| self.serving(VerificationKey::from_pem(&text), &origin));
                keys.extend(self.diagnostics.ok_or_report(&at.key("pem"), key));
            }
            Key::Secret(secret) => {
                let read = secret::read(self.loader, secret);
                let key =
                    read.and_then(|(secret, origin)| self.serving(VerificationKey::from_secret(&secret), &origin));
                keys.extend(self.diagnostics.ok_or_report(&at.key("secret"), key));
            }
            Key::Jwk(source) => {
                let key = self.loader.read_jwk(source).and_then(|(text, origin)| {
                    let unusable = |error: &dyn Display| {
                        Issue::parse("jwk-unusable", format!("{origin} does not hold a usable JWK: {error}"))
                    };
                    let key = VerificationKey::from_own_jwk(&text).map_err(|error| unusable(&error))?;
                    key.restricted_to(self.allowed()).map_err(|error| unusable(&error))
                });
                keys.extend(self.diagnostics.ok_or_report(&at.key("jwk"), key));
            }
            Key::Jwks(jwks) => self.set(&at.key("jwks"), jwks, KeyFormat::Jwks, keys, remote),
            Key::Certificates(map) => self.set(&at.key("certificates"), map, KeyFormat::Certificates, keys, remote),
            Key::Oidc(oidc) => remote.extend(self.oidc(&at.key("oidc"), oidc)),
        }
    }

    /// Restricts the key to the allowed algorithms. Any is allowed if none of the written ones is valid, which has an error of its own.
    fn serving(&self, key: Result<VerificationKey, KeyError>, origin: &str) -> Result<VerificationKey, Issue> {
        key.and_then(|key| key.restricted_to(self.allowed())).map_err(|error| unusable_key(origin, &error))
    }

    const fn allowed(&self) -> &[Algorithm] {
        if self.algorithms.is_empty() { Algorithm::ALL } else { self.algorithms }
    }

    /// Adds the keys of a JWKS or of a map of certificates.
    fn set(
        &mut self,
        at: &Path,
        set: &Jwks,
        format: KeyFormat,
        keys: &mut Vec<VerificationKey>,
        remote: &mut Vec<RemoteJwks>,
    ) {
        match (&set.file, &set.url) {
            (Some(file), None) => keys.extend(self.file(at, file, set, format)),
            (None, Some(url)) => remote.extend(self.url(at, url, set, format)),
            (Some(_), Some(_)) | (None, None) => {
                let message = format!("the source of the {} must be one key", format.name());
                let issue = Issue::error("jwks-source", message, "write either `file` or `url`");
                self.diagnostics.add(at.clone(), issue);
            }
        }
    }

    fn file(&mut self, at: &Path, file: &StdPath, jwks: &Jwks, format: KeyFormat) -> Vec<VerificationKey> {
        let Jwks { file: _, url: _, refresh, stale_if_error, cache_file, ca, insecure_http } = jwks;
        let of_url = [
            ("refresh", refresh.is_some()),
            ("stale_if_error", stale_if_error.is_some()),
            ("cache_file", cache_file.is_some()),
            ("ca", ca.is_some()),
            ("insecure_http", *insecure_http),
        ];
        for (key, _) in of_url.into_iter().filter(|(_, written)| *written) {
            let message = format!("has no effect on a {} from a `file`, only on one from a `url`", format.name());
            self.diagnostics.add(at.key(key), Issue::error("url-setting-unused", message, "leave it out"));
        }
        let read = self.loader.read_file(file, MAX_JWKS_BYTES);
        // An unusable key does not prevent the use of the others (RFC 7517 §5), and is a warning.
        let keys = read.and_then(|(text, origin)| match format.parse(&text) {
            Ok(set) => Ok(set.into_parts().0),
            Err(error) => {
                Err(Issue::parse("jwks-unusable", format!("{origin} is not a usable {}: {error}", format.name())))
            }
        });
        self.diagnostics.ok_or_report(&at.key("file"), keys).unwrap_or_default()
    }

    fn url(&mut self, at: &Path, url: &str, jwks: &Jwks, format: KeyFormat) -> Option<RemoteJwks> {
        let Jwks { file: _, url: _, refresh, stale_if_error, cache_file, ca, insecure_http } = jwks;
        let manner = Manner {
            refresh: refresh.as_ref(),
            stale_if_error: stale_if_error.as_ref(),
            cache_file: cache_file.as_ref(),
            ca: ca.as_ref(),
            plain: plain(*insecure_http),
        };
        let url = FetchUrl::parse(url, manner.plain).map_err(invalid_url);
        let location = self.diagnostics.ok_or_report(&at.key("url"), url).map(|url| format.at(url));
        self.provider(at, location, &manner)
    }

    fn oidc(&mut self, at: &Path, oidc: &Oidc) -> Option<RemoteJwks> {
        let none =
            Manner { refresh: None, stale_if_error: None, cache_file: None, ca: None, plain: AllowInsecure::Loopback };
        let (issuer, issuer_at, manner) = match oidc {
            Oidc::Issuer(issuer) => (issuer, at.clone(), none),
            Oidc::Provider(provider) => {
                let OidcProvider { issuer, refresh, stale_if_error, cache_file, ca, insecure_http } = provider;
                let manner = Manner {
                    refresh: refresh.as_ref(),
                    stale_if_error: stale_if_error.as_ref(),
                    cache_file: cache_file.as_ref(),
                    ca: ca.as_ref(),
                    plain: plain(*insecure_http),
                };
                (issuer, at.key("issuer"), manner)
            }
        };
        let location = self.diagnostics.ok_or_report(&issuer_at, self.discovery(issuer, manner.plain));
        self.provider(at, location, &manner)
    }

    /// Checks that an issuer is a URL without a query (OpenID Connect Discovery 1.0 §3), and that of the tokens.
    fn discovery(&self, issuer: &str, plain: AllowInsecure) -> Result<Location, Issue> {
        let url = FetchUrl::parse(issuer, plain).map_err(invalid_url)?;
        if url.has_query() {
            let message = "the value (not shown) has a query, which no OpenID issuer has";
            return Err(Issue::error("issuer-with-query", message, "leave out what follows `?`"));
        }
        let Some(of_tokens) = self.issuer else {
            let message = "is an OpenID provider, whose tokens have an issuer, and this authenticator ignores it";
            return Err(Issue::error("oidc-without-issuer", message, "write `issuer`, or `jwks` instead of `oidc`"));
        };
        if issuer != of_tokens {
            let message = format!("is not the `issuer` of the tokens, which is {}", Quoted::new(of_tokens));
            return Err(Issue::error("issuer-mismatch", message, "write both with the same characters"));
        }
        let discovery = url.join(WELL_KNOWN, plain).map_err(invalid_url)?;
        Ok(Location::Oidc { issuer: issuer.into(), discovery })
    }

    fn provider(&mut self, at: &Path, location: Option<Location>, manner: &Manner<'_>) -> Option<RemoteJwks> {
        let Manner { refresh, stale_if_error, cache_file, ca, plain } = manner;
        let or = |text: Option<&String>, unset: &str| text.map_or_else(|| unset.to_owned(), Clone::clone);
        let span = DurationRange { least: ("1s", 1_000), most: ("1d", 86_400_000) };
        let refresh = span.read(&at.key("refresh"), Some(&or(*refresh, REFRESH)), self.diagnostics);
        let span = DurationRange { least: ("1s", 1_000), most: ("30d", 2_592_000_000) };
        let stale_text = or(*stale_if_error, STALE_IF_ERROR);
        let stale_if_error = span.read(&at.key("stale_if_error"), Some(&stale_text), self.diagnostics);
        if stale_if_error < refresh.saturating_mul(2) && !stale_if_error.is_zero() {
            // Otherwise keys would expire between two successful requests.
            let message = format!(
                "{} is less than twice `refresh`, so that one failed request would remove the keys",
                Quoted::new(&stale_text)
            );
            let issue = Issue::error("stale-before-refresh", message, "write a longer time");
            self.diagnostics.add(at.key("stale_if_error"), issue);
        }
        let roots = roots(self.loader, ca.map(PathBuf::as_path));
        let roots = self.diagnostics.ok_or_report(&at.key("ca"), roots);
        let cache_file = cache_file.map(|file| self.loader.path(file));
        let provider =
            Provider { location: location?, plain: *plain, trust_anchors: roots?, refresh, stale_if_error, cache_file };
        let file_taken = |other: &KeySource| {
            other.provider != provider
                && other.provider.cache_file.is_some()
                && other.provider.cache_file == provider.cache_file
        };
        if self.sources.iter().any(file_taken) {
            let message = "another provider has this cache file, too";
            self.diagnostics
                .add(at.key("cache_file"), Issue::error("cache-file-duplicate", message, "name another file"));
        }
        let keys = RemoteJwks::default();
        self.sources.push(KeySource { keys: keys.clone(), provider });
        Some(keys)
    }
}

/// Returns the authorities of a file, or the public ones if there is no file.
pub(in crate::config::validate) fn roots(loader: &SecretLoader, ca: Option<&StdPath>) -> Result<TrustAnchors, Issue> {
    let Some(file) = ca else { return Ok(TrustAnchors::public()) };
    let (text, origin) = loader.read_file(file, MAX_CA_BYTES)?;
    TrustAnchors::from_pem(&text).map_err(|error| Issue::parse("ca-unusable", format!("{origin} {error}")))
}

fn replaced(keys: &EphemeralKeys, algorithm: Algorithm) -> Result<VerificationKey, Issue> {
    let key = keys.signing(algorithm).and_then(|key| key.verification_key());
    key.map_err(|error| Issue::parse("signing-key-unusable", format!("a key can't be generated for this run: {error}")))
}

/// Returns the machines to which plain HTTP is allowed.
pub(super) const fn plain(insecure_http: bool) -> AllowInsecure {
    if insecure_http { AllowInsecure::Anywhere } else { AllowInsecure::Loopback }
}

/// Returns the error about an unusable key.
pub(in crate::config::validate) fn unusable_key(origin: &str, error: &KeyError) -> Issue {
    Issue::parse("key-unusable", format!("{origin} does not hold a usable key: {error}"))
}

/// Returns the error about a URL. The message does not show it, because it may hold a password.
pub(super) fn invalid_url(error: UrlError) -> Issue {
    Issue::parse("url-invalid", format!("the value (not shown) {error}"))
}

/// Checks that no two issuers share a key: the holder of its private half could sign for both, and `iss` would prove nothing.
///
/// Authenticators of one issuer may share keys: they have the same signer.
pub(in crate::config::validate) fn unshared(
    list: &[Authenticator],
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) {
    if loader.replaces_keys() {
        return;
    }
    let of_tokens = || list.iter().enumerate().filter_map(|(number, one)| Some((number, one.as_jwt()?)));
    for (number, one) in of_tokens() {
        let before = of_tokens().take_while(|(other, _)| *other < number).map(|(_, other)| other);
        let mut others = before.filter(|other| other.issuer != one.issuer);
        let Some((other, fingerprint)) = others.find_map(|other| Some((other, shared(one, other)?))) else { continue };
        let at = Path::root("authenticators").position(number).key("jwt").key("keys");
        diagnostics.add(at, key_shared(fingerprint, other));
    }
}

/// Returns the error about a key of another issuer's authenticator.
pub(in crate::config::validate) fn key_shared(key: Fingerprint, of: &JwtAuthenticator) -> Issue {
    let issuer =
        of.issuer().map_or_else(|| "any issuer".to_owned(), |issuer| format!("issuer {}", Quoted::new(issuer)));
    let name = Quoted::new(of.name.as_str());
    let message = format!(
        "authenticator {name} of {issuer} has the key {key}, too, so that the holder of one could sign for both issuers"
    );
    Issue::error("key-shared", message, "remove the key where it is not the issuer's own")
}

/// Returns a key that both have. `None` if there is none.
fn shared(one: &JwtAuthenticator, other: &JwtAuthenticator) -> Option<Fingerprint> {
    let of_other =
        |key: &&VerificationKey| other.keys.static_keys.keys().iter().any(|known| known.same_key_material(key));
    one.keys.static_keys.keys().iter().find(of_other).map(VerificationKey::fingerprint)
}
