//! Validates `keys` of an authenticator: reads the local ones, and collects the providers of the others.

use super::super::super::diagnostic::{Problem, Problems};
use super::super::super::ephemeral_keys::EphemeralKeys;
use super::super::super::path::Path;
use super::super::super::quoted::Quoted;
use super::super::super::raw::{Jwks, Key, Oidc, OidcProvider};
use super::super::super::secret_source::{MAX_JWKS_BYTES, SecretLoader};
use super::super::Span;
use crate::http_client::{AllowInsecure, FetchUrl, TrustAnchors};
use crate::jwks::{KeySource, Location, Provider, WELL_KNOWN};
use modgud_core::authn::{IssuerKeys, RemoteJwks};
use modgud_core::jose::{Algorithm, Jwks as Jwkset, KeyError, KeySet, VerificationKey};
use std::path::{Path as StdPath, PathBuf};

/// The maximum size of a file with authorities: 1 MiB. All authorities that browsers trust take 250 KiB. A larger file is an error.
const MAX_CA_BYTES: u64 = 1024 * 1024;

/// The default of `refresh`.
const REFRESH: &str = "5m";
/// The default of `stale_if_error`.
const STALE_IF_ERROR: &str = "24h";

/// The issuer and algorithms of the keys, and the lists for results.
pub(super) struct Context<'a> {
    pub(super) issuer: &'a str,
    pub(super) algorithms: &'a [Algorithm],
    pub(super) reader: &'a SecretLoader,
    pub(super) sources: &'a mut Vec<KeySource>,
    pub(super) problems: &'a mut Problems,
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
            self.problems.add(at.clone(), Problem::Empty("name at least one key, such as `pem: { file: issuer.pem }`"));
        }
        let mut keys = Vec::new();
        let mut remote = Vec::new();
        match self.reader.replaced() {
            // One key for each algorithm replaces all of them.
            Some(throw_away) => {
                let made = self.algorithms.iter().map(|algorithm| replaced(throw_away, *algorithm));
                for key in made.collect::<Vec<_>>() {
                    keys.extend(self.problems.take(at, key));
                }
            }
            None => {
                for (number, key) in list.iter().enumerate() {
                    self.key(&at.position(number), key, &mut keys, &mut remote);
                }
            }
        }
        let fixed = self.problems.take(at, KeySet::new(keys)).unwrap_or_default();
        IssuerKeys { static_keys: fixed, remote }
    }

    fn key(&mut self, at: &Path, key: &Key, keys: &mut Vec<VerificationKey>, remote: &mut Vec<RemoteJwks>) {
        match key {
            Key::Pem(source) => {
                let read = self.reader.read_pem(source).map_err(Problem::from);
                let key = read.and_then(|(text, origin)| self.serving(VerificationKey::from_pem(&text), origin));
                keys.extend(self.problems.take(&at.key("pem"), key));
            }
            Key::Secret(source) => {
                let read = self.reader.read_secret(source).map_err(Problem::from);
                let key =
                    read.and_then(|(text, origin)| self.serving(VerificationKey::from_secret(text.as_bytes()), origin));
                keys.extend(self.problems.take(&at.key("secret"), key));
            }
            Key::Jwks(jwks) => {
                let at = at.key("jwks");
                match (&jwks.file, &jwks.url) {
                    (Some(file), None) => keys.extend(self.jwks_file(&at, file, jwks)),
                    (None, Some(url)) => remote.extend(self.jwks_url(&at, url, jwks)),
                    (Some(_), Some(_)) | (None, None) => self.problems.add(at, Problem::JwksPlace),
                }
            }
            Key::Oidc(oidc) => remote.extend(self.oidc(&at.key("oidc"), oidc)),
        }
    }

    /// Restricts the key to the allowed algorithms. Any is allowed if none of the written ones is valid, which has a problem of its own.
    fn serving(&self, key: Result<VerificationKey, KeyError>, origin: String) -> Result<VerificationKey, Problem> {
        let allowed = if self.algorithms.is_empty() { Algorithm::ALL } else { self.algorithms };
        key.and_then(|key| key.restricted_to(allowed)).map_err(|fault| Problem::Key { origin, fault })
    }

    fn jwks_file(&mut self, at: &Path, file: &StdPath, jwks: &Jwks) -> Vec<VerificationKey> {
        let Jwks { file: _, url: _, refresh, stale_if_error, cache_file, ca, insecure_http } = jwks;
        let of_url = [
            ("refresh", refresh.is_some()),
            ("stale_if_error", stale_if_error.is_some()),
            ("cache_file", cache_file.is_some()),
            ("ca", ca.is_some()),
            ("insecure_http", *insecure_http),
        ];
        for (key, _) in of_url.into_iter().filter(|(_, written)| *written) {
            self.problems.add(at.key(key), Problem::OfUrlOnly);
        }
        let read = self.reader.read_file(file, MAX_JWKS_BYTES).map_err(Problem::from);
        // An unusable key does not prevent the use of the others (RFC 7517 §5), and is a warning.
        let keys = read.and_then(|(text, origin)| match Jwkset::parse(&text) {
            Ok(set) => Ok(set.into_parts().0),
            Err(fault) => Err(Problem::Jwks { origin, fault }),
        });
        self.problems.take(&at.key("file"), keys).unwrap_or_default()
    }

    fn jwks_url(&mut self, at: &Path, url: &str, jwks: &Jwks) -> Option<RemoteJwks> {
        let Jwks { file: _, url: _, refresh, stale_if_error, cache_file, ca, insecure_http } = jwks;
        let manner = Manner {
            refresh: refresh.as_ref(),
            stale_if_error: stale_if_error.as_ref(),
            cache_file: cache_file.as_ref(),
            ca: ca.as_ref(),
            plain: plain(*insecure_http),
        };
        let url = FetchUrl::parse(url, manner.plain).map_err(Problem::Url);
        let location = self.problems.take(&at.key("url"), url).map(Location::Jwks);
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
        let location = self.problems.take(&issuer_at, self.discovery(issuer, manner.plain));
        self.provider(at, location, &manner)
    }

    /// Checks that an issuer is a URL without a query (OpenID Connect Discovery 1.0 §3), and that of the tokens.
    fn discovery(&self, issuer: &str, plain: AllowInsecure) -> Result<Location, Problem> {
        let url = FetchUrl::parse(issuer, plain).map_err(Problem::Url)?;
        if url.has_query() {
            return Err(Problem::IssuerQuery);
        }
        if issuer != self.issuer {
            return Err(Problem::IssuerOther(Quoted::new(self.issuer)));
        }
        let discovery = url.join(WELL_KNOWN, plain).map_err(Problem::Url)?;
        Ok(Location::Oidc { issuer: issuer.into(), discovery })
    }

    fn provider(&mut self, at: &Path, location: Option<Location>, manner: &Manner<'_>) -> Option<RemoteJwks> {
        let Manner { refresh, stale_if_error, cache_file, ca, plain } = manner;
        let or = |text: Option<&String>, unset: &str| text.map_or_else(|| unset.to_owned(), Clone::clone);
        let span = Span { least: ("1s", 1_000), most: ("1d", 86_400_000) };
        let refresh = span.read(&at.key("refresh"), Some(&or(*refresh, REFRESH)), self.problems);
        let span = Span { least: ("1s", 1_000), most: ("30d", 2_592_000_000) };
        let stale_text = or(*stale_if_error, STALE_IF_ERROR);
        let stale_if_error = span.read(&at.key("stale_if_error"), Some(&stale_text), self.problems);
        if stale_if_error < refresh.saturating_mul(2) && !stale_if_error.is_zero() {
            // Otherwise keys would expire between two successful requests.
            self.problems.add(at.key("stale_if_error"), Problem::StaleBeforeRefresh(Quoted::new(&stale_text)));
        }
        let roots = roots(self.reader, ca.map(PathBuf::as_path));
        let roots = self.problems.take(&at.key("ca"), roots);
        let cache_file = cache_file.map(|file| self.reader.path(file));
        let provider =
            Provider { location: location?, plain: *plain, trust_anchors: roots?, refresh, stale_if_error, cache_file };
        let file_taken = |other: &KeySource| {
            other.provider != provider
                && other.provider.cache_file.is_some()
                && other.provider.cache_file == provider.cache_file
        };
        if self.sources.iter().any(file_taken) {
            self.problems.add(at.key("cache_file"), Problem::CacheFileTaken);
        }
        let keys = RemoteJwks::default();
        self.sources.push(KeySource { keys: keys.clone(), provider });
        Some(keys)
    }
}

/// Returns the authorities of a file, or the public ones if there is no file.
pub(super) fn roots(reader: &SecretLoader, ca: Option<&StdPath>) -> Result<TrustAnchors, Problem> {
    let Some(file) = ca else { return Ok(TrustAnchors::public()) };
    let (text, origin) = reader.read_file(file, MAX_CA_BYTES)?;
    TrustAnchors::from_pem(&text).map_err(|fault| Problem::Ca { origin, fault })
}

fn replaced(keys: &EphemeralKeys, algorithm: Algorithm) -> Result<VerificationKey, Problem> {
    Ok(keys.signing(algorithm).and_then(|key| key.verification_key())?)
}

/// Returns the machines to which plain HTTP is allowed.
pub(super) const fn plain(insecure_http: bool) -> AllowInsecure {
    if insecure_http { AllowInsecure::Anywhere } else { AllowInsecure::Loopback }
}
