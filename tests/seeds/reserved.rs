//! The fifteen names that documents 1 and 2 reserve: the core service has them, and no module can.

use super::{get, modgud, reached_a_module};
use crate::cli::process::{KEY_VARIABLE, run_in};
use crate::support::KEY;
use modgud_testbed::Testbed;
use modgud_testbed::http::Exchange;
use serde_json::json;
use std::fs;

/// What a caller gets at a reserved name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The core service, without a credential too.
    Public,
    /// The core service, with a valid credential.
    Caller,
    /// Nothing, until the operator opens it.
    Closed,
    /// The description of the API.
    Description,
}

/// One test for each name.
macro_rules! reserved_names {
    ($gateway:ident, $caller:expr) => {
        reserved_names! { $gateway, $caller,
            admin_is_reserved: "admin" Closed,
            oauth_is_reserved: "oauth" Public,
            health_check_is_reserved: "health_check" Public,
            docs_is_reserved: "docs" Description,
            complete_is_reserved: "complete" Public,
            disconnect_is_reserved: "disconnect" Public,
            static_is_reserved: "static" Public,
            graphql_is_reserved: "graphql" Caller,
            workflow_is_reserved: "workflow" Caller,
            core_is_reserved: "core" Caller,
            logicmodule_is_reserved: "logicmodule" Caller,
            user_is_reserved: "user" Caller,
            group_is_reserved: "group" Caller,
            milestone_is_reserved: "milestone" Caller,
            organization_is_reserved: "organization" Caller,
        }
    };
    ($gateway:ident, $caller:expr, $($test:ident: $name:literal $access:ident,)*) => {
        $(
            #[test]
            fn $test() {
                $gateway.test(async |gateway| {
                    $crate::seeds::reserved::check(
                        gateway,
                        $name,
                        $crate::seeds::reserved::Access::$access,
                        &$caller(gateway),
                    )
                    .await;
                });
            }
        )*
    };
}
pub(super) use reserved_names;

pub(super) async fn check(gateway: &Testbed, name: &str, access: Access, caller: &str) {
    for path in [format!("/{name}"), format!("/{name}/x/1")] {
        let (known, unknown) = (get(gateway, &path, &[caller]).await, get(gateway, &path, &[]).await);
        let core = |answer: &Exchange| (&answer.json()["module"], &answer.json()["path"]) == (&json!("core"), &json!(path));
        let denied = |answer: &Exchange, status| answer.status == status && !reached_a_module(answer);
        let expected = match access {
            Access::Public => core(&known) && core(&unknown),
            Access::Caller => core(&known) && denied(&unknown, 401),
            Access::Closed => denied(&known, 403) && denied(&unknown, 403),
            Access::Description => [&known, &unknown].iter().all(|answer| answer.status == 200 && !of_module(answer)),
        };
        assert!(expected, "{path}: {} and {}", known.status, unknown.status);
    }
    // A longer name is another one, and no service has it.
    assert_eq!(get(gateway, &format!("/{name}x"), &[caller]).await.status, 404);
    no_module_has(name).await;
    if access != Access::Description {
        no_operation_is_below(name).await;
    }
}

fn of_module(answer: &Exchange) -> bool {
    reached_a_module(answer) && answer.json()["module"] != "core"
}

/// `modgud check` rejects a module of this name, and one with this prefix.
async fn no_module_has(name: &str) {
    let key = KEY.public_pem().unwrap();
    let check = async |module: &str, prefix: &str| {
        let yaml = format!(
            "profile: bifrost\nmodules: [{{ name: {module}, prefix: /{prefix}, upstream: 'a:8080' }}]\ncore: {{ upstream: 'core:8080' }}\n"
        );
        let output = modgud(&yaml, &[(KEY_VARIABLE, &key)], &["check", "--config", "modgud.yaml"]).await;
        (output.code, output.err)
    };
    let (code, error) = check("a", name).await;
    assert!(code == Some(1) && error.contains("[prefix-reserved]"), "{name}: {error}");
    let (code, error) = check(name, "a").await;
    assert!(code == Some(1) && error.contains("[module-name-reserved]"), "{name}: {error}");
    assert_eq!(check("a", "a").await.0, Some(0));
}

/// `modgud openapi check` rejects an API with a path that begins with this name.
async fn no_operation_is_below(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let check = async |path: &str| {
        let operation = json!({ "get": { "responses": { "200": { "description": "a" } } } });
        let description = json!({ "swagger": "2.0", "info": { "title": "a", "version": "1" }, "paths": { path: operation } });
        fs::write(folder.path().join("swagger.json"), description.to_string()).unwrap();
        run_in(folder.path(), &[], &["openapi", "check", "swagger.json", "--module", "a"]).await
    };
    for path in [format!("/{name}"), format!("/{name}/x")] {
        let output = check(&path).await;
        assert!(output.code == Some(1) && output.err.contains("reserved"), "{path}: {output:?}");
    }
    assert_eq!(check(&format!("/{name}x")).await.code, Some(0));
}
