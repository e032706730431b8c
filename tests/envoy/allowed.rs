//! What a module gets when a request is let through.

use super::seen::Seen;
use super::tokens::{IDENTITY, claims, jwt, object, sign, with, without};
use super::{ask, testbed};
use modgud_testbed::Setup;
use serde_json::{Value, json};

#[tokio::test]
async fn the_module_decodes_the_minted_token_and_identity() {
    let testbed = testbed(Setup::default()).await;
    let minted = claims();
    let token = sign(&testbed.key, &minted);
    for scheme in ["JWT", "Bearer", "jwt", "BEARER"] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let target = "/crm/appointment/1/?q=a%20b&q=/../&%zz";
            let lines = [format!("Authorization: {scheme} {token}"), "Cookie: session=1".to_owned()];
            let answer = ask(testbed.gateway, method, target, &lines).await;
            assert_eq!(answer.status, 200, "{scheme} {method}");
            let seen = Seen::of(&answer);
            assert_eq!((seen.module.as_str(), seen.method.as_str()), ("crm", method));
            assert_eq!(seen.path, "/appointment/1/?q=a%20b&q=/../&%zz", "{scheme} {method}");
            assert_eq!(seen.decoded, object(&minted), "{scheme} {method}");
            assert_eq!(seen.values("authorization"), [format!("JWT {token}")], "{scheme} {method}");
            assert_eq!(seen.identity(), IDENTITY, "{scheme} {method}");
            assert!(seen.values("cookie").is_empty(), "cookies are the core service's");
        }
    }
    testbed.stop().await;
}

/// A claim without a value: no header, and not the client's either.
#[tokio::test]
async fn a_user_without_an_organization_has_no_organization_header() {
    let testbed = testbed(Setup::default()).await;
    let organization = |value: Value| with(claims(), "organization_uuid", value);
    let tokens = [
        ("no claim", without(claims(), "organization_uuid")),
        ("null", organization(Value::Null)),
        ("BiFrost's `None`", organization(json!("None"))),
        ("empty", organization(json!(""))),
        ("a line break", organization(json!("x\r\nx-core-user-uuid: intruder"))),
    ];
    // One that is no text would be read in two ways.
    let token = sign(&testbed.key, &organization(json!({"uuid": "x"})));
    assert_eq!(ask(testbed.gateway, "GET", "/crm/", &[jwt(&token)]).await.status, 401);
    for (name, claims) in tokens {
        let token = sign(&testbed.key, &claims);
        for spoofed in [None, Some("X-Organization-UUID: intruder".to_owned())] {
            let lines: Vec<String> = [jwt(&token)].into_iter().chain(spoofed).collect();
            let answer = ask(testbed.gateway, "GET", "/crm/", &lines).await;
            assert_eq!(answer.status, 200, "{name}");
            let seen = Seen::of(&answer);
            let expected: Vec<_> =
                IDENTITY.into_iter().filter(|(header, _)| *header != "x-organization-uuid").collect();
            assert_eq!(seen.identity(), expected, "{name}");
            assert_eq!(seen.decoded, object(&claims), "{name}");
        }
    }
    testbed.stop().await;
}
