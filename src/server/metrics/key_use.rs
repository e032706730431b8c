//! The metrics of keys that someone has to replace or remove: when they end, and when they were last used.

use crate::telemetry::metrics::{Labels, OTHER, encode};
use modgud_core::authn::{ApiKey, Authenticator};
use modgud_core::decide::Snapshot;
use modgud_core::time::Timestamp;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::Gauge;
use std::fmt;

/// What is shown of one key, or of all others.
struct KeyUse<'s> {
    authenticator: &'s str,
    key: &'s str,
    expires: Option<Timestamp>,
    last_use: Timestamp,
}

impl<'s> KeyUse<'s> {
    fn of(authenticator: &'s str, key: &'s ApiKey) -> Self {
        let expires = Some(key.expires).filter(|expires| *expires != Timestamp::NEVER);
        Self { authenticator, key: &key.id, expires, last_use: key.last_use.get() }
    }

    const fn labels(&self) -> Labels<'s, 2> {
        [("authenticator", self.authenticator), ("key", self.key)]
    }

    /// Returns the earliest end and the latest use of both.
    fn and(self, other: &Self) -> Self {
        let expires = self.expires.into_iter().chain(other.expires).min();
        Self { expires, last_use: self.last_use.max(other.last_use), ..self }
    }
}

/// Returns the API keys of a snapshot: the first ones in the order of the configuration, and all others as one, with the key `other`, the earliest
/// end and the latest use of them.
fn api_keys(snapshot: &Snapshot) -> Vec<KeyUse<'_>> {
    let all = snapshot.authenticators.list().iter().filter_map(Authenticator::as_api_key);
    let keys = all.flat_map(|one| one.keys.in_order().into_iter().map(|key| KeyUse::of(one.name.as_str(), key)));
    let (mut named, mut others) = (Vec::new(), None::<KeyUse<'_>>);
    for key in keys {
        // Two series must not have the same labels.
        if named.len() < usize::from(snapshot.named_series.api_keys) && key.key != OTHER {
            named.push(key);
            continue;
        }
        others = Some(match others {
            Some(others) => others.and(&key),
            None => KeyUse { authenticator: OTHER, key: OTHER, ..key },
        });
    }
    named.extend(others);
    named
}

/// Encodes the metrics of API keys, and of the key that signs minted tokens.
pub(super) fn encode_keys(snapshot: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let keys = api_keys(snapshot);
    let expiries = keys.iter().filter_map(|key| Some((key.labels(), key.expires?.as_secs())));
    let help = "Time from which an API key is rejected, in seconds since 1970; keys without an end have none";
    encode(encoder, "api_key_expiry_timestamp_seconds", help, Gauge, expiries)?;
    let uses = keys.iter().map(|key| (key.labels(), key.last_use.as_secs()));
    let help = "Time at which an API key, neither ended nor revoked, was last presented, in seconds since 1970; 0 if not since the start";
    encode(encoder, "api_key_last_use_timestamp_seconds", help, Gauge, uses)?;
    let minter = snapshot.upstream.forward.minter();
    let uses = minter.map(|minter| ([("mint", &*minter.mint().name)], minter.last_use().get().as_secs()));
    let help =
        "Time at which a token of a signing key was last passed on, in seconds since 1970; 0 if not since the start";
    encode(encoder, "signing_key_last_use_timestamp_seconds", help, Gauge, uses)
}
