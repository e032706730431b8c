//! The fifteen names that documents 1 and 2 reserve: the core service has them, and no module can.

use super::{get, reached_a_module};
use crate::cli::process::{KEY_VARIABLE, run_in};
use crate::support::KEY;
use modgud_testbed::Testbed;
use modgud_testbed::http::Exchange;
use serde_json::{Map, json};
use std::fs;
use tokio::sync::OnceCell;

/// The names.
const NAMES: [&str; 15] = [
    "admin",
    "oauth",
    "health_check",
    "docs",
    "complete",
    "disconnect",
    "static",
    "graphql",
    "workflow",
    "core",
    "logicmodule",
    "user",
    "group",
    "milestone",
    "organization",
];

/// What a caller gets at a reserved name.
#[derive(Debug, Clone, Copy)]
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
        let core =
            |answer: &Exchange| (&answer.json()["module"], &answer.json()["path"]) == (&json!("core"), &json!(path));
        let denied = |answer: &Exchange, status| answer.status == status && !reached_a_module(answer);
        let expected = match access {
            Access::Public => core(&known) && core(&unknown),
            Access::Caller => core(&known) && denied(&unknown, 401),
            Access::Closed => denied(&known, 403) && denied(&unknown, 403),
            Access::Description => unknown.status == 200 && !of_module(&known) && !of_module(&unknown),
        };
        assert!(expected, "{path}: {} and {}", known.status, unknown.status);
    }
    // A longer name is another one, and no service has it.
    assert_eq!(get(gateway, &format!("/{name}x"), &[caller]).await.status, 404);
    no_module_has(name).await;
}

fn of_module(answer: &Exchange) -> bool {
    reached_a_module(answer) && answer.json()["module"] != "core"
}

/// What commands report of modules with reserved names.
struct Reports {
    /// `modgud check`, of a configuration with a module of each name, and with each name as a prefix.
    check: String,
    /// `modgud openapi check`, of a description with a path below each name.
    openapi: String,
}

/// Both reports, which are made once.
async fn reports() -> &'static Reports {
    static REPORTS: OnceCell<Reports> = OnceCell::const_new();
    let make = async || {
        let folder = tempfile::tempdir().unwrap();
        let mut yaml = "profile: bifrost\nmodules:\n".to_owned();
        let mut paths = Map::new();
        for name in NAMES {
            for name in [name.to_owned(), format!("{name}x")] {
                yaml.extend(["  - { name: ", &name, ", prefix: /", &name, "/x, upstream: 'a:8080' }\n"]);
                let operation = json!({ "get": { "responses": { "200": { "description": "a" } } } });
                paths.insert(format!("/{name}/x"), operation);
            }
        }
        let description = json!({ "swagger": "2.0", "info": { "title": "a", "version": "1" }, "paths": paths });
        fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
        fs::write(folder.path().join("swagger.json"), description.to_string()).unwrap();
        let key = KEY.public_pem().unwrap();
        let run = async |arguments: &[&str]| {
            let output = run_in(folder.path(), &[(KEY_VARIABLE, &key)], arguments).await;
            assert_eq!(output.code, Some(1), "{}", output.err);
            output.err
        };
        let check = run(&["check", "--config", "modgud.yaml"]).await;
        let openapi = run(&["openapi", "check", "swagger.json", "--module", "a"]).await;
        Reports { check, openapi }
    };
    REPORTS.get_or_init(make).await
}

/// No module has this name or a prefix that begins with it, and no operation of a module is below it. Longer names are free.
async fn no_module_has(name: &str) {
    let Reports { check, openapi } = reports().await;
    let found: Vec<&str> = check.lines().filter(|line| line.contains(&format!(": `{name}` is "))).collect();
    let codes: Vec<Option<&str>> = found.iter().map(|line| line.split(' ').next_back()).collect();
    assert_eq!(codes, [Some("[module-name-reserved]"), Some("[prefix-reserved]")], "{check}");
    // Each module has its description at `/docs`.
    let count = openapi.lines().filter(|line| line.contains(&format!("paths.`/{name}/x`"))).count();
    assert_eq!(count, usize::from(name != "docs"), "{openapi}");
    assert!(![check, openapi].iter().any(|text| text.contains(&format!("`{name}x` is reserved"))));
}
