//! A good token with anything at all changed is never accepted, and always answered, on one connection.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use crate::decisions::PATIENT;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, Sidecar, check, claims, token};
use modgud::envoy::proto::AuthorizationClient;
use modgud_core::jose::{Algorithm, KeyType, SigningKey};
use tonic::transport::Channel;

/// Each this many positions, every bit is tried and not only one other character.
const SAMPLE: usize = 7;

/// The answer to a check with these bytes as its token.
async fn answer(client: &mut AuthorizationClient<Channel>, encoding: Encoding, token: &[u8]) -> Answer {
    let value = [b"JWT ", token].concat();
    let response = client.check(check(encoding, "GET", "/crm/", &[("authorization", &value)])).await;
    Answer::read(response.expect("a gRPC error for a check").into_inner()).unwrap()
}

/// Tries each of these tokens, and a good one before and after: the connection serves on.
async fn refused(tampered: Vec<(String, Vec<u8>)>) {
    refused_by(&Sidecar::with(PATIENT).await, &token(), tampered).await;
}

/// The same with a sidecar and a token of its own.
async fn refused_by(sidecar: &Sidecar, good: &str, tampered: Vec<(String, Vec<u8>)>) {
    let mut client = sidecar.client().await;
    assert_eq!(answer(&mut client, Encoding::Joined, good.as_bytes()).await.status(), None);
    let mut encodings = Encoding::ALL.into_iter().cycle();
    for (what, token) in &tampered {
        assert_ne!(token, good.as_bytes(), "{what}: nothing was changed");
        let encoding = encodings.next().unwrap();
        let found = answer(&mut client, encoding, token).await;
        assert_eq!(found.status(), Some(401), "{what} ({encoding:?}): {found:?}");
    }
    assert_eq!(answer(&mut client, Encoding::Raw, good.as_bytes()).await.status(), None);

    let counters = Counters::read(sidecar).await;
    assert_eq!(counters.decided("allowed"), 2);
    assert_eq!(counters.decided("denied"), u64::try_from(tampered.len()).unwrap());
    assert_eq!(counters.decided("unavailable"), 0);
}

/// The token with each of its bytes changed.
fn changed(good: &[u8]) -> Vec<(String, Vec<u8>)> {
    let tampered = good.iter().enumerate().map(|(at, byte)| {
        // Another character of the same alphabet, so that what is changed is the content wherever that is possible.
        let other = if *byte == b'A' { b'B' } else { b'A' };
        let token = good.iter().enumerate().map(|(place, byte)| if place == at { other } else { *byte }).collect();
        (format!("byte {at} changed from {:?} to {:?}", char::from(*byte), char::from(other)), token)
    });
    tampered.collect()
}

#[tokio::test]
async fn with_any_byte_changed() {
    refused(changed(token().as_bytes())).await;
}

/// Every bit is tried where the signature is checked; here, that no algorithm is wired up in another way than the first one.
#[tokio::test]
async fn with_any_byte_changed_whatever_the_algorithm() {
    for algorithm in Algorithm::ALL.iter().filter(|one| **one != Algorithm::Rs256 && one.key_type() != KeyType::Hmac) {
        let key = SigningKey::generate(*algorithm).unwrap();
        let pem = key.public_pem().unwrap().replace('\n', "\\n");
        let yaml = format!(
            "{PATIENT}authenticators: [{{ name: bifrost, from: [{{ header: authorization, schemes: [JWT] }}], jwt: {{ issuer: \
             bifrost, algorithms: [{}], keys: [{{ pem: {{ value: \"{pem}\" }} }}] }} }}]\n",
            algorithm.name()
        );
        let good = key.sign(&claims()).unwrap();
        refused_by(&Sidecar::with(&yaml).await, &good, changed(good.as_bytes())).await;
    }
}

#[tokio::test]
async fn with_any_bit_flipped() {
    let good = token().into_bytes();
    // The last characters of each part as well: there are the bits that belong to no byte.
    let ends = good.iter().enumerate().filter(|(_, byte)| **byte == b'.').flat_map(|(dot, _)| [dot - 1, dot, dot + 1]);
    let mut positions: Vec<usize> = (0..good.len()).step_by(SAMPLE).chain(ends).chain([good.len() - 1]).collect();
    positions.sort_unstable();
    positions.dedup();
    let flipped = positions.into_iter().flat_map(|at| (0..8).map(move |bit| (at, bit))).map(|(at, bit)| {
        let mut token = good.clone();
        token[at] ^= 1 << bit;
        (format!("bit {bit} of byte {at} flipped"), token)
    });
    refused(flipped.collect()).await;
}

#[tokio::test]
async fn with_any_byte_missing_or_twice() {
    let good = token().into_bytes();
    let cut = (0..good.len()).step_by(SAMPLE).map(|length| (format!("cut to {length}"), good[..length].to_vec()));
    let changed = (0..good.len()).step_by(SAMPLE).flat_map(|at| {
        let (mut without, mut twice) = (good.clone(), good.clone());
        without.remove(at);
        twice.insert(at, good[at]);
        [(format!("byte {at} missing"), without), (format!("byte {at} twice"), twice)]
    });
    refused(cut.chain(changed).collect()).await;
}
