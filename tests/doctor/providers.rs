//! Keys, authorization servers and clocks.

use super::{Examined, doctor, doctor_at, free};
use crate::cli::process::Serving;
use crate::support::KEY;
use modgud::clock::Clock;
use modgud_testbed::http::Exchange;
use modgud_testbed::idp::{Idp, IdpKey, Reply, jwk_set};
use rustix::process::Signal;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// The secret of an introspection client.
const CANARY: &str = "canary-5f1d";

/// The value of a `Date` that is off by so many seconds.
fn date(ahead: i64) -> String {
    let now = Clock::System.now().as_secs().checked_add_signed(ahead).unwrap();
    httpdate::fmt_http_date(UNIX_EPOCH.checked_add(Duration::from_secs(now)).unwrap())
}

/// A response of this body with such a `Date`.
fn dated(body: &str, ahead: i64) -> Reply {
    let date = date(ahead);
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    Reply::Raw(format!("{head}{body}").into_bytes())
}

/// Serves this configuration, and examines it with the file once modgud is ready.
async fn examine(yaml: &str, change: impl FnOnce()) -> Examined {
    examine_when(yaml, true, change).await
}

async fn examine_when(yaml: &str, is_ready: bool, change: impl FnOnce()) -> Examined {
    let folder = TempDir::new().unwrap();
    let yaml = format!("profile: none\nserver: {{ grpc: '{}', admin: '{}' }}\n{yaml}", free(), free());
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    fs::write(folder.path().join("secret"), CANARY).unwrap();
    let serving = Serving::start_at(folder.path(), "", &["--config", "modgud.yaml"]).await;
    if is_ready {
        let ready = async { while Exchange::get(serving.admin, "/readyz").await.unwrap().status != 200 {} };
        timeout(Duration::from_secs(20), ready).await.expect("modgud gets ready");
    }
    change();
    let examined = doctor(folder.path(), &[], &["--config", "modgud.yaml"]).await;
    serving.end(Signal::INT).await;
    assert!(!examined.text.contains(CANARY), "{}", examined.text);
    examined
}

fn jwt(idp: &Idp, leeway: &str) -> String {
    format!(
        "authenticators:\n  - name: idp\n    from: [{{ header: authorization, schemes: [Bearer] }}]\n    jwt:\n      issuer: idp\n      \
         algorithms: [RS256]\n      audiences: [api]\n      leeway: {leeway}\n      keys: [{{ jwks: {{ url: '{}' }} }}]\n",
        idp.url("/jwks")
    )
}

#[tokio::test]
async fn a_provider_is_examined_from_here_and_in_modgud() {
    let idp = Idp::start().await;
    idp.reply("/jwks", dated(&jwk_set(&[&IdpKey::new("a")]).to_string(), 0));
    let examined = examine(&jwt(&idp, "30s"), || {}).await;
    examined.expect(0, &[], &[], &[]);
    assert!(examined.seen("provider").ends_with("/jwks from here: 1 usable key"), "{}", examined.text);
    assert!(examined.seen("keys").starts_with("keys of idp in modgud, from http://"), "{}", examined.text);
    assert_eq!(examined.seen("clock").lines().count(), 2, "modgud's and the provider's: {}", examined.text);
}

#[tokio::test]
async fn a_provider_that_is_down_is_a_problem_from_here_while_modgud_has_its_keys() {
    let idp = Idp::start().await;
    idp.reply("/jwks", dated(&jwk_set(&[&IdpKey::new("a")]).to_string(), 0));
    let yaml = jwt(&idp, "30s");
    let examined = examine(&yaml, || idp.reply("/jwks", Reply::Close)).await;
    examined.expect(1, &["provider-fails"], &[], &[]);
    assert!(examined.seen("keys").contains(": 1 usable, fetched "), "{}", examined.text);
    // It has never answered.
    let examined = examine_when(&yaml, false, || {}).await;
    let problems = ["health-not-serving", "keys-none", "not-ready", "provider-fails"];
    assert!(problems.iter().all(|code| examined.codes("problem").contains(code)), "{}", examined.text);
    assert!(examined.seen("not-ready").contains("keys of idp"), "{}", examined.text);
}

#[tokio::test]
async fn a_provider_s_clock_may_differ_by_the_leeway() {
    let keys = jwk_set(&[&IdpKey::new("a")]).to_string();
    for (ahead, leeway, is_problem) in [(20, "30s", false), (20, "5s", true), (-20, "5s", true), (300, "30s", true)] {
        let idp = Idp::start().await;
        idp.reply("/jwks", dated(&keys, ahead));
        let examined = examine(&jwt(&idp, leeway), || {}).await;
        let problems: &[&str] = if is_problem { &["clock-of-provider"] } else { &[] };
        examined.expect(i32::from(is_problem), problems, &[], &[]);
        if is_problem {
            let side = if ahead > 0 { "ahead of modgud's" } else { "behind modgud's" };
            assert!(examined.seen("clock-of-provider").contains(side), "{}", examined.text);
        }
    }
    // Without a `Date` nothing is known.
    let idp = Idp::of(&[&IdpKey::new("a")]).await;
    examine(&jwt(&idp, "30s"), || {}).await.expect(4, &[], &[], &["clock-unknown"]);
}

#[tokio::test]
async fn authorization_servers_are_asked_about_a_random_token() {
    let idp = Idp::start().await;
    let yaml = format!(
        "authenticators:\n  - name: opaque\n    from: [{{ header: authorization, schemes: [Bearer] }}]\n    introspection:\n      url: '{}'\n      \
         client_id: modgud\n      client_secret: {{ file: secret }}\n      audiences: any\n",
        idp.url("/introspect")
    );
    idp.reply("/introspect", dated(r#"{"active": false}"#, 0));
    let examined = examine(&yaml, || {}).await;
    assert!(examined.codes("problem").is_empty(), "{}", examined.text);
    examined.seen("introspection-server");
    examined.seen("introspection");
    idp.reply("/introspect", dated(r#"{"active": true, "sub": "a"}"#, 0));
    let examined = examine(&yaml, || {}).await;
    assert_eq!(examined.codes("problem"), ["introspection-accepts-all"].into(), "{}", examined.text);
    idp.reply("/introspect", Reply::Close);
    let examined = examine(&yaml, || {}).await;
    assert_eq!(examined.codes("problem"), ["introspection-fails"].into(), "{}", examined.text);
}

/// Passes requests to modgud's admin interface on, as if its clock was an hour behind.
async fn behind(admin: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = Vec::new();
                while !read.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let head = String::from_utf8(read).unwrap();
                let answer = Exchange::get(admin, head.split(' ').nth(1).unwrap()).await.unwrap();
                let date = date(-3_600);
                let (status, length) = (answer.status, answer.body.len());
                let head = format!("HTTP/1.1 {status} X\r\ndate: {date}\r\ncontent-length: {length}\r\n\r\n");
                let _ = stream.write_all(&[head.as_bytes(), &answer.body].concat()).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_wrong_clock_of_modgud_is_a_problem() {
    let folder = TempDir::new().unwrap();
    let serving = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &[]).await;
    let admin = behind(serving.admin).await.to_string();
    let examined = doctor_at(&admin, &serving.grpc.to_string(), &[]).await;
    examined.expect(1, &["clock-of-modgud"], &[], &[]);
    assert!(examined.seen("clock-of-modgud").contains("behind this machine's"), "{}", examined.text);
    serving.end(Signal::INT).await;
}
