//! One token, changed at every byte, one byte at a time.

use super::tokens::{claims, jwt, sign};
use super::{ask, body, detail, testbed};
use modgud_testbed::Setup;
use std::sync::Arc;
use tokio::task::JoinSet;

/// How many clients send at once.
const CLIENTS: usize = 8;

#[tokio::test]
async fn a_token_with_one_byte_changed_is_rejected() {
    let testbed = testbed(Setup::default()).await;
    let gateway = testbed.gateway;
    let token: Arc<str> = sign(&testbed.key, &claims()).into();
    assert_eq!(ask(gateway, "GET", "/crm/", &[jwt(&token)]).await.status, 200, "unchanged it is good");

    let texts = ["Error decoding signature.", "Incorrect authentication credentials."].map(detail);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (token, texts) = (Arc::clone(&token), texts.clone());
        clients.spawn(async move {
            let mut sent = 0_usize;
            for at in (client..token.len()).step_by(CLIENTS) {
                let answer = ask(gateway, "GET", "/crm/", &[jwt(&changed(&token, at))]).await;
                assert_eq!(answer.status, 401, "changed at byte {at} of {token}");
                assert!(texts.contains(&body(&answer)), "changed at byte {at}: {}", body(&answer));
                sent += 1;
            }
            sent
        });
    }
    assert_eq!(clients.join_all().await.into_iter().sum::<usize>(), token.len(), "every byte had its turn");
    testbed.stop().await;
}

/// Another character of base64url, so that only the meaning is wrong; its lowest bit and others differ.
fn changed(token: &str, at: usize) -> String {
    let mut bytes = token.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}
