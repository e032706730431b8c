//! Asks a provider for its keys, once. Knows neither when nor what becomes of them.

use super::discovery::{self, DiscoveryError};
use super::source::{Location, Provider};
use crate::http_client::{FetchError, FetchRequest, HttpClient, Limits};
use bytes::Bytes;
use modgud_core::jose::{Jwks, JwksError, KeySet, KeySetError, SkippedKey};
use std::time::Duration;
use tokio::task::spawn_blocking;

/// What one question to a provider may cost.
const LIMITS: Limits = Limits { bytes: 512 * 1024, time: Duration::from_secs(5) };

/// Why a provider's keys could not be had. Texts name no address: whoever tells one names the provider.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The set could not be fetched.
    #[error("its keys can't be fetched: {0}")]
    Fetch(#[from] FetchError),
    /// The discovery document could not be fetched.
    #[error("its discovery document can't be fetched: {0}")]
    Discovery(FetchError),
    /// The discovery document leads nowhere.
    #[error(transparent)]
    Document(#[from] DiscoveryError),
    /// What was fetched is no set, or has no key that can be used.
    #[error("its keys can't be used: {0}")]
    Jwks(#[from] JwksError),
    /// The set has more keys than can be told apart.
    #[error("its keys can't be used: {0}")]
    Set(#[from] KeySetError),
    /// modgud failed inside.
    #[error("modgud failed inside while it read its keys")]
    Internal,
}

/// The text of the provider's set, of at most 512 KiB, in at most five seconds for each of the one or two questions.
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

/// Reads a set. Takes milliseconds when there are many keys: not on a thread that answers checks.
pub(super) async fn parse(text: Bytes) -> Result<(KeySet, Vec<SkippedKey>), KeysError> {
    let parsed = spawn_blocking(move || {
        let (keys, skipped) = Jwks::parse(&text)?.into_parts();
        Ok((KeySet::new(keys)?, skipped))
    });
    parsed.await.unwrap_or(Err(KeysError::Internal))
}
