//! A single fetch of a provider's JWKS.

use super::discovery::{self, DiscoveryError};
use super::source::{Location, Provider};
use crate::http_client::{FetchError, FetchRequest, HttpClient, Limits};
use bytes::Bytes;
use modgud_core::jose::{Jwks, JwksError, KeySet, KeySetError, SkippedKey};
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Limits of one request to a provider; beyond them the fetch fails.
const LIMITS: Limits = Limits { bytes: 512 * 1024, time: Duration::from_secs(5) };

/// Errors of fetching a JWKS. Texts name no URL, because their users name the provider.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The JWKS could not be fetched.
    #[error("its keys can't be fetched: {0}")]
    Fetch(#[from] FetchError),
    /// The discovery document could not be fetched.
    #[error("its discovery document can't be fetched: {0}")]
    Discovery(FetchError),
    /// The discovery document is invalid.
    #[error(transparent)]
    Document(#[from] DiscoveryError),
    /// The response is no JWKS, or has no usable key.
    #[error("its keys can't be used: {0}")]
    Jwks(#[from] JwksError),
    /// Keys of the JWKS are ambiguous.
    #[error("its keys can't be used: {0}")]
    Set(#[from] KeySetError),
    /// An internal error.
    #[error("modgud failed inside while it read its keys")]
    Internal,
}

/// Fetches the provider's JWKS, of at most 512 KiB, by one or two requests of at most five seconds each.
pub(super) async fn fetch(client: &HttpClient, provider: &Provider) -> Result<Bytes, KeysError> {
    let url = match &provider.location {
        Location::Jwks(url) => url.clone(),
        Location::Oidc { issuer, discovery: at } => {
            let document = client.ask(at, FetchRequest::Get, LIMITS).await.map_err(KeysError::Discovery)?;
            discovery::keys_of(issuer, &document, provider.plain)?
        }
    };
    Ok(client.ask(&url, FetchRequest::Get, LIMITS).await?)
}

/// Parses a JWKS. With many keys it takes milliseconds, so it runs off the threads that answer checks.
pub(super) async fn parse(text: Bytes) -> Result<(KeySet, Vec<SkippedKey>), KeysError> {
    let parsed = spawn_blocking(move || {
        let (keys, skipped) = Jwks::parse(&text)?.into_parts();
        Ok((KeySet::new(keys)?, skipped))
    });
    parsed.await.unwrap_or(Err(KeysError::Internal))
}
