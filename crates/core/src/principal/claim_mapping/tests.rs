//! What a mapping finds in claims.

use super::{ClaimMapping, RoleSource};
use crate::jose::Claims;
use crate::principal::ResolvedIdentity;
use crate::principal::{ClaimPath, Identity, NullStrings, PermissionScope, Principal, RolePermissions};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn claimed(claims: Value) -> Result<Identity, String> {
    let path = |text| ClaimPath::parse(text).unwrap();
    let mapping = ClaimMapping {
        subject: Some(path("sub")),
        organization: Some(path("org.id")),
        roles: RoleSource::FirstOf(vec![path("roles"), path("role")]),
        permissions: vec![path("permissions"), path("scope")],
        scopes: vec![path("scope"), path("scp")],
        grants: Arc::new(RolePermissions::new([("reader", vec!["read", "list"]), ("root", vec!["*"])])),
        null_strings: Arc::new(NullStrings::new(["None", ""])),
    };
    mapping.resolve(&Claims::from_json(claims)).map(Identity::from).map_err(|error| error.to_string())
}

fn read(claims: Value) -> Identity {
    claimed(claims).unwrap()
}

#[test]
fn roles_grant_permissions() {
    let may = |claims: Value, permission: &str| {
        let identity = read(claims.clone());
        Principal::of(claims, &identity, Arc::default()).identity().has_permission(permission)
    };
    assert!(may(json!({"roles": ["reader"]}), "list"));
    assert!(!may(json!({"roles": ["reader"]}), "write"));
    assert!(!may(json!({"roles": ["Reader"]}), "list"));
    assert!(may(json!({"roles": ["reader", "root"]}), "whatever"));
    assert_eq!(read(json!({"roles": "root"})).permission_scope, PermissionScope::All);
    assert!(!may(json!({"permissions": ["*"], "scope": "*"}), "write"), "only a role can grant everything");
    assert_eq!(read(json!({"roles": ["reader"], "scope": "read"})).permissions.len(), 2);
}

#[test]
fn granted_permissions_follow_those_of_the_token_once_each() {
    let found = read(json!({"roles": ["reader", "none", "reader"], "permissions": ["x", "list"], "scope": "x"}));
    let found: Vec<&str> = found.permissions.iter().map(|permission| &**permission).collect();
    assert_eq!(found, ["x", "list", "x", "read"]);
}

/// Compared one by one, the permissions of this token would take minutes.
#[test]
#[expect(clippy::disallowed_methods, reason = "measures the time that the work takes, and decides nothing by it")]
fn a_repeated_role_costs_no_more_than_one() {
    let granted: Vec<String> = (0..1_000).map(|number| format!("permission-{number}")).collect();
    let granted = granted.iter().map(String::as_str).collect();
    let grants = RolePermissions::new([("role", granted)]);
    let mut identity = ResolvedIdentity {
        roles: vec!["role"; 20_000],
        permissions: vec!["permission"; 20_000],
        ..ResolvedIdentity::default()
    };
    let started = Instant::now();
    grants.apply(&mut identity);
    assert_eq!(identity.permissions.len(), 21_000);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn an_identity_is_what_claims_of_the_right_type_say() {
    let texts = |list: &[&str]| list.iter().map(|text| Box::from(*text)).collect::<Vec<_>>();
    let found = read(json!({
        "sub": "u", "org": {"id": "o"}, "roles": ["a", "b"], "permissions": ["p:x"], "scope": "read  write"
    }));
    assert_eq!((found.subject.as_deref(), found.organization.as_deref()), (Some("u"), Some("o")));
    assert_eq!((found.roles, found.permissions), (texts(&["a", "b"]), texts(&["p:x", "read", "write"])));

    assert_eq!(found.scopes, texts(&["read", "write"]));
    assert_eq!(read(json!({"scope": ["a b"], "scp": "c"})).scopes, texts(&["a b", "c"]));
    assert_eq!(read(json!({"roles": "admin of all"})).roles, texts(&["admin of all"]));
    for nothing in [
        json!({}),
        json!({"sub": null, "org": null, "roles": null, "permissions": null, "scope": null, "scp": null}),
        json!({"sub": "None", "org": {"id": ""}, "roles": "", "permissions": "None", "scope": " "}),
        json!({"roles": [], "permissions": [], "scope": []}),
    ] {
        assert_eq!(read(nothing.clone()), Identity::default(), "{nothing}");
    }
}

/// An issuer that lists no roles grants none, whatever another claim holds.
#[test]
fn the_first_claim_of_roles_with_a_value_counts() {
    let roles = |claims: Value| claimed(claims).map(|found| found.roles);
    let texts = |list: &[&str]| Ok(list.iter().map(|text| Box::from(*text)).collect::<Vec<_>>());
    for (claims, expected) in [
        (json!({"role": "admin"}), texts(&["admin"])),
        (json!({"role": ["a", "b"]}), texts(&["a", "b"])),
        (json!({"roles": ["user"], "role": "admin"}), texts(&["user"])),
        (json!({"roles": [], "role": "admin"}), texts(&[])),
        (json!({"roles": null, "role": "admin"}), texts(&["admin"])),
        (json!({"roles": "", "role": "admin"}), texts(&["admin"])),
        (json!({"roles": "None", "role": "None"}), texts(&[])),
        (json!({"roles": "user", "role": 7}), texts(&["user"])),
    ] {
        assert_eq!(roles(claims.clone()), expected, "{claims}");
    }
    for claims in [json!({"roles": 7, "role": "admin"}), json!({"roles": [7], "role": "admin"})] {
        assert!(roles(claims.clone()).unwrap_err().starts_with("the claim `roles` "), "{claims}");
    }
    let granted = read(json!({"role": "root"})).permission_scope;
    assert_eq!(granted, PermissionScope::All, "it grants as `roles` does");
}

/// A claim of another type is an error that names the claim and both types, and never its value.
#[test]
fn an_identity_claim_of_another_type_is_an_error() {
    let others = [(json!(4711), "a number"), (json!(true), "`true` or `false`"), (json!({"id": "4711"}), "an object")];
    let list = (json!(["4711"]), "a list");
    for (path, claim) in [("sub", "sub"), ("org.id", "org")] {
        for (value, kind) in others.iter().chain([&list]) {
            let claims = if claim == "org" { json!({"org": {"id": value}}) } else { json!({ claim: value }) };
            let text = claimed(claims).unwrap_err();
            assert_eq!(text, format!("the claim `{path}` is {kind} instead of a text"));
        }
    }
    for claim in ["roles", "role", "permissions", "scope", "scp"] {
        for (value, kind) in &others {
            let text = claimed(json!({ claim: value })).unwrap_err();
            assert_eq!(text, format!("the claim `{claim}` is {kind} instead of a text or a list of texts"));
            let text = claimed(json!({ claim: ["a", value] })).unwrap_err();
            assert_eq!(text, format!("the claim `{claim}` has an item that is {kind} instead of a text"));
        }
        assert!(claimed(json!({ claim: [null] })).unwrap_err().ends_with("is `null` instead of a text"));
        assert!(claimed(json!({ claim: [["a"]] })).unwrap_err().ends_with("is a list instead of a text"));
        let text = claimed(json!({ claim: ["a", ""] })).unwrap_err();
        assert_eq!(text, format!("the claim `{claim}` has an empty item"));
    }
}

/// Otherwise rules, revocation and modules would see no organization, while a service finds one in the list.
#[test]
fn an_identity_claim_inside_a_value_that_is_no_object_is_an_error() {
    let path = |text| ClaimPath::parse(text).unwrap();
    let mapping = ClaimMapping {
        subject: Some(path("user.id")),
        organization: Some(path("org.of.id")),
        roles: RoleSource::FirstOf(vec![path("access.roles")]),
        permissions: vec![path("scope"), path("may.do")],
        scopes: vec![path("granted.scopes")],
        grants: Arc::default(),
        null_strings: Arc::new(NullStrings::new(["None"])),
    };
    let claimed = |claims: Value| {
        mapping.resolve(&Claims::from_json(claims)).map(Identity::from).map_err(|error| error.to_string())
    };
    for (value, kind) in [
        (json!([{"id": "closed"}]), "a list"),
        (json!("closed"), "a text"),
        (json!(4711), "a number"),
        (json!(false), "`true` or `false`"),
    ] {
        for claim in ["user", "org", "access", "may", "granted"] {
            let text = claimed(json!({ claim: value })).unwrap_err();
            assert!(text.starts_with(&format!("the claim `{claim}` is {kind} instead of an object")), "{text}");
        }
        let text = claimed(json!({"org": {"of": value}})).unwrap_err();
        assert!(text.starts_with(&format!("the claim `org.of` is {kind} instead of an object")), "{text}");
    }
    for none in [json!({}), json!({"org": null, "access": "None"}), json!({"org": {}}), json!({"org": {"of": null}})] {
        assert_eq!(claimed(none.clone()), Ok(Identity::default()), "{none}");
    }
}

/// Only spaces separate words (RFC 6749 §3.3); readers differ on a tab or a line break.
#[test]
fn permissions_and_scopes_are_split_at_spaces_only() {
    for text in
        ["read\twrite", "read\nwrite", "read\r\nwrite", "read\u{b}write", "read\u{a0}write", "read \u{2028}write", "\n"]
    {
        for claim in ["permissions", "scope", "scp"] {
            let error = claimed(json!({ claim: text })).unwrap_err();
            assert_eq!(error, format!("the claim `{claim}` has white space other than spaces between its words"));
        }
    }
    let found = read(json!({"scope": "  read   write "}));
    assert_eq!(found.scopes, [Box::from("read"), Box::from("write")]);
    // An item of a list is one word, as it is.
    assert_eq!(read(json!({"scope": ["read\twrite"]})).scopes, [Box::from("read\twrite")]);
}

/// Without a null string, an empty text is a role without a name.
#[test]
fn an_empty_role_is_an_error_unless_it_is_a_null_string() {
    let mapping = ClaimMapping {
        subject: None,
        organization: None,
        roles: RoleSource::FirstOf(vec![ClaimPath::parse("roles").unwrap()]),
        permissions: vec![ClaimPath::parse("scope").unwrap()],
        scopes: Vec::new(),
        grants: Arc::default(),
        null_strings: Arc::default(),
    };
    assert!(mapping.resolve(&Claims::from_json(json!({"roles": ""}))).is_err());
    let claims = Claims::from_json(json!({"scope": ""}));
    assert_eq!(mapping.resolve(&claims).map(Identity::from), Ok(Identity::default()));
}

/// The mapping of an issuer whose roles are the member names of an object.
fn members(claims: Value) -> Result<Vec<Box<str>>, String> {
    let mapping = ClaimMapping {
        subject: None,
        organization: None,
        roles: RoleSource::Members(ClaimPath::parse("access.api").unwrap()),
        permissions: Vec::new(),
        scopes: Vec::new(),
        grants: Arc::default(),
        null_strings: Arc::new(NullStrings::new(["None"])),
    };
    let claims = Claims::from_json(claims);
    let found = mapping.resolve(&claims).map(|identity| Identity::from(identity).roles);
    found.map_err(|error| error.to_string())
}

#[test]
fn member_names_are_roles() {
    let texts = |list: &[&str]| list.iter().map(|text| Box::from(*text)).collect::<Vec<_>>();
    let of = |api: Value| members(json!({"access": {"api": api}}));
    for (api, expected) in [
        (json!({"admin": {"roles": []}, "staff": {}}), texts(&["admin", "staff"])),
        (json!({"admin": true}), texts(&["admin"])),
        // As a claim does, a member without a value grants nothing.
        (json!({"admin": false, "owner": null, "staff": true}), texts(&["staff"])),
        // A name is one role, as it is: no part of it, and no letter in another case.
        (
            json!({"a b": true, "a.b": true, "ADMIN": true, "\u{430}dmin": true, "sub": true}),
            texts(&["ADMIN", "a b", "a.b", "sub", "\u{430}dmin"]),
        ),
        (json!({}), texts(&[])),
        (json!(null), texts(&[])),
        (json!("None"), texts(&[])),
    ] {
        let found = of(api.clone()).map(|mut found| {
            found.sort();
            found
        });
        assert_eq!(found, Ok(expected), "{api}");
    }
    assert_eq!(members(json!({})), Ok(Vec::new()));
}

#[test]
fn an_object_of_roles_with_another_form_is_an_error() {
    let of = |api: Value| members(json!({"access": {"api": api}})).unwrap_err();
    for (api, kind) in [
        (json!(["admin"]), "a list"),
        (json!("admin"), "a text"),
        (json!(1), "a number"),
        (json!(true), "`true` or `false`"),
    ] {
        assert_eq!(
            of(api),
            format!("the claim `access.api` is {kind} instead of an object whose member names are roles")
        );
    }
    for (value, kind) in
        [(json!("None"), "a text"), (json!(0), "a number"), (json!(["admin"]), "a list"), (json!([]), "a list")]
    {
        let text = of(json!({"admin": value}));
        assert_eq!(
            text,
            format!("the claim `access.api` has a member that is {kind} instead of an object, `true` or `false`")
        );
    }
    assert_eq!(of(json!({"": true})), "the claim `access.api` has an empty item");
    assert!(members(json!({"access": ["api"]})).unwrap_err().starts_with("the claim `access` is a list instead of"));
}

/// A user of too many groups is not a user of none (OpenID Connect Core §5.6.2).
#[test]
fn a_claim_at_another_source_is_an_error() {
    let names = json!({"roles": "src1"});
    let sources = json!({"src1": {"endpoint": "https://graph.example.com/groups"}});
    let text = "the claim `roles` has its value at another source, as `_claim_names` or `hasgroups` says";
    for claims in [
        json!({"_claim_names": names, "_claim_sources": sources}),
        json!({"_claim_names": names}),
        json!({"_claim_names": names, "roles": ["a-part"]}),
        json!({"_claim_names": names, "roles": null, "role": "admin"}),
        json!({"_claim_names": {"roles": null}}),
    ] {
        assert_eq!(claimed(claims.clone()).unwrap_err(), text, "{claims}");
    }
    for (name, claim) in
        [("sub", "sub"), ("org", "org.id"), ("role", "role"), ("permissions", "permissions"), ("scp", "scp")]
    {
        let error = claimed(json!({"_claim_names": {name: "src1"}})).unwrap_err();
        assert!(error.starts_with(&format!("the claim `{claim}` has its value at another source")), "{error}");
    }
    // `role` is not looked at.
    assert!(claimed(json!({"roles": ["user"], "_claim_names": {"role": "src1"}})).is_ok());
    // Of claims that the identity does not consist of, it makes no difference.
    for claims in [
        json!({"_claim_names": {"groups": "src1", "Roles": "src1", "org.id": "src1"}}),
        json!({"_claim_names": {}}),
        json!({"_claim_names": null}),
        json!({"_claim_sources": sources}),
        json!({"hasgroups": true}),
        json!({"claim_names": names}),
    ] {
        assert_eq!(claimed(claims.clone()), Ok(Identity::default()), "{claims}");
    }
    for names in [json!(["roles"]), json!("roles"), json!(1), json!(true)] {
        let error = claimed(json!({"_claim_names": names})).unwrap_err();
        assert!(error.starts_with("the claim `_claim_names` is "), "{error}");
    }
}

/// Microsoft Entra ID writes `hasgroups` into tokens that a browser gets in a URL.
#[test]
fn groups_that_a_token_only_mentions_are_an_error() {
    let mapping = ClaimMapping {
        subject: None,
        organization: None,
        roles: RoleSource::FirstOf(vec![ClaimPath::parse("groups").unwrap()]),
        permissions: Vec::new(),
        scopes: Vec::new(),
        grants: Arc::default(),
        null_strings: Arc::default(),
    };
    let good = |claims: Value| mapping.resolve(&Claims::from_json(claims)).is_ok();
    for value in [json!(true), json!("true"), json!(1), json!("false"), json!({})] {
        assert!(!good(json!({"hasgroups": value})), "{value}");
        assert!(!good(json!({"hasgroups": value, "groups": []})), "{value}");
    }
    for value in [json!(false), json!(null)] {
        assert!(good(json!({"hasgroups": value})), "{value}");
    }
    assert!(!good(json!({"_claim_names": {"groups": "src1"}})));
    assert!(good(json!({"groups": ["a"]})));
}
