//! The headers of an allowed response: every governed one, each once, whichever rule decided; and headers that no proxy could remove.

use super::client::{Client, PROXIES, Reply, Told};
use super::{CONFIG, credential, sidecar};
use crate::decisions::counters::Counters;
use crate::support::Sidecar;
use modgud::forward_auth::Proxy;
use std::collections::{BTreeMap, BTreeSet};

const IDENTITY: [&str; 4] = ["x-core-user-uuid", "x-organization-uuid", "x-scope", "x-username"];

/// Headers of a response that are no governed ones.
const OTHERS: [&str; 3] = ["content-length", "x-modgud-headers", "x-envoy-auth-headers-to-remove"];

/// The governed headers of [`CONFIG`], in order.
fn expected(proxy: Proxy) -> Vec<&'static str> {
    let hidden: &[&str] = match proxy {
        Proxy::Envoy => &[],
        Proxy::Nginx | Proxy::Haproxy => &["x-original-host", "x-original-method", "x-original-uri"],
        Proxy::Traefik => &["x-forwarded-method", "x-forwarded-uri", "x-real-ip"],
        Proxy::Caddy => &["x-forwarded-method", "x-forwarded-uri"],
    };
    let all: BTreeSet<&str> = IDENTITY.iter().chain(hidden).copied().chain(["authorization"]).collect();
    all.into_iter().collect()
}

fn names(reply: &Reply) -> Vec<&str> {
    let mut names: Vec<&str> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.retain(|name| !OTHERS.contains(name));
    names.sort_unstable();
    names
}

#[tokio::test]
async fn every_governed_header_is_in_every_allowed_response() {
    let credential = credential();
    for proxy in PROXIES {
        let sidecar = sidecar(proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        for (target, headers, user, authorization) in [
            ("/site/a", &[][..], "", ""),
            ("/site/a", &[("Authorization", "Basic YTpi")], "", "Basic YTpi"),
            ("/site/a", &[("X-Core-User-UUID", "forged"), ("x-username", "forged")], "", ""),
            ("/crm/", &[("Authorization", credential.as_str())], "fd76ce0c-d8be-4aa6-91ed-59e698f6af60", &credential),
            (
                "/crm/",
                &[("Authorization", credential.as_str()), ("x-core-user-uuid", "forged")],
                "fd76ce0c-d8be-4aa6-91ed-59e698f6af60",
                &credential,
            ),
        ] {
            let reply = client.ask(&Told::new("GET", target, headers).bytes(proxy)).await;
            assert_eq!((reply.status, reply.body.as_slice()), (200, &b""[..]), "{}: {target}", proxy.name());
            assert_eq!(names(&reply), expected(proxy), "{}: {target}", proxy.name());
            assert_eq!(reply.header("x-core-user-uuid"), Some(user), "{}: {target}", proxy.name());
            assert_eq!(reply.header("authorization"), Some(authorization), "{}: {target}", proxy.name());
            for hidden in expected(proxy)
                .into_iter()
                .filter(|name| name.starts_with("x-original") || name.starts_with("x-forwarded"))
            {
                assert_eq!(reply.header(hidden), Some(""), "{}: {hidden}", proxy.name());
            }
            let list = (proxy == Proxy::Haproxy).then(|| expected(proxy).join(", "));
            assert_eq!(reply.header("x-modgud-headers"), list.as_deref());
            let empty: Vec<&str> = expected(proxy).into_iter().filter(|name| reply.header(name) == Some("")).collect();
            let gone = (proxy == Proxy::Envoy && !empty.is_empty()).then(|| empty.join(","));
            assert_eq!(reply.header("x-envoy-auth-headers-to-remove"), gone.as_deref(), "{target}");
        }
    }
}

/// A denial has none of them: nothing of a caller is in it.
#[tokio::test]
async fn no_governed_header_is_in_a_denial() {
    let credential = credential();
    for proxy in PROXIES {
        let sidecar = sidecar(proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        for (target, headers) in
            [("/crm/", &[][..]), ("/closed", &[("Authorization", credential.as_str()), ("x-username", "forged")])]
        {
            let reply = client.ask(&Told::new("GET", target, headers).bytes(proxy)).await;
            let found: BTreeSet<&str> = names(&reply).into_iter().collect();
            let both: Vec<&str> = expected(proxy).into_iter().filter(|name| found.contains(name)).collect();
            assert!(reply.status >= 400 && both.is_empty(), "{}: {target}: {reply:?}", proxy.name());
        }
    }
}

/// Another spelling of a governed header, what `upstream.strip` matches, and headers that move a request: no exact name covers them.
#[tokio::test]
async fn a_header_that_the_proxy_would_hand_on_is_a_bad_request() {
    const FORGED: [&str; 10] = [
        "x_core_user_uuid",
        "X.Core.User.UUID",
        "x-core-anything",
        "x-organization-name",
        "X_Username",
        "SCRIPT_NAME",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "Forwarded",
        "Remote-User",
    ];
    let credential = credential();
    for proxy in PROXIES {
        let sidecar = sidecar(proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        for forged in FORGED {
            for (target, own) in [("/site/a", "Basic YTpi"), ("/crm/", credential.as_str())] {
                let told = Told::new("GET", target, &[("Authorization", own), (forged, "forged")]);
                let reply = client.ask(&told.bytes(proxy)).await;
                match proxy {
                    Proxy::Envoy => {
                        assert_eq!(reply.status, 200, "{forged}");
                        let gone = reply.header("x-envoy-auth-headers-to-remove").unwrap();
                        assert!(gone.split(',').any(|name| name == forged.to_ascii_lowercase()), "{forged}: {gone}");
                    }
                    Proxy::Nginx => {
                        let found = (reply.status, reply.header("x-modgud-status"));
                        assert_eq!(found, (403, Some("400")), "{forged}: {target}");
                    }
                    Proxy::Traefik | Proxy::Caddy | Proxy::Haproxy => {
                        assert_eq!(reply.status, 400, "{}: {forged}: {target}", proxy.name());
                    }
                }
            }
        }
    }
}

/// The reason is in the counts and in the log, not only in the status.
#[tokio::test]
async fn a_response_that_can_not_be_carried_out_is_counted_as_malformed() {
    let sidecar = sidecar(Proxy::Caddy).await;
    let mut client = Client::connect(sidecar.http()).await;
    let before = Counters::read(&sidecar).await;
    let reply = client.ask(&Told::new("GET", "/site/a", &[("x_username", "forged")]).bytes(Proxy::Caddy)).await;
    assert_eq!(reply.status, 400);
    assert_eq!(Counters::read(&sidecar).await.reasons_since(&before), ["request_malformed"]);
}

const PLACES: &str = "
profile: none
server: { deadline: 10s }
fallback: authenticated
authenticators:
  - name: login
    from: [{ header: authorization, schemes: [DPoP, Bearer] }, { header: x-token }, { cookie: session }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }] }
rules:
  - { name: site, match: { paths: ['/site'] }, access: public }
upstream: { headers: { x-user: { claim: username } }, credential: CREDENTIAL }
";

async fn places(credential: &str, proxy: Proxy) -> Sidecar {
    // Bearer and DPoP in one place need a proof in one of them, which is another table's.
    let yaml = PLACES.replace("CREDENTIAL", credential).replace("[DPoP, Bearer]", "[Bearer]");
    Sidecar::for_proxy(&yaml, &BTreeMap::new(), proxy).await
}

/// A credential leaves its place as over gRPC; elsewhere and on a public path it comes back as it was.
#[tokio::test]
async fn credentials_are_governed_wherever_they_may_be() {
    let token = crate::support::token();
    let bearer = format!("Bearer {token}");
    let cookie = format!("a=1; session={token}; b=2");
    let alone = format!("session={token}");
    for proxy in PROXIES {
        let sidecar = places("remove", proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        for (target, headers, authorization, raw, cookies) in [
            ("/a", &[("Authorization", bearer.as_str()), ("Cookie", "a=1")][..], "", "", "a=1"),
            ("/a", &[("X-Token", token.as_str())], "", "", ""),
            ("/a", &[("Cookie", cookie.as_str())], "", "", "a=1; b=2"),
            ("/a", &[("Cookie", alone.as_str())], "", "", ""),
            ("/site", &[("Authorization", "any"), ("X-Token", "any"), ("Cookie", "a=1")], "any", "any", "a=1"),
            ("/site", &[("Cookie", "a=1"), ("Cookie", "b=2")], "", "", "a=1; b=2"),
        ] {
            let reply = client.ask(&Told::new("GET", target, headers).bytes(proxy)).await;
            let found = ["authorization", "x-token", "cookie"].map(|name| reply.header(name));
            assert_eq!(reply.status, 200, "{}: {target} {headers:?}: {reply:?}", proxy.name());
            assert_eq!(found, [Some(authorization), Some(raw), Some(cookies)], "{}: {headers:?}", proxy.name());
        }
        // Two values of a header that is left alone: no response could give them back.
        let reply = client.ask(&Told::new("GET", "/site", &[("X-Token", "a"), ("X-Token", "b")]).bytes(proxy)).await;
        let expected = match proxy {
            // It leaves alone what the response does not name.
            Proxy::Envoy => (200, None),
            Proxy::Nginx => (403, None),
            Proxy::Traefik | Proxy::Caddy | Proxy::Haproxy => (400, None),
        };
        assert_eq!((reply.status, reply.header("x-token")), expected, "{}", proxy.name());
    }
}

/// With `keep`, modgud changes no credential, and no response has one.
#[tokio::test]
async fn a_kept_credential_is_not_governed() {
    let bearer = format!("Bearer {}", crate::support::token());
    for proxy in PROXIES {
        let sidecar = places("keep", proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        let reply =
            client.ask(&Told::new("GET", "/a", &[("Authorization", &bearer), ("Cookie", "a=1")]).bytes(proxy)).await;
        assert_eq!((reply.status, reply.header("x-user")), (200, Some("admin")), "{}", proxy.name());
        for name in ["authorization", "cookie", "x-token"] {
            assert_eq!(reply.header(name), None, "{}: {name}", proxy.name());
        }
    }
}

/// A reload that governs another header says so: the proxy's own configuration names them.
#[tokio::test]
async fn the_headers_are_those_of_the_active_configuration() {
    let sidecar = sidecar(Proxy::Caddy).await;
    let mut client = Client::connect(sidecar.http()).await;
    let told = Told::new("GET", "/site/a", &[]).bytes(Proxy::Caddy);
    assert_eq!(client.ask(&told).await.header("x-more"), None);
    let more = format!("{CONFIG}upstream: {{ headers: {{ x-more: {{ claim: more }} }} }}\n");
    std::fs::write(sidecar.folder().join("modgud.yaml"), more).unwrap();
    sidecar.reload();
    let replaced = async { while client.ask(&told).await.header("x-more") != Some("") {} };
    tokio::time::timeout(super::client::PATIENCE, replaced).await.unwrap();
}
