//! Tokens that were verified before a reload: they are known afterwards, and judged by the new configuration at once.

use super::changing::Changing;
use crate::decisions::PATIENT;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, KEY, check, claims};
use serde_json::json;

/// A token with two claims that could be roles.
fn token() -> String {
    let mut claims = claims();
    claims.push(("groups".to_owned(), json!(["staff"])));
    claims.push(("teams".to_owned(), json!(["admin"])));
    KEY.sign(&claims).unwrap()
}

/// The configuration that finds roles in this claim, and requires this one.
fn requiring(claim: &str, role: &str) -> String {
    format!(
        "{PATIENT}principal: {{ roles: {claim} }}\n\
         rules: [{{ name: crm, match: {{ paths: ['/crm/{{*rest}}'] }}, require: {{ roles: [{role}] }} }}]\n"
    )
}

/// The status of a denial, or `None`, and whether the token was in the cache.
async fn ask(changing: &mut Changing, token: &str) -> (Option<u16>, bool) {
    const HITS: &str = "modgud_token_cache_hits_total";
    const MISSES: &str = "modgud_token_cache_misses_total";
    let before = Counters::read(&changing.sidecar).await;
    let value = format!("JWT {token}");
    let answer = changing.ask(check(Encoding::Raw, "GET", "/crm/a", &[("authorization", value.as_bytes())])).await;
    let after = Counters::read(&changing.sidecar).await;
    let [hits, misses] = [HITS, MISSES].map(|name| after.get(name) - before.get(name));
    assert_eq!(hits + misses, 1, "one look-up");
    let status = match answer {
        Answer::Allow { .. } => None,
        Answer::Deny { status, .. } => Some(status),
    };
    (status, hits == 1)
}

#[tokio::test]
async fn another_claim_of_roles_judges_a_cached_token_at_once() {
    let mut changing = Changing::start(&requiring("groups", "staff")).await;
    let token = token();
    assert_eq!(ask(&mut changing, &token).await, (None, false));
    assert_eq!(ask(&mut changing, &token).await, (None, true));

    changing.write("modgud.yaml", &requiring("teams", "staff"));
    changing.accepted().await;
    assert_eq!(ask(&mut changing, &token).await, (Some(403), false), "its roles are of another claim now");
    assert_eq!(ask(&mut changing, &token).await, (Some(403), true));

    changing.write("modgud.yaml", &requiring("groups", "staff"));
    changing.accepted().await;
    assert_eq!(ask(&mut changing, &token).await, (None, false));
}

#[tokio::test]
async fn a_cached_token_stays_known_and_is_judged_by_the_rules_of_now() {
    let mut changing = Changing::start(&requiring("groups", "staff")).await;
    let token = token();
    assert_eq!(ask(&mut changing, &token).await, (None, false));

    changing.write("modgud.yaml", &requiring("groups", "admin"));
    changing.accepted().await;
    assert_eq!(ask(&mut changing, &token).await, (Some(403), true));

    changing.write("modgud.yaml", &requiring("groups", "staff"));
    changing.accepted().await;
    assert_eq!(ask(&mut changing, &token).await, (None, true));

    changing.write(
        "modgud.yaml",
        &format!(
            "{}server: {{ deadline: 10s, token_cache: 1MiB }}\n",
            requiring("groups", "staff").replace("server: { deadline: 10s }\n", "")
        ),
    );
    changing.accepted().await;
    assert_eq!(ask(&mut changing, &token).await, (None, false), "a cache of another size is a new one");
}
