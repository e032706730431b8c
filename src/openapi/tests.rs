//! Tests of templates as patterns, of bases, and of documents that are odd or hostile.

mod requirements;

use super::read::Api;
use super::requirement::Version;
use super::template::{self, MatchPrecision, TemplateError};
use super::{Mount, Severity, rules};
use modgud_core::authz::{ModulePrefix, PathPattern, PatternError};
use modgud_core::http::path::PathError;

#[test]
fn a_template_is_a_pattern_or_a_wider_one() {
    use MatchPrecision::{Exact, Wider};
    for (text, pattern, shape, reach) in [
        ("/", "/crm", "/crm", Exact),
        ("/pets", "/crm/pets", "/crm/pets", Exact),
        ("/pets/", "/crm/pets", "/crm/pets", Exact),
        ("/pets/{petId}", "/crm/pets/{pet_id}", "/crm/pets/{}", Exact),
        ("/{PetID}/{HTTPStatus2Code}", "/crm/{pet_id}/{httpstatus2_code}", "/crm/{}/{}", Exact),
        ("/{id}/{id}/{Id}", "/crm/{id}/{id_2}/{id_3}", "/crm/{}/{}/{}", Exact),
        ("/{pet-id}/{pet.id}/{ pet id }", "/crm/{pet_id}/{pet_id_2}/{pet_id_3}", "/crm/{}/{}/{}", Exact),
        ("/{1}/{}/{ünï}", "/crm/{p1}/{p}/{n}", "/crm/{}/{}/{}", Exact),
        ("/a%20b/c%3Ad", "/crm/a b/c:d", "/crm/a b/c:d", Exact),
        ("/größe/a+b", "/crm/größe/a+b", "/crm/größe/a+b", Exact),
        ("/pets/{id}.json", "/crm/pets/{id}", "/crm/pets/{}", Wider),
        ("/v{version}/a", "/crm/{version}/a", "/crm/{}/a", Wider),
        ("/{from}-{to}", "/crm/{from_to}", "/crm/{}", Wider),
        ("/{name}:cancel", "/crm/{name}", "/crm/{}", Wider),
        ("/{id:[0-9]+}", "/crm/{id}", "/crm/{}", Wider),
        ("/{path:.*}", "/crm/{*path}", "/crm/{*}", Wider),
        ("/files/{path+}", "/crm/files/{*path}", "/crm/files/{*}", Wider),
        ("/files/{+path}", "/crm/files/{*path}", "/crm/files/{*}", Wider),
    ] {
        let read = template::read("/crm", text).unwrap();
        assert_eq!((read.text.as_str(), read.shape.as_str(), read.reach), (pattern, shape, reach), "{text}");
        assert!(PathPattern::parse(&read.text).is_ok(), "{text}");
    }
    assert_eq!(template::read("", "/").unwrap().text, "/");
}

#[test]
fn what_no_request_can_be_is_no_template() {
    let long = "/a".repeat(70);
    for (text, error) in [
        ("", TemplateError::NotAbsolute),
        ("pets", TemplateError::NotAbsolute),
        ("/pets?x={y}", TemplateError::QueryOrFragment),
        ("/pets#a", TemplateError::QueryOrFragment),
        ("/files/{path*}/x", TemplateError::Greedy),
        ("/files/{path:.*}/x", TemplateError::Greedy),
        ("/files/{path:path}", TemplateError::Greedy),
        ("/files/{id:[^x]+}/x", TemplateError::Greedy),
        ("/files/a{path+}", TemplateError::Greedy),
        ("/{a", TemplateError::Brace),
        ("/a}", TemplateError::Brace),
        ("/{a{b}}", TemplateError::Brace),
        ("/}{", TemplateError::Brace),
        ("/{a}}", TemplateError::Brace),
        // Decoded, this text would be a parameter, and match undescribed paths.
        ("/a/%7Bid%7D", TemplateError::EncodedBrace),
        ("/a/%7b*rest%7D", TemplateError::EncodedBrace),
        ("/%7D", TemplateError::EncodedBrace),
        ("//", TemplateError::Pattern(PatternError::EmptySegment)),
        ("/a//b", TemplateError::Pattern(PatternError::EmptySegment)),
        ("/a/../b", TemplateError::Pattern(PatternError::DotSegment)),
        ("/a/*", TemplateError::Pattern(PatternError::Asterisk)),
        ("/a;b", TemplateError::Pattern(PatternError::IllegalCharacter)),
        ("/a\u{1}", TemplateError::Pattern(PatternError::IllegalCharacter)),
        // A pattern is written decoded, and has no `%`.
        ("/100%25", TemplateError::Pattern(PatternError::Percent)),
        ("/a%2fb", TemplateError::Path(PathError::EncodedSlash(2))),
        ("/%2e%2e", TemplateError::Path(PathError::EncodedDot(1))),
        ("/a%zz", TemplateError::Path(PathError::MalformedEscape(2))),
        (&long, TemplateError::Pattern(PatternError::TooManySegments)),
    ] {
        assert_eq!(template::read("/crm", text), Err(error), "{text}");
    }
}

/// Returns the patterns of the rules for a document.
fn paths(yaml: &str) -> Vec<String> {
    let api = Api::read("test", yaml).unwrap();
    let text = rules(&api, "test", "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap())).unwrap().text;
    // Skips the head, which shows how to deny the rest.
    let lists = text
        .lines()
        .filter_map(|line| line.strip_prefix("    match: ")?.split_once("paths: [\"")?.1.strip_suffix("\"] }"));
    lists.flat_map(|list| list.split("\", \"")).map(str::to_owned).collect()
}

#[test]
fn paths_begin_with_the_bases_of_the_document() {
    let three = |servers: &str| paths(&format!("{{ openapi: 3.0.3, {servers} paths: {{ /a: {{ get: {{}} }} }} }}"));
    for (servers, expected) in [
        ("", &["/crm/a"][..]),
        ("servers: [],", &["/crm/a"]),
        ("servers: [{ url: / }],", &["/crm/a"]),
        ("servers: [{ url: /v1 }],", &["/crm/v1/a"]),
        ("servers: [{ url: v1/ }],", &["/crm/v1/a"]),
        ("servers: [{ url: ./v1 }],", &["/crm/v1/a"]),
        ("servers: [{ url: 'https://api.example.com' }],", &["/crm/a"]),
        ("servers: [{ url: 'https://api.example.com:443/v1/b/?x#y' }],", &["/crm/v1/b/a"]),
        ("servers: [{ url: '//api.example.com/v1' }],", &["/crm/v1/a"]),
        ("servers: [{ url: 'https://gateway.example.com/crm' }],", &["/crm/a", "/crm/crm/a"]),
        ("servers: [{ url: 'https://gateway.example.com/crm/v1' }],", &["/crm/v1/a", "/crm/crm/v1/a"]),
        ("servers: [{ url: 'https://gateway.example.com/crmx' }],", &["/crm/crmx/a"]),
        ("servers: [{ url: 'https://a/v1' }, { url: 'https://b/v1/' }, { url: /v2 }],", &["/crm/v1/a", "/crm/v2/a"]),
        (
            "servers: [{ url: '{scheme}://{host}/{base}', variables: { scheme: { default: https }, host: { default: a }, \
             base: { default: v9 } } }],",
            &["/crm/v9/a"],
        ),
    ] {
        assert_eq!(three(servers), expected, "{servers}");
    }
    let variables = "{ a: { default: v1, enum: [v1, v2, 3] }, b: { default: x, enum: [y] } }";
    let enumerated = format!("servers: [{{ url: 'https://{{b}}.example.com/{{a}}/{{b}}', variables: {variables} }}],");
    let expected = ["/crm/v1/x/a", "/crm/v2/x/a", "/crm/3/x/a", "/crm/v1/y/a", "/crm/v2/y/a", "/crm/3/y/a"];
    assert_eq!(three(&enumerated), expected);
    let referred = |root: &str, members: &str, item: &str, operation: &str| {
        paths(&format!(
            "{{ openapi: 3.1.0, {root} paths: {{ /a: {{ $ref: '#/x-a', {members} }} }}, \
             x-a: {{ $ref: '#/x-b' }}, x-b: {{ {item} get: {{ {operation} }} }} }}"
        ))
    };
    let at = |base: &str| format!("servers: [{{ url: {base} }}],");
    assert_eq!(referred(&at("/v1"), "", "", ""), ["/crm/v1/a"]);
    assert_eq!(referred(&at("/v1"), "", &at("/v2"), ""), ["/crm/v2/a"]);
    assert_eq!(referred(&at("/v1"), &at("/v3"), "", ""), ["/crm/v3/a"]);
    assert_eq!(referred(&at("/v1"), &at("/v3"), &at("/v2"), ""), ["/crm/v3/a", "/crm/v2/a"]);
    assert_eq!(referred(&at("/v1"), &at("/v3"), &at("/v2"), &at("/v4")), ["/crm/v4/a"]);
    let nearer = "{ openapi: 3.1.0, servers: [{ url: /v1 }], paths: { /a: { servers: [{ url: /v2 }], get: {}, \
                  put: { servers: [{ url: /v3 }] } } } }";
    assert_eq!(paths(nearer), ["/crm/v2/a", "/crm/v3/a"]);
    let two = |base: &str| paths(&format!("{{ swagger: '2.0', {base} paths: {{ /a: {{ get: {{}} }} }} }}"));
    assert_eq!(two(""), ["/crm/a"]);
    assert_eq!(two("basePath: /,"), ["/crm/a"]);
    assert_eq!(two("basePath: /api/v1/,"), ["/crm/api/v1/a"]);
    assert_eq!(two("basePath: /crm,"), ["/crm/a", "/crm/crm/a"]);
    // Version 2.0 has no servers.
    assert_eq!(
        paths("{ swagger: '2.0', basePath: /v1, paths: { /a: { servers: [{ url: /v2 }], get: {} } } }"),
        ["/crm/v1/a"]
    );
}

#[test]
fn versions() {
    for (written, version) in [
        ("swagger: '2.0'", Version::Two),
        ("swagger: 2.0", Version::Two),
        ("openapi: 3.0.3", Version::Three("3.0.3".to_owned())),
        ("openapi: 3.1.0", Version::Three("3.1.0".to_owned())),
        ("openapi: '3.2'", Version::Three("3.2".to_owned())),
    ] {
        assert_eq!(Api::read("test", &format!("{{ {written}, paths: {{}} }}")).unwrap().version, version);
    }
    for bad in [
        "{}",
        "swagger: '1.2'",
        "openapi: 2.0",
        "openapi: 3.9.0",
        "openapi: 30.1",
        "swagger: [2.0]",
        "openapi: null",
        "[]",
        "a",
    ] {
        assert!(Api::read("test", bad).is_err(), "{bad}");
    }
}

/// Checks that input which parsers read differently prevents rules: they would cover less than the module serves.
#[test]
fn input_that_parsers_read_differently_is_an_error() {
    let item = |item: &str| format!("{{ openapi: 3.1.0, security: [], paths: {{ /a: {item} }} }}");
    let server =
        |url: &str| format!("{{ openapi: 3.1.0, servers: [{{ url: '{url}' }}], paths: {{ /a: {{ get: {{}} }} }} }}");
    for (document, expected) in [
        (item("{ GET: {} }"), "paths.`/a`.GET: should be written in lower case"),
        (item("{ get: {}, Trace: {} }"), "paths.`/a`.Trace: should be written in lower case"),
        (server("http:api.example.com/v1"), "servers[0].url: should be a URL with a host, or a path"),
        (server("https:/api.example.com/v1"), "should be a URL with a host, or a path"),
        (server("https:///v1"), "should be a URL with a host, or a path"),
        (server("localhost:8080/v1"), "should be a URL with a host, or a path"),
        (server("https://api.example.com\\v1"), "should be a URL with a host, or a path"),
        (server("https://api.example.com/v1 "), "should be a URL with a host, or a path"),
        (server("/v1/https://b/v2"), "a path pattern has an empty segment"),
    ] {
        let api = Api::read("test", &document).unwrap();
        let reported =
            rules(&api, "test", "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap())).unwrap_err().to_string();
        assert!(reported.contains(expected), "{document}: {reported}");
    }
    let both = Api::read("test", "{ swagger: '2.0', openapi: 3.1.0, paths: {} }").unwrap_err().to_string();
    assert!(both.contains("openapi: should be removed, because the document has `swagger`, too"), "{both}");
}

/// Checks that an operation whose requirement is unknown is denied, and that the others get their rules.
#[test]
fn references_out_of_the_file_and_of_operations_do_not_block_other_rules() {
    let head = "{ openapi: 3.1.0, components: { securitySchemes: { o: { type: oauth2 } } }, security: [{ o: [read] }], paths: { /b: { get: {} }, ";
    for (path, reported, rule) in [
        (
            "/a: { get: { $ref: '#/x-a', security: [] } }",
            "paths.`/a`.get.`$ref`: should be removed: only a whole path can be a reference",
            "match: { methods: [GET], paths: [\"/crm/a\"] }\n    access: denied\n",
        ),
        (
            "/a: { $ref: 'other.yaml#/paths/~1a' }",
            "paths.`/a`.`$ref`: `other.yaml#/paths/~1a` leads out of this document",
            "match: { methods: [DELETE], paths: [\"/crm/a\"] }\n    access: denied\n",
        ),
        (
            "/a#list: { get: { security: [{ o: [list] }] } }",
            "paths.`/a#list`: `/a#list` can't be a rule's path: a path has no `?` and no `#`",
            "match: { methods: [GET], paths: [\"/crm/a\"] }\n    require: { scopes: [\"list\"] }\n",
        ),
    ] {
        let api = Api::read("test", &format!("{head}{path} }} }}")).unwrap();
        let mount = Mount::new(ModulePrefix::parse("/crm").unwrap());
        let rules = rules(&api, "test", "crm", &mount).unwrap();
        assert!(rules.text.contains(rule), "{path}: {}", rules.text);
        let other = "match: { methods: [GET], paths: [\"/crm/b\"] }\n    require: { scopes: [\"read\"] }\n";
        assert!(rules.text.contains(other), "{path}: {}", rules.text);
        let warnings: Vec<String> = rules.warnings.iter().map(ToString::to_string).collect();
        assert!(matches!(&*warnings, [one] if one.contains(reported)), "{path}: {warnings:?}");
    }
}

/// Checks that names which can never match and relative servers are reported, with their location and what to write.
#[test]
fn names_that_never_match_and_relative_servers_are_warned_about() {
    for (document, expected) in [
        (
            "{ openapi: 3.1.0, servers: [{ url: v1 }], paths: { /a: { get: {} } } }",
            "servers[0].url: `v1` is relative to the address of the description; rules take it as `/v1`, so write `/v1`, or a whole URL",
        ),
        (
            "{ swagger: '2.0', basePath: v1, paths: { /a: { get: {} } } }",
            "basePath: `v1` is relative to the address of the description",
        ),
        (
            "{ openapi: 3.1.0, components: { securitySchemes: { o: { type: oauth2 } } }, paths: { /a: { get: { security: [{ o: [read write] }] } } } }",
            "paths.`/a`.get.security[0].o[0]: `read write` can never match",
        ),
    ] {
        let api = Api::read("test", document).unwrap();
        let rules = rules(&api, "test", "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap())).unwrap();
        assert!(
            rules.warnings.iter().any(|found| found.to_string().contains(expected)),
            "{document}: {:?}",
            rules.warnings
        );
    }
    for url in ["/v1", "/", "https://api.example.com/v1", "//api.example.com/v1"] {
        let api =
            Api::read("test", &format!("{{ openapi: 3.1.0, servers: [{{ url: '{url}' }}], paths: {{}} }}")).unwrap();
        assert!(api.found.is_empty(), "{url}: {:?}", api.found);
    }
}

/// Checks that the expansion of references and of URLs with many values is bounded.
#[test]
fn a_small_description_does_not_grow_large() {
    let paths: Vec<String> = (0..2_000).map(|number| format!("/a{number}: {{ $ref: '#/x-a' }}")).collect();
    let methods: Vec<String> = (0..100).map(|number| format!("M{number}: {{}}")).collect();
    let (paths, methods) = (paths.join(","), methods.join(","));
    let servers = "{ url: /v1 },".repeat(1_000);
    let value = "v".repeat(4_000);
    for (document, expected) in [
        (
            format!("{{ openapi: 3.2.0, x-a: {{ additionalOperations: {{ {methods} }} }}, paths: {{ {paths} }} }}"),
            "among paths with at most 100,000 operations",
        ),
        (
            format!("{{ openapi: 3.2.0, x-a: {{ servers: [{servers}], get: {{}} }}, paths: {{ {paths} }} }}"),
            "at most a million server URLs",
        ),
        (
            format!(
                "{{ openapi: 3.2.0, servers: [{{ url: '/{{v}}/{{v}}', variables: {{ v: {{ default: {value} }} }} }}] }}"
            ),
            "a URL of at most 4096 bytes",
        ),
    ] {
        let reported: Vec<String> =
            Api::read("test", &document).unwrap().found.iter().map(ToString::to_string).collect();
        assert!(reported.iter().any(|reported| reported.contains(expected)), "{expected}: {reported:?}");
    }
}

/// Checks that odd documents yield findings, and no invalid rules.
#[test]
fn unusual_documents_are_reported() {
    let mount = Mount::new(ModulePrefix::parse("/crm").unwrap());
    for (yaml, errors) in [
        ("{ openapi: 3.0.0 }", 0),
        ("{ openapi: 3.0.0, paths: null }", 1),
        ("{ openapi: 3.0.0, paths: [] }", 1),
        ("{ openapi: 3.0.0, paths: { /a: 1, x-b: 2, /c: { get: 3, x-d: 4, summary: 5 } } }", 2),
        ("{ openapi: 3.0.0, paths: { /a: { get: { security: {}, operationId: 7 } } } }", 2),
        ("{ openapi: 3.0.0, paths: { /a: { get: { security: [1, { x: [] }] } } } }", 2),
        ("{ openapi: 3.0.0, security: null, paths: {} }", 1),
        ("{ openapi: 3.0.0, paths: { /a: { $ref: '#/paths/~1a' } } }", 1),
        ("{ openapi: 3.0.0, paths: { /a: { $ref: 'other.yaml#/x' }, /b: { $ref: '#/x%zz' }, /c: { $ref: 1 } } }", 3),
        ("{ openapi: 3.0.0, servers: [{ url: '{x}' }, { x: 1 }, 2], paths: {} }", 3),
        ("{ openapi: 3.0.0, components: { securitySchemes: { a: 1, b: { $ref: '#/x' } } }, paths: {} }", 2),
        ("{ openapi: 3.2.0, paths: { /a: { additionalOperations: { COPY: {}, copy: {}, 'A B': {} } } } }", 2),
        ("{ swagger: '2.0', basePath: 3, paths: {} }", 1),
    ] {
        let api = Api::read("test", yaml).unwrap();
        let found = api.found.iter().filter(|found| found.what().severity() == Severity::Error).count();
        assert_eq!(found, errors, "{yaml}: {:?}", api.found);
        assert_eq!(rules(&api, "test", "crm", &mount).is_ok(), errors == 0, "{yaml}");
    }
}

#[test]
fn references_within_the_document_are_followed() {
    let yaml = "{ openapi: 3.1.0, paths: { /a: { $ref: '#/components/pathItems/A~1b%20c' } }, components: { \
                securitySchemes: { o: { $ref: '#/components/securitySchemes/p' }, p: { type: oauth2 } }, \
                pathItems: { 'A/b c': { get: { security: [{ o: [read] }] }, $ref: '#/x-more' } } }, x-more: { put: {} } }";
    let api = Api::read("test", yaml).unwrap();
    assert!(api.found.is_empty(), "{:?}", api.found);
    let text = rules(&api, "test", "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap())).unwrap().text;
    assert!(text.contains("require: { scopes: [\"read\"] }") || text.contains("methods: [PUT]"), "{text}");
}

/// Checks that no text from a document becomes its own line in the configuration.
#[test]
fn a_document_writes_nothing_but_its_rules() {
    for version in ["3.0.3\nfallback: authenticated", "3.0.3 x", "3.0.", "3.1.0\u{85}a", "3.00", "3.0.3#"] {
        let document = serde_json::json!({ "openapi": version, "paths": {} }).to_string();
        let taken = Api::read("test", &document)
            .map(|api| rules(&api, "test", "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap())));
        assert!(taken.is_err() || version == "3.0.", "{version:?}");
    }
    let methods = "{ openapi: 3.2.0, paths: { /u: { additionalOperations: { \"'DELETE'\": { security: [] } } } } }";
    let text =
        rules(&Api::read("test", methods).unwrap(), "test", "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap()))
            .unwrap()
            .text;
    assert!(text.contains("methods: [\"'DELETE'\"]"), "{text}");
    // The reviewer must see the actual text.
    let turned = "{ openapi: 3.2.0, paths: { \"/a\\u202eb\": { get: { security: [] } } } }";
    let text =
        rules(&Api::read("test", turned).unwrap(), "test", "crm", &Mount::new(ModulePrefix::parse("/crm").unwrap()))
            .unwrap()
            .text;
    assert!(text.contains("paths: [\"/crm/a\\u202eb\"]") && !text.contains('\u{202e}'), "{text}");
    let servers: Vec<_> = (0..17).map(|number| serde_json::json!({ "url": format!("/v{number}") })).collect();
    let values: Vec<String> = (0..17).map(|number| format!("v{number}")).collect();
    let server = serde_json::json!({ "url": "/{v}", "variables": { "v": { "default": "v0", "enum": values } } });
    let one = serde_json::json!({ "openapi": "3.0.0", "servers": [server], "paths": {} }).to_string();
    assert_eq!(Api::read("test", &one).unwrap().found.len(), 1);
    let many = serde_json::json!({ "openapi": "3.0.0", "servers": servers, "paths": {} }).to_string();
    assert_eq!(Api::read("test", &many).unwrap().found.len(), 1);
}
