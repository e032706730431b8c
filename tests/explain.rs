//! `modgud explain`: what it tells of a request, for people and for tools. The tables are in `tests/data/explain`. That it comes to
//! what the server decides is tested in `decisions::explained`, with the rows of the decision tables.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod diff;
mod log;
mod recorded;
mod terminal;

use crate::cli::process::{KEY_VARIABLE, Output, run_with_input};
use crate::support::{KEY, NOW, token};
use modgud_core::jose::{Algorithm, PublicJwk};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A row. The start of `requests.yaml` describes its format.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    configuration: Option<String>,
    arguments: Vec<String>,
    #[serde(default)]
    input: String,
    code: i32,
    #[serde(default)]
    says: Option<String>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    json: Map<String, Value>,
    #[serde(default)]
    steps: Vec<Value>,
}

impl Row {
    async fn run(&self, more: &[&str]) -> Output {
        let folder = TempDir::new().unwrap();
        let mut arguments = vec!["explain".to_owned()];
        if let Some(configuration) = &self.configuration {
            fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
            arguments.extend(["--config".to_owned(), "modgud.yaml".to_owned()]);
        }
        let token = token();
        arguments.extend(self.arguments.iter().map(|argument| argument.replace("{token}", &token)));
        if !self.arguments.iter().any(|argument| argument.starts_with("--at")) {
            arguments.extend(["--at".to_owned(), NOW.to_string()]);
        }
        let input = self.input.replace("{token}", &token);
        fs::write(folder.path().join("check.json"), &input).unwrap();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let key = KEY.public_pem().unwrap();
        let variables = [(KEY_VARIABLE, OsStr::new(&key))];
        let output = run_with_input(folder.path(), &variables, &arguments, &input).await;
        Output { out: output.out.replace(&token, "{token}"), ..output }
    }
}

/// Both forms of every row of a table, and how the command ends.
async fn run(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/explain").join(name);
    let rows: Vec<Row> =
        serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!rows.is_empty(), "{name} has no row");
    for row in rows {
        assert!(
            row.says.is_some() || !row.json.is_empty() || !row.error.is_empty() || !row.steps.is_empty(),
            "{}: nothing is expected",
            row.what
        );
        let output = row.run(&[]).await;
        assert_eq!(
            (output.code, output.err.as_str()),
            (Some(row.code), row.error.as_str()),
            "{}\n{}",
            row.what,
            output.out
        );
        if let Some(says) = &row.says {
            assert_eq!(&output.out, says, "{}", row.what);
        }
        let for_tools = row.run(&["--json"]).await;
        assert_eq!((for_tools.code, for_tools.err.as_str()), (Some(row.code), row.error.as_str()), "{}", row.what);
        if row.code == 0 || row.code == 3 {
            let json: Value = serde_json::from_str(&for_tools.out).unwrap();
            assert_eq!(json["decision"], if row.code == 0 { "allowed" } else { "denied" }, "{}", row.what);
            for (key, expected) in &row.json {
                assert_eq!(json.get(key), Some(expected), "{}: {key}", row.what);
            }
            for expected in &row.steps {
                assert!(json["steps"].as_array().unwrap().contains(expected), "{}: {}", row.what, for_tools.out);
            }
        } else {
            assert_eq!(for_tools.out, "", "{}", row.what);
        }
    }
}

#[tokio::test]
async fn requests_in_flags() {
    run("requests.yaml").await;
}

#[tokio::test]
async fn requests_in_json() {
    run("messages.yaml").await;
}

#[tokio::test]
async fn requests_in_modules() {
    run("modules.yaml").await;
}

#[tokio::test]
async fn case_folded_and_suffixes_cut_off() {
    run("readings.yaml").await;
}

#[tokio::test]
async fn the_time_of_the_decision() {
    run("time.yaml").await;
}

/// The file that is named is read as standard input is.
#[tokio::test]
async fn a_request_can_be_in_a_file() {
    let row = Row {
        what: "a file".to_owned(),
        configuration: None,
        arguments: ["--request", "check.json"].map(str::to_owned).into(),
        input: r#"{"attributes": {"request": {"http": {"method": "GET", "path": "/docs/"}}}}"#.to_owned(),
        code: 0,
        says: None,
        error: String::new(),
        json: Map::new(),
        steps: Vec::new(),
    };
    let output = row.run(&[]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{}", output.out);
    assert!(output.out.contains("`core-public` by `/docs/{*rest}`"), "{}", output.out);
    let missing = Row { arguments: ["--request", "nope.json"].map(str::to_owned).into(), ..row }.run(&[]).await;
    let expected = "modgud: nope.json can't be read: No such file or directory (os error 2)\n";
    assert_eq!((missing.code, missing.err.as_str()), (Some(1), expected));
}

#[tokio::test]
async fn what_has_no_end_or_is_no_text_is_refused() {
    let folder = TempDir::new().unwrap();
    let key = KEY.public_pem().unwrap();
    let variables = [(KEY_VARIABLE, OsStr::new(&key))];
    fs::write(folder.path().join("latin.json"), b"{\"a\": \"\xe9\"}").unwrap();
    for (arguments, expected) in [
        (&["explain", "--request", "/dev/zero"][..], "modgud: /dev/zero can't be read: it is larger than 4 MiB\n"),
        (&["explain", "--request", "latin.json"], "modgud: latin.json can't be read: it is not UTF-8 text\n"),
        (
            &["correlation", "verify", "--key", "/dev/zero", "latin.json"],
            "modgud: /dev/zero can't be read: it is larger than 4 MiB\n",
        ),
    ] {
        let output = run_with_input(folder.path(), &variables, arguments, "").await;
        assert_eq!((output.code, output.err.as_str()), (Some(1), expected), "{arguments:?}");
    }
}

/// The configuration of an issuer, and a route that requires its tokens.
const ISSUER: &str = "profile: none
authenticators:
  - name: idp
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt:
      issuer: https://login.example.com
      algorithms: [RS256]
      keys: [{ jwks: { file: jwks.json } }]
      audiences: [api]
fallback: authenticated
";

/// A failed step shows the token's value and the expected one. A missing value and a different one have sentences of their own.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "most of them are one table")]
async fn both_values_are_shown_of_a_token_that_does_not_match() {
    let folder = TempDir::new().unwrap();
    let published = PublicJwk::from_pem(&KEY.public_pem().unwrap(), Algorithm::Rs256).unwrap();
    let mut set: Value = serde_json::from_str(&PublicJwk::set(&[published])).unwrap();
    set["keys"][0]["kid"] = json!("k1");
    fs::write(folder.path().join("jwks.json"), set.to_string()).unwrap();
    let types = ISSUER.replace("      audiences: [api]\n", "      audiences: any\n      types: [at+jwt]\n");
    let whole = "      audiences: any\n      require: ['https://example.com/tenant']\n      max_lifetime: 1h\n";
    let whole = ISSUER.replace("      audiences: [api]\n", whole);
    let (header, exp) = (json!({ "alg": "RS256", "kid": "k1" }), json!(NOW + 3_600));
    let kid = json!({ "alg": "RS256", "kid": "zzz" });
    let typ = json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" });
    let alg = json!({ "alg": "PS256", "kid": "k1" });
    let unknown = json!({ "alg": "ES521", "kid": "k1" });
    let iss = json!("https://login.example.com");
    for (configuration, header, claims, expected) in [
        (
            ISSUER,
            &header,
            json!({ "iss": "https://login.example.com/", "aud": "api", "exp": exp }),
            "✗ issuer         the token's `iss` is `https://login.example.com/`; configured there: `https://login.example.com` (idp)\n",
        ),
        (ISSUER, &header, json!({ "aud": "api", "exp": exp }), "✗ issuer         the token has no `iss`\n"),
        (
            ISSUER,
            &header,
            json!({ "iss": 7 }),
            "✗ issuer         the token's `iss` is a number, and a text is needed\n",
        ),
        (
            ISSUER,
            &header,
            json!({ "iss": iss, "aud": "account", "exp": exp }),
            "✗ aud            the token's `aud` is `account`, and one of `api` is needed\n",
        ),
        (
            ISSUER,
            &header,
            json!({ "iss": iss, "aud": ["a", "b"], "exp": exp }),
            "✗ aud            the token's `aud` is `a`, `b`, and one of `api` is needed\n",
        ),
        (
            ISSUER,
            &header,
            json!({ "iss": iss, "exp": exp }),
            "✗ aud            the token has no `aud`, and one of `api` is needed\n",
        ),
        (
            ISSUER,
            &header,
            json!({ "iss": iss, "aud": 7 }),
            "✗ aud            the token's `aud` is a number, and a text or a list of texts is needed\n",
        ),
        (
            ISSUER,
            &kid,
            json!({ "iss": iss }),
            "✗ signature      the token's `kid` is `zzz`; the issuer's keys are `k1`\n",
        ),
        (
            ISSUER,
            &alg,
            json!({ "iss": iss }),
            "✗ signature      the token's `alg` is `PS256`, and one of `RS256` is allowed\n",
        ),
        (
            ISSUER,
            &unknown,
            json!({ "iss": iss }),
            "✗ token          the header's `alg` is `ES521`, which is not a supported signature algorithm\n",
        ),
        (
            ISSUER,
            &header,
            json!({ "iss": iss, "aud": "api", "sub": 42, "exp": exp }),
            "✗ text claim     the token's `sub` is a number, and a text is needed\n",
        ),
        (
            ISSUER,
            &header,
            json!({ "iss": iss, "aud": "api", "exp": 1_795_867_800_000_u64 }),
            "✗ dates          the token's `exp`: 1795867800000 is no time in seconds (milliseconds?)\n",
        ),
        (ISSUER, &header, json!({ "iss": iss, "aud": "api" }), "✗ dates          the token has no `exp`\n"),
        (
            ISSUER,
            &header,
            json!({ "iss": iss, "aud": "api", "exp": NOW - 3_600 }),
            " and it is 2023-11-14T22:14:00Z\n✗ access",
        ),
        (
            &types,
            &typ,
            json!({ "iss": iss, "exp": exp }),
            "✗ typ            the token's `typ` is `JWT`, and one of `at+jwt` is needed\n",
        ),
        (
            &types,
            &header,
            json!({ "iss": iss, "exp": exp }),
            "✗ typ            the token has no `typ`, and one of `at+jwt` is needed\n",
        ),
        (
            &whole,
            &header,
            json!({ "iss": iss, "exp": exp, "https://example.com/tenant": "t" }),
            "✗ required claim the token has no `com/tenant` inside `https://example`; for the claim whose own name is \
             `https://example.com/tenant`, write `[\"https://example.com/tenant\"]`\n",
        ),
        (
            &whole,
            &header,
            json!({ "iss": iss, "exp": NOW + 7_200, "iat": NOW, "https://example": { "com/tenant": "t" } }),
            "✗ dates          the token's `iat` is `1700000000` and its `exp` `1700007200`, and `max_lifetime` is 3600 s\n",
        ),
    ] {
        fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
        let token = KEY.sign_raw(&header.to_string(), &claims.to_string()).unwrap();
        let bearer = format!("authorization: Bearer {token}");
        let at = (NOW + 40).to_string();
        let arguments = ["explain", "--config", "modgud.yaml", "--at", &at, "--header", &bearer];
        let output = run_with_input(folder.path(), &[], &arguments, "").await;
        assert_eq!((output.code, output.err.as_str()), (Some(3), ""), "{claims}");
        assert!(output.out.contains(expected), "{expected} is not in\n{}", output.out);
    }
    fs::write(folder.path().join("modgud.yaml"), types.replace("      types: [at+jwt]\n", "")).unwrap();
    let token = KEY.sign_raw(&header.to_string(), &json!({ "iss": iss, "exp": exp }).to_string()).unwrap();
    let bearer = format!("authorization: Bearer {token}");
    let at = NOW.to_string();
    let arguments = ["explain", "--config", "modgud.yaml", "--at", &at, "--header", &bearer];
    let output = run_with_input(folder.path(), &[], &arguments, "").await;
    for expected in [
        "· typ            not checked: the authenticator has no `types`",
        "· aud            not checked: `audiences` is `any`",
    ] {
        assert!(output.out.contains(expected), "{}", output.out);
    }
    let arguments = ["explain", "--config", "modgud.yaml", "--header", "authorization: Basic dTpw"];
    let output = run_with_input(folder.path(), &[], &arguments, "").await;
    assert!(output.out.contains("✗ credential     this kind of credential is not accepted here"), "{}", output.out);
}
