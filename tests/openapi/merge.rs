//! `modgud openapi merge`: what it writes of descriptions with every feature, by an independent validator too, and what it says of those that
//! it can't merge.

use super::{folder, openapi};
use crate::cli::process::Output;
use crate::support::program;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// Validates each file, and prints what is wrong.
const VALIDATE: &str = "
import json, sys
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator, OpenAPIV32SpecValidator
for name in sys.argv[1:]:
    document = json.load(open(name))
    validator = {'3.0': OpenAPIV30SpecValidator, '3.1': OpenAPIV31SpecValidator, '3.2': OpenAPIV32SpecValidator}
    for error in validator[document['openapi'][:3]](document).iter_errors():
        print(name, list(error.absolute_path), error.message[:300])
";

fn samples() -> PathBuf {
    folder().join("merge")
}

async fn validate(documents: &[&Output]) {
    let folder = tempfile::tempdir().unwrap();
    let mut python = Command::new(program("MODGUD_TEST_PYTHON"));
    python.args(["-c", VALIDATE]).kill_on_drop(true);
    for (number, document) in documents.iter().enumerate() {
        let file = folder.path().join(format!("{number}.json"));
        assert_eq!(document.code, Some(0), "{}", document.err);
        fs::write(&file, &document.out).unwrap();
        python.arg(file);
    }
    let output = timeout(Duration::from_secs(120), python.output()).await.unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!((text(&output.stdout), text(&output.stderr)), (String::new(), String::new()));
}

async fn merge(folder: &Path, arguments: &[&str]) -> Output {
    openapi(folder, &[["merge"].as_slice(), arguments].concat()).await
}

fn read(output: &Output) -> Value {
    assert_eq!(output.code, Some(0), "{output:?}");
    serde_json::from_str(&output.out).unwrap()
}

#[tokio::test]
async fn the_samples_become_the_expected_document() {
    let output = merge(&samples(), &["--config", "modgud.yaml", "--server", "https://api.example.com"]).await;
    for (name, actual) in [("merged.json", &output.out), ("merged.txt", &output.err)] {
        if *actual != fs::read_to_string(samples().join(name)).unwrap_or_default() {
            let found = tempfile::Builder::new().tempfile().unwrap().keep().unwrap().1;
            fs::write(&found, actual).unwrap();
            panic!("{name} should be {}", found.display());
        }
    }
    validate(&[&output]).await;
}

/// Documents of 2.0 and 3.0 become one of 3.0; with one of 3.1, all of it is 3.1.
#[tokio::test]
async fn the_version_is_the_lowest_that_has_everything() {
    let older = merge(&samples(), &["shop=shop.json", "crm=crm.yaml"]).await;
    let newer = merge(&samples(), &["shop=shop.json", "crm=crm.yaml", "events=events.yaml"]).await;
    validate(&[&older, &newer]).await;
    let (older, newer) = (read(&older), read(&newer));
    assert_eq!((&older["openapi"], &newer["openapi"]), (&json!("3.0.3"), &json!("3.1.0")));
    let limit = "/components/parameters/crm_Limit/schema";
    let of = |document: &Value| document.pointer(limit).unwrap().clone();
    let bounds =
        json!({ "type": "integer", "minimum": 0, "exclusiveMinimum": true, "maximum": 100, "exclusiveMaximum": false });
    assert_eq!(of(&older), bounds);
    assert_eq!(of(&newer), json!({ "type": "integer", "exclusiveMinimum": 0, "maximum": 100 }));
    let product = |document: &Value| document.pointer("/components/schemas/crm_Product/properties").unwrap().clone();
    assert_eq!(product(&older)["note"], json!({ "type": "string", "nullable": true, "enum": ["a", "b"] }));
    assert_eq!(product(&newer)["note"], json!({ "type": ["string", "null"], "enum": ["a", "b", null] }));
    assert_eq!(product(&newer)["boss"]["anyOf"][1], json!({ "type": "null" }));
}

/// Every reference of a document leads somewhere in it, and every operation has its own identifier.
#[tokio::test]
async fn every_reference_leads_somewhere() {
    let document = read(&merge(&samples(), &["--config", "modgud.yaml"]).await);
    let (mut references, mut identifiers) = (Vec::new(), Vec::new());
    visit(&document, &mut |key, value| match (key, value.as_str()) {
        ("$ref" | "operationRef", Some(text)) => references.push(text.to_owned()),
        ("mapping", None) => {
            let all = value.as_object().unwrap().values();
            references.extend(all.map(|target| target.as_str().unwrap().to_owned()));
        }
        ("operationId", Some(text)) => identifiers.push(text.to_owned()),
        _ => {}
    });
    // The samples' examples have references that are none.
    references.retain(|one| !one.starts_with("#/no"));
    assert!(references.len() > 30, "{references:?}");
    for reference in references.iter().filter(|one| one.contains('/')) {
        let pointer = reference.strip_prefix('#').unwrap().replace("%7B", "{").replace("%7D", "}");
        assert!(document.pointer(&pointer).is_some(), "{reference}");
    }
    let links: BTreeSet<&String> = identifiers.iter().collect();
    // A link names `crm_get` again.
    assert_eq!(links.len() + 1, identifiers.len(), "{identifiers:?}");
}

fn visit(value: &Value, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                see(key, value);
                visit(value, see);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, see)),
        _ => {}
    }
}

/// A public description, and those that the other commands are tested with.
#[tokio::test]
async fn real_documents_become_valid_ones() {
    let mut documents = Vec::new();
    for (name, files) in [
        ("a public one", &["blockfrost=blockfrost.yaml"][..]),
        ("two versions", &["blockfrost=blockfrost.yaml", "crm=clinic.json"]),
    ] {
        let output = merge(&folder(), files).await;
        assert_eq!(read(&output)["openapi"], "3.1.0", "{name} has the type `null`");
        documents.push(output);
    }
    validate(&documents.iter().collect::<Vec<_>>()).await;
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// A description with these paths and components, in the flow style of YAML.
fn description(version: &str, paths: &str, components: &str) -> String {
    let ok = "responses: { '200': { description: Fine. } }";
    let paths = paths.replace("OK", ok);
    format!("{version}\ninfo: {{ title: A, version: '1' }}\npaths:\n  {paths}\n{components}\n")
}

const V3: &str = "openapi: 3.0.3";
const V31: &str = "openapi: 3.1.0";

#[tokio::test]
async fn what_can_not_be_merged_is_an_error_with_its_place() {
    let schema = |schema: &str| format!("components: {{ schemas: {{ A: {schema} }} }}");
    let plain = "/a: { get: { OK } }";
    for (a, expected) in [
        (
            description(V3, "/admin: { get: { OK } }", ""),
            "a.yaml:4:3: paths.`/admin`: `admin` is reserved for the gateway",
        ),
        (description(V3, "/a: { $ref: 'other.yaml#/a' }", ""), "`other.yaml#/a` leads out of this document"),
        (
            description(V3, plain, &schema("{ $ref: 'other.yaml' }")),
            "a.yaml:5:31: components.schemas.A.`$ref`: `other.yaml` leads out",
        ),
        (
            description(V3, plain, &schema("{ $ref: '#/components/schemas/B' }")),
            "`#/components/schemas/B` leads nowhere",
        ),
        (
            description(V3, plain, &schema("{ $ref: '#/components/responses/B' }")),
            "should lead to an object of `components.schemas`",
        ),
        (
            description(V3, plain, &schema("{ items: [] , not: 5 }")),
            "a.yaml:5:43: components.schemas.A.not: should be a map",
        ),
        (description(V31, plain, &schema("{ $id: 'https://a' }")), "changes the meaning of references"),
        (description(V31, plain, &schema("{ $ref: '#missing' }")), "leads nowhere"),
        (
            description(V31, plain, "jsonSchemaDialect: 'https://a'"),
            "a.yaml:5:1: jsonSchemaDialect: `https://a` is another dialect",
        ),
        (
            description(V3, plain, "components: { links: { A: { operationId: none } } }"),
            "`none` names no operation of this description that callers can reach",
        ),
        (
            description(V3, plain, &schema("{ discriminator: { propertyName: a, mapping: { b: other.json } } }")),
            "`other.json` leads out of this document",
        ),
        (
            description("swagger: '2.0'", "/a: { get: { OK, parameters: [{ $ref: '#/parameters/B' }] } }", ""),
            "`#/parameters/B` leads nowhere",
        ),
        (
            description("swagger: '2.0'", plain, "definitions: { A: { properties: { b: { $ref: 'b.json' } } } }"),
            "a.yaml:5:40: definitions.A.properties.b.`$ref`: `b.json` leads out",
        ),
        (description(V3, "/a: { get: { OK } }\n  /a/: { get: { OK } }", ""), "matches the same requests as `/a`"),
        ("openapi: 4.0.0".to_owned(), "is not a supported version"),
        ("{".to_owned(), "a.yaml:1:1: "),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("a.yaml", &a)]);
        let output = merge(folder.path(), &["a=a.yaml"]).await;
        assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{a}");
        assert!(output.err.contains(expected), "{a}\n{}", output.err);
    }
}

#[tokio::test]
async fn modules_must_not_share_paths() {
    let folder = tempfile::tempdir().unwrap();
    let a = description(V3, "/b/x: { get: { OK } }\n  /c: { get: { OK } }", "");
    let b = description(V3, "/x: { get: { OK } }", "");
    let gateway = "profile: bifrost\nmodules:\n  - { name: a, prefix: /a, upstream: 'a:1', openapi: a.yaml }\n";
    write(
        folder.path(),
        &[
            ("a.yaml", &a),
            ("b.yaml", &b),
            ("nested.yaml", &format!("{gateway}  - {{ name: b, prefix: /a/b, upstream: 'b:1' }}\n")),
            ("public.yaml", &format!("{gateway}rules: [{{ name: c, match: {{ paths: [/a/c] }}, access: denied }}]\n")),
        ],
    );
    let output = merge(folder.path(), &["--config", "nested.yaml"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    let expected =
        "a.yaml:4:11: paths.`/b/x`.get: the gateway sends `/a/b/x` to the module `b`, whose prefix is `/a/b`";
    assert!(output.err.contains(expected), "{}", output.err);
    assert!(output.err.contains("warning: the module `b` has no `openapi`"), "{}", output.err);
    // A denied operation is left out, with a warning.
    let output = merge(folder.path(), &["--config", "public.yaml"]).await;
    assert!(
        output
            .err
            .contains("warning: a.yaml:5:9: paths.`/c`.get: `GET` `/a/c` is left out, because the rule `c` denies"),
        "{output:?}"
    );
    assert_eq!(read(&output)["paths"].as_object().unwrap().keys().collect::<Vec<_>>(), ["/a/b/x"]);
}

/// Names that would be one name stay two: of modules, of components, of operations, and the gateway's own.
#[tokio::test]
async fn names_never_collide() {
    let folder = tempfile::tempdir().unwrap();
    let with = |name: &str, id: &str| {
        description(
            V3,
            &format!("/a: {{ get: {{ operationId: {id}, OK }} }}"),
            &format!(
                "components: {{ schemas: {{ {name}: {{ type: object }} }}, responses: {{ BadRequest: {{ description: Own. }} }} }}"
            ),
        )
    };
    write(
        folder.path(),
        &[("a.yaml", &with("b_C", "b_c")), ("b.yaml", &with("C", "c")), ("g.yaml", &with("Denial", "d"))],
    );
    let output = merge(folder.path(), &["a=a.yaml", "a_b=b.yaml", "gateway=g.yaml"]).await;
    validate(&[&output]).await;
    let document = read(&output);
    let names = |key: &str| document["components"][key].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names("schemas"), ["a_b_C", "a_b_C_2", "gateway_Denial", "gateway_Denial_2"]);
    assert_eq!(document["paths"]["/a_b/a"]["get"]["operationId"], "a_b_c_2");
    assert!(names("responses").contains(&"gateway_BadRequest_2".to_owned()), "{:?}", names("responses"));
}

/// The security of every kind of authenticator, in every place.
#[tokio::test]
async fn security_is_that_of_the_authenticators() {
    let folder = tempfile::tempdir().unwrap();
    let a = description(
        V3,
        "/a: { get: { OK, security: [{ own: [] }] } }\n  /b: { get: { OK } }",
        "components: { securitySchemes: { own: { type: http, scheme: basic } } }",
    );
    let configuration = "
profile: none
fallback: authenticated
authenticators:
  - name: keycloak
    from: [{ header: authorization, schemes: [Bearer, JWT] }, { cookie: session }]
    jwt: { issuer: 'https://login.example.com', algorithms: [RS256], audiences: [a], keys: [{ pem: { env: KEY } }] }
  - name: scripts
    from: [{ header: x-api-key }, { query: key }]
    api_key: { file: keys.yaml }
rules:
  - { name: b, match: { paths: [/a/b] }, require: { authenticators: [scripts] } }
denials: { body: orchescala, status: { unauthenticated: 403 } }
";
    write(folder.path(), &[("a.yaml", &a), ("modgud.yaml", configuration), ("keys.yaml", "[]")]);
    let output = merge(folder.path(), &["--config", "modgud.yaml", "a=a.yaml"]).await;
    validate(&[&output]).await;
    let document = read(&output);
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({
            "keycloak_Bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A signed token (JWT) of the issuer `https://login.example.com`." },
            "keycloak_JWT": { "type": "apiKey", "in": "header", "name": "authorization", "description": "A signed token (JWT) of the issuer `https://login.example.com`. The value is `JWT TOKEN`." },
            "keycloak_cookie": { "type": "apiKey", "in": "cookie", "name": "session", "description": "A signed token (JWT) of the issuer `https://login.example.com`." },
            "scripts_x-api-key": { "type": "apiKey", "in": "header", "name": "x-api-key", "description": "An API key." },
            "scripts_query": { "type": "apiKey", "in": "query", "name": "key", "description": "An API key." },
        })
    );
    let security = |path: &str| {
        let all = document["paths"][path]["get"]["security"].as_array().unwrap().clone();
        all.iter().flat_map(|one| one.as_object().unwrap().keys().cloned().collect::<Vec<_>>()).collect::<BTreeSet<_>>()
    };
    assert_eq!(security("/a/a").len(), 5);
    assert_eq!(security("/a/b"), BTreeSet::from(["scripts_x-api-key".to_owned(), "scripts_query".to_owned()]));
    let responses = document["paths"]["/a/a"]["get"]["responses"].as_object().unwrap();
    assert_eq!(responses.keys().collect::<Vec<_>>(), ["200", "400", "403", "503"]);
    assert_eq!(responses["403"], json!({ "$ref": "#/components/responses/gateway_Denied" }));
    assert_eq!(document["components"]["schemas"]["gateway_Denial"]["required"], json!(["errorCode", "errorMsg"]));
}

/// Hostile descriptions end soon, with an error, whatever they refer to.
#[tokio::test]
async fn hostile_descriptions_end_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    // Each path copies the text of one: without a bound, the copies would fill the memory.
    let copies: Vec<String> = (0..4_000).map(|number| format!("/p{number}: {{ $ref: '#/components/x/P' }}")).collect();
    let text = "y".repeat(100_000);
    let repeated = format!("components: {{ x: {{ P: {{ get: {{ summary: {text}, responses: {{}} }} }} }} }}");
    let parameters = "parameters: { A: { $ref: '#/parameters/B' }, B: { $ref: '#/parameters/A' } }";
    let deep = format!("components: {{ schemas: {{ A: {}{} }} }}", "{ not: ".repeat(100), " }".repeat(100));
    // Each schema of a chain has a mapping to all that follow, and each operation has a body of all types.
    let name = |number: usize| format!("{}{number}", "S".repeat(1_000));
    let schema = |number: usize| {
        let base = format!("#/components/schemas/{}", name(number.saturating_sub(1)));
        format!("    {}: {{ discriminator: {{ propertyName: t }}, allOf: [{{ $ref: '{base}' }}] }}\n", name(number))
    };
    let chain = format!("components:\n  schemas:\n{}", (0..400).map(schema).collect::<String>());
    let types: Vec<String> = (0..300).map(|number| format!("{}/{number}", "t".repeat(1_000))).collect();
    let body = "{ post: { OK, parameters: [{ name: b, in: body }] } }";
    let bodies: Vec<String> = (0..300).map(|number| format!("/p{number}: {body}")).collect();
    for (case, expected) in [
        (description(V3, &copies.join("\n  "), &repeated), "the merged document is too large"),
        (description(V3, "/a: { $ref: '#/paths/~1b' }\n  /b: { $ref: '#/paths/~1a' }", ""), "`a chain of references`"),
        (
            description("swagger: '2.0'", "/a: { get: { OK, parameters: [{ $ref: '#/parameters/A' }] } }", parameters),
            "`#/parameters/A` is a circle of references",
        ),
        (
            description(V3, "/a: { post: { OK, callbacks: { c: { url: { $ref: '#/paths/~1a' } } } } }", ""),
            "has callbacks within callbacks",
        ),
        (description(V3, "/a: { get: { OK } }", &deep), "nested deeper than 64 levels"),
        (description(V3, "/a: { get: { OK } }", &chain), "the merged document is too large"),
        (
            description("swagger: '2.0'", &bodies.join("\n  "), &format!("consumes: [{}]", types.join(", "))),
            "the merged document is too large",
        ),
    ] {
        write(folder.path(), &[("a.yaml", &case)]);
        let output = merge(folder.path(), &["a=a.yaml"]).await;
        assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{}", output.err);
        assert!(output.err.contains(expected) && !output.err.contains("panicked"), "{}", output.err);
    }
}

/// The description of the whole is one document's: no module writes HTML, Markdown or lines of its own into it.
#[tokio::test]
async fn titles_of_modules_are_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let title = r#"title: "Shop\n\n# All\n<img src=x onerror=y> [a](javascript:b)""#;
    let text = description(V3, "/a: { get: { OK } }", "").replace("title: A", title);
    write(folder.path(), &[("a.yaml", &text)]);
    let output = merge(folder.path(), &["a=a.yaml"]).await;
    let about = read(&output)["info"]["description"].as_str().unwrap().to_owned();
    assert!(about.contains(r"Shop \# All &lt;img src=x onerror=y&gt; \[a\]\(javascript:b\) 1"), "{about}");
}

/// A description whose schemas refer to one another in circles is an ordinary one.
#[tokio::test]
async fn circles_of_schemas_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let schemas = "components: { schemas: { A: { properties: { b: { $ref: '#/components/schemas/B' } } }, B: { properties: { a: { $ref: '#/components/schemas/A/properties/b' } } } } }";
    write(folder.path(), &[("a.yaml", &description(V3, "/a: { get: { OK } }", schemas))]);
    let output = merge(folder.path(), &["a=a.yaml"]).await;
    validate(&[&output]).await;
    let schemas = &read(&output)["components"]["schemas"];
    assert_eq!(schemas["a_B"]["properties"]["a"]["$ref"], "#/components/schemas/a_A_properties_b");
    assert_eq!(schemas["a_A_properties_b"]["$ref"], "#/components/schemas/a_B");
}

#[tokio::test]
async fn wrong_arguments_are_errors() {
    for (arguments, text) in [
        (&[][..], "no module has a description"),
        (&["a=shop.json", "a=shop.json"], "the module `a` is named twice"),
        (&["a b=shop.json"], "can't be a prefix"),
        (&["a=none.json"], "none.json"),
        (&["docs=shop.json"], "`docs` is reserved for the gateway"),
    ] {
        let output = merge(&samples(), arguments).await;
        assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(output.err.contains(text), "{}", output.err);
    }
    for arguments in [&["a"][..], &["a="], &["a=b", "--server", "api.example.com"], &["a=b", "--server", "https://{a}"]]
    {
        assert_eq!(merge(&samples(), arguments).await.code, Some(2), "{arguments:?}");
    }
}

/// What only later versions have raises the version: a certificate of the client, and methods of its own.
#[tokio::test]
async fn later_features_raise_the_version() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = "
profile: none
fallback: authenticated
server: { grpc: 'unix:/run/check.sock' }
authenticators: [{ name: mesh, mtls: { principals: ['api.example.com'] } }]
";
    let extended = "/a: { query: { OK }, additionalOperations: { PURGE: { operationId: purge, OK } } }";
    write(
        folder.path(),
        &[
            ("modgud.yaml", certificates),
            ("a.yaml", &description(V3, "/a: { get: { OK } }", "")),
            ("b.yaml", &description("openapi: 3.2.0", extended, "")),
        ],
    );
    let mutual = merge(folder.path(), &["--config", "modgud.yaml", "a=a.yaml"]).await;
    let extended = merge(folder.path(), &["a=a.yaml", "b=b.yaml"]).await;
    validate(&[&mutual, &extended]).await;
    let (mutual, extended) = (read(&mutual), read(&extended));
    assert_eq!(mutual["openapi"], "3.1.0");
    assert_eq!(mutual["components"]["securitySchemes"]["mesh"]["type"], "mutualTLS");
    assert_eq!(extended["openapi"], "3.2.0");
    assert_eq!(extended["paths"]["/b/a"]["additionalOperations"]["PURGE"]["operationId"], "b_purge");
    assert!(extended["paths"]["/b/a"]["query"]["responses"]["401"].is_object(), "{extended}");
}

/// `--output` never replaces a file that the command reads, whatever the spelling of its path.
#[tokio::test]
async fn the_output_is_no_input() {
    let folder = tempfile::tempdir().unwrap();
    let text = description(V3, "/a: { get: { OK } }", "");
    let modules =
        "profile: bifrost\nmodules: [{ name: shop, prefix: /shop, upstream: 'shop:80', openapi: shop.json }]\n";
    write(folder.path(), &[("crm.json", &text), ("shop.json", &text), ("modgud.yaml", modules)]);
    let config = ["--config", "modgud.yaml"];
    for (arguments, output, used) in [
        (&["crm=crm.json"][..], "./crm.json", "the description of the module `crm`"),
        (&config, "shop.json", "the description of the module `shop`"),
        (&config, "modgud.yaml", "the configuration"),
    ] {
        let before = fs::read_to_string(folder.path().join(output)).unwrap();
        let merged = merge(folder.path(), &[arguments, &["--output", output]].concat()).await;
        let error = format!("modgud: --output {output} is {used}; write another file\n");
        assert_eq!((merged.code, merged.out, merged.err), (Some(1), String::new(), error));
        assert_eq!(fs::read_to_string(folder.path().join(output)).unwrap(), before);
    }
    let (script, style) = ("swagger-ui-bundle.js", "swagger-ui.css");
    write(folder.path(), &[(script, "let a;"), (style, "a {}")]);
    let arguments = ["page", "--swagger-ui", ".", "--output", "swagger-ui.css"];
    let page = openapi(folder.path(), &arguments).await;
    let error = "modgud: --output swagger-ui.css is a file of Swagger UI; write another file\n";
    assert_eq!((page.code, page.err.as_str()), (Some(1), error));
    // A file that the command does not read is replaced.
    let merged = merge(folder.path(), &["crm=crm.json", "--output", "shop.json"]).await;
    assert_eq!((merged.code, merged.err.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn modules_and_files_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let modules =
        "profile: bifrost\nmodules:\n  - { name: crm, prefix: /crm, upstream: 'crm:80', openapi: none.json }\n";
    write(folder.path(), &[("crm.json", &description(V3, "/a: { get: { OK } }", "")), ("modgud.yaml", modules)]);
    let missing = merge(folder.path(), &["--config", "modgud.yaml"]).await;
    let error =
        "modgud: modgud.yaml:3:61: modules[0].openapi: the description of the module `crm`: none.json: No such file";
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.starts_with(error), "{}", missing.err);
    for (name, help) in [("crn", "; did you mean `crm`?"), ("warehouse", "")] {
        let (own, other) = ("crm=crm.json", format!("{name}=crm.json"));
        let merged = merge(folder.path(), &[own, &other, "--config", "modgud.yaml"]).await;
        let warning = format!(
            "modgud: warning: modgud.yaml has no module `{name}`; its paths begin with `/{name}`, which `modgud envoy` does not route{help}\n"
        );
        assert_eq!((merged.code, merged.err), (Some(0), warning));
    }
    let merged = merge(folder.path(), &["crn=crm.json"]).await;
    assert_eq!((merged.code, merged.err.as_str()), (Some(0), ""), "without a configuration there are no routes");
}
