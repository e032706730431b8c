//! A key that is gone verifies nothing any more, not even what it has verified before.

use super::changing::Changing;
use super::files::BY_FILE;
use crate::decisions::PATIENT;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, KEY, STRANGER, check, claims, token};
use std::fs::{self, remove_file};

/// A sidecar that knows [`KEY`] from the file `key.pem`.
async fn by_file() -> Changing {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), format!("{PATIENT}{BY_FILE}")).unwrap();
    fs::write(folder.path().join("key.pem"), KEY.public_pem().unwrap()).unwrap();
    Changing::of(folder).await
}

/// Why a token is refused; empty when it is not.
async fn reason(changing: &mut Changing, token: &str) -> String {
    let before = Counters::read(&changing.sidecar).await;
    let value = format!("JWT {token}");
    let answer = changing.ask(check(Encoding::Raw, "GET", "/crm/", &[("authorization", value.as_bytes())])).await;
    let reason = Counters::read(&changing.sidecar).await.reasons_since(&before).concat();
    let expected = if reason.is_empty() { None } else { Some(401) };
    assert_eq!(answer.status(), expected, "{reason}");
    reason
}

#[tokio::test]
async fn a_key_file_that_changes_alone_replaces_the_key() {
    let mut changing = by_file().await;
    let (old, new) = (token(), STRANGER.sign(&claims()).unwrap());
    for _ in 0..2 {
        assert_eq!(reason(&mut changing, &old).await, "");
    }
    let hits = Counters::read(&changing.sidecar).await.get("modgud_token_cache_hits_total");
    assert_eq!(hits, 1, "the token was in the cache");
    assert_eq!(reason(&mut changing, &new).await, "signature_invalid");

    changing.write("key.pem", &STRANGER.public_pem().unwrap());
    changing.accepted().await;
    assert_eq!(reason(&mut changing, &old).await, "signature_invalid");
    for _ in 0..2 {
        assert_eq!(reason(&mut changing, &new).await, "");
    }
    assert_eq!(reason(&mut changing, &old).await, "signature_invalid");
}

#[tokio::test]
async fn a_bad_or_missing_key_file_leaves_the_old_key() {
    let mut changing = by_file().await;
    let token = token();
    for bad in ["", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        changing.write("key.pem", bad);
        changing.refused().await;
        assert_eq!(reason(&mut changing, &token).await, "", "with {bad:?}");
    }
    remove_file(changing.path("key.pem")).unwrap();
    changing.refused().await;
    assert_eq!(reason(&mut changing, &token).await, "");
    changing.rename_over("key.pem", &STRANGER.public_pem().unwrap());
    changing.accepted().await;
    assert_eq!(reason(&mut changing, &token).await, "signature_invalid");
}

/// The configuration comes before the key file that it names.
#[tokio::test]
async fn a_key_file_that_comes_later_is_noticed() {
    let mut changing = Changing::start(PATIENT).await;
    let token = token();
    assert_eq!(reason(&mut changing, &token).await, "");
    changing.write("modgud.yaml", &format!("{PATIENT}{BY_FILE}"));
    changing.refused().await;
    assert_eq!(reason(&mut changing, &token).await, "");
    changing.write("key.pem", &STRANGER.public_pem().unwrap());
    changing.accepted().await;
    assert_eq!(reason(&mut changing, &token).await, "signature_invalid");
    assert_eq!(reason(&mut changing, &STRANGER.sign(&claims()).unwrap()).await, "");
}

#[tokio::test]
async fn what_changes_nothing_changes_nothing() {
    let mut changing = by_file().await;
    let token = token();
    for _ in 0..3 {
        assert_eq!(reason(&mut changing, &token).await, "");
        changing.sidecar.reload();
        changing.accepted().await;
    }
    assert_eq!(reason(&mut changing, &token).await, "");
}
