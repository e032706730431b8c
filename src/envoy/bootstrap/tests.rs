//! Tests that the output is the sample with its replacements, and that no sample value remains in their place.

mod connection;

use super::filter::immutable_expression;
use super::{
    Bootstrap, BootstrapError, CertificateFiles, CheckCluster, CoreService, EnvoyVersion, Filter, GatewayConfig,
    Module, Service, ServiceTls, Transport, UpstreamTls, XdsFiles,
};
use modgud_core::authz::{ModuleName, ModulePrefix, ModuleReading};
use modgud_core::http::header::PROTOCOL_HEADERS;
use modgud_core::upstream::OVERRIDE_HEADERS;
use std::path::Path;
use std::time::Duration;

const SAMPLE: &str = include_str!("../../../deploy/envoy.yaml");

fn module(name: &str, prefix: &str, upstream: &str) -> Module {
    let prefix = ModulePrefix::parse(prefix).unwrap();
    let (upstream, reading) = (upstream.parse().unwrap(), ModuleReading::default());
    Module {
        name: ModuleName::new(name),
        prefix,
        keep_prefix: false,
        reading,
        upstream,
        service: Service::default(),
        has_access_list: false,
        openapi: None,
    }
}

fn gateway() -> GatewayConfig {
    GatewayConfig {
        modules: vec![module("a", "/a", "a:1"), module("a b", "/a/b/c", "[::1]:2"), module("on", "/a/b", "10.0.0.1:3")],
        core: CoreService {
            upstream: Some("core:8080".parse().unwrap()),
            service: Service { keeps_cookies: true, ..Service::default() },
            reserved: vec!["admin".into(), "docs".into()],
        },
        filter: Filter::default(),
        transport: Transport::Plain,
        server_name: "modgud",
        protected_resource: None,
    }
}

fn bootstrap(gateway: &GatewayConfig) -> Bootstrap<'_> {
    Bootstrap {
        gateway,
        listener: ([127, 0, 0, 2], 80).into(),
        https: None,
        admin: ([127, 0, 0, 3], 81).into(),
        health: None,
        modgud: "modgud:9191".parse().unwrap(),
        tls: None,
        deadline: Duration::from_millis(1_900),
        max_in_flight: 7,
        server_name: None,
        docs: None,
        version: EnvoyVersion::default(),
    }
}

#[test]
fn everything_of_the_sample_that_differs_is_replaced() {
    let gateway = gateway();
    let yaml = bootstrap(&gateway).yaml().unwrap();
    for gone in ["crm", "documents", "0.0.0.0", "9901", "8000", "x[^a-z0-9]core", "4096", "0.25s", "graphql", "STATIC"]
    {
        let code = yaml.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains(gone));
        assert_eq!(code.collect::<Vec<_>>(), [""; 0], "{gone}");
        assert!(SAMPLE.contains(gone), "{gone}");
    }
    for there in [
        "      address: 127.0.0.3\n      port_value: 81\n",
        "          address: 127.0.0.2\n          port_value: 80\n",
        "                      address: modgud\n                      port_value: 9191\n",
        "                      address: \"::1\"\n                      port_value: 2\n",
        "                      address: 10.0.0.1\n                      port_value: 3\n",
        "    - name: \"a b\"\n      type: STRICT_DNS\n",
        "    - name: \"on\"\n      type: STRICT_DNS\n",
        "    - name: modgud\n      type: STRICT_DNS\n",
        "timeout: 2s  # above modgud's own deadline (1900 ms)",
        "                          regex: \"[!#$%&'*+.^_`|~0-9a-z-]+\"\n",
        "                          regex: \"accept|connection|content[^a-z0-9]encoding|",
        "                server_name: modgud\n",
        "safe_regex: { regex: \"forwarded|path[^a-z0-9]info|",
        "            max_pending_requests: 7\n            max_requests: 7  #",
        "- { match: { path_separated_prefix: /docs }, route: { cluster: core } }\n\n  clusters:\n",
    ] {
        assert_eq!(yaml.matches(there).count(), 1, "{there}\n{yaml}");
    }
}

/// Checks that a module may have the address of the sample's modgud, and the name of a replaced part.
#[test]
fn what_operators_name_is_not_replaced() {
    let mut gateway = gateway();
    gateway.modules = vec![module("crm", "/documents", "127.0.0.1:9191"), module("documents", "/crm", "crm:8080")];
    gateway.core.reserved = vec!["admin".into(), "crm-2".into()];
    for (modgud, there) in [("127.0.0.1:9191", 2), ("modgud:1", 1)] {
        let yaml = Bootstrap { modgud: modgud.parse().unwrap(), ..bootstrap(&gateway) }.yaml().unwrap();
        let address = "                      address: 127.0.0.1\n                      port_value: 9191\n";
        assert_eq!(yaml.matches(address).count(), there, "{yaml}");
        assert_eq!(
            yaml.matches(
                "- match: { path_separated_prefix: /crm }\n                          route: { cluster: documents,"
            )
            .count(),
            1
        );
    }
}

#[test]
fn a_module_can_keep_its_prefix() {
    let mut gateway = gateway();
    gateway.modules.iter_mut().for_each(|module| module.keep_prefix = module.prefix.as_str() != "/a");
    let yaml = bootstrap(&gateway).yaml().unwrap();
    let routes: Vec<&str> = yaml.lines().filter_map(|line| line.trim().strip_prefix("route: ")).collect();
    assert_eq!(
        routes,
        [
            r#"{ cluster: "a b" }"#,
            r#"{ cluster: "on" }"#,
            r#"{ cluster: a, regex_rewrite: { pattern: { regex: "^/a/?" }, substitution: / } }"#
        ]
    );
    assert_eq!(yaml.matches("request_headers_to_remove: [cookie]").count(), 3, "{yaml}");
}

#[test]
fn the_listener_serves_tls_only_with_a_certificate() {
    let gateway = gateway();
    let plain = bootstrap(&gateway).yaml().unwrap();
    assert!(!plain.contains("DownstreamTlsContext") && plain.contains("--tls-cert FILE"), "{plain}");
    let https = Some(CertificateFiles { cert: "/etc/a.pem".to_owned(), key: "/etc/a.key".to_owned() });
    let yaml = Bootstrap { https, ..bootstrap(&gateway) }.yaml().unwrap();
    for there in [
        "                alpn_protocols: [h2, http/1.1]\n",
        "                  tls_minimum_protocol_version: TLSv1_2\n",
        "certificate_chain: { filename: /etc/a.pem }\n                    private_key: { filename: /etc/a.key }\n",
        "          transport_socket_connect_timeout: 10s",
    ] {
        assert_eq!(yaml.matches(there).count(), 1, "{there}\n{yaml}");
    }
}

/// Checks the order of routes: Envoy takes the first match.
#[test]
fn longer_prefixes_come_first() {
    let gateway = gateway();
    let yaml = bootstrap(&gateway).yaml().unwrap();
    let routes: Vec<&str> = yaml.lines().filter_map(|line| line.trim().strip_prefix("- match: ")).collect();
    // `prefix: /a` would also match `/ab`, which no rule of the module covers.
    assert_eq!(routes, ["/a/b/c", "/a/b", "/a"].map(|prefix| format!("{{ path_separated_prefix: {prefix} }}")));
}

#[test]
fn what_is_not_there_is_not_routed_to() {
    let mut gateway = gateway();
    gateway.core.upstream = None;
    let yaml = bootstrap(&gateway).yaml().unwrap();
    assert!(!yaml.contains("cluster: core") && !yaml.contains("name: core"), "{yaml}");
    let mut only_core = GatewayConfig { modules: Vec::new(), ..self::gateway() };
    let yaml = bootstrap(&only_core).yaml().unwrap();
    assert!(!yaml.contains("- match: ") && yaml.contains("    - name: core\n"), "{yaml}");
    only_core.core.upstream = None;
    assert_eq!(bootstrap(&only_core).yaml(), Err(BootstrapError::Nothing));
}

/// Checks that the mutation rules are those of every configuration: a reload that adds an identity header needs no other
/// `envoy.yaml`.
#[test]
fn mutation_rules_do_not_depend_on_the_configuration() {
    let rules = |gateway: &GatewayConfig| {
        let yaml = bootstrap(gateway).yaml().unwrap();
        let (_, rules) = yaml.split_once("decoder_header_mutation_rules:\n").unwrap();
        rules.split_once("\n\n").unwrap().0.to_owned()
    };
    let mut gateway = gateway();
    let before = rules(&gateway);
    gateway.filter.removed_early = vec!["x-tenant".to_owned(), "x-core-*".to_owned()];
    gateway.filter.sends_cookies = true;
    assert_eq!(rules(&gateway), before);
    let refused = immutable_expression();
    let names: Vec<String> = refused.split('|').map(|name| name.replace("[^a-z0-9]", "-")).collect();
    assert_eq!(names, PROTOCOL_HEADERS, "each refused name in every spelling, and no other");
}

#[test]
fn what_modgud_or_a_rule_reads_is_not_removed_early() {
    let early = |removed: &[&str], spared: &[&str]| {
        let filter = Filter {
            removed_early: removed.iter().map(|name| (*name).to_owned()).collect(),
            spared: spared.iter().map(|name| (*name).to_owned()).collect(),
            ..Filter::default()
        };
        filter.early_expression()
    };
    assert!(early(&[], &[]).starts_with("forwarded|path[^a-z0-9]info|"));
    assert!(early(&["x-core-*"], &[]).contains("|x[^a-z0-9]core[^a-z0-9].*|"));
    let spared = early(&["x-user", "x-core-*"], &["x-user", "x-core-a", "x-forwarded-host", "forwarded"]);
    assert!(spared.contains("|x[^a-z0-9-]user") && spared.starts_with("path[^a-z0-9]info|"), "{spared}");
    assert!(spared.contains("|x(?:-core(?:-(?:a.+|[^a].*)?|[^a-z0-9-].*)|[^a-z0-9-]core[^a-z0-9].*)|"), "{spared}");
    assert!(spared.contains("|x(?:-forwarded[^a-z0-9-]host|[^a-z0-9-]forwarded[^a-z0-9]host)|"), "{spared}");
    let all: Vec<&str> = OVERRIDE_HEADERS.iter().map(|header| header.name).collect();
    assert!(!early(&[], &all).contains("forwarded|"), "{}", early(&[], &all));
}

#[test]
fn what_modgud_has_to_see_is_sent_along() {
    let mut gateway = gateway();
    let yaml = bootstrap(&gateway).yaml().unwrap();
    assert!(yaml.contains("- exact: cookie") && yaml.contains("include_peer_certificate: false"));
    assert!(!yaml.contains("with_request_body"));
    gateway.filter.sends_cookies = true;
    gateway.filter.sends_certificate = true;
    gateway.filter.sends_bodies = true;
    let yaml = bootstrap(&gateway).yaml().unwrap();
    assert!(!yaml.contains("- exact: cookie") && yaml.contains("include_peer_certificate: true"));
    assert!(yaml.contains("with_request_body: { max_request_bytes: 65536, pack_as_bytes: true }"));
}

#[test]
fn a_listener_on_every_ipv6_address_serves_ipv4_too() {
    let gateway = gateway();
    for (listener, compatible) in [("[::]:80", true), ("[::1]:80", false), ("0.0.0.0:80", false)] {
        let yaml = Bootstrap { listener: listener.parse().unwrap(), ..bootstrap(&gateway) }.yaml().unwrap();
        assert_eq!(yaml.contains("          port_value: 80\n          ipv4_compat: true"), compatible, "{listener}");
        let yaml = Bootstrap { admin: listener.parse().unwrap(), ..bootstrap(&gateway) }.yaml().unwrap();
        assert_eq!(yaml.contains("      port_value: 80\n      ipv4_compat: true"), compatible, "{listener}");
    }
}

#[test]
fn the_health_listener_leads_to_the_admin_interface_of_this_machine() {
    let gateway = gateway();
    let written = |admin: &str, health: &str| {
        let (admin, health) = (admin.parse().unwrap(), health.parse().ok());
        Bootstrap { admin, health, ..bootstrap(&gateway) }.yaml()
    };
    assert!(!written("127.0.0.1:81", "").unwrap().contains("health\n"), "only with an address");
    assert_eq!(written("127.0.0.1:0", "0.0.0.0:82"), Err(BootstrapError::AdminPort));
    for (admin, host) in [
        ("127.0.0.1:81", "127.0.0.1"),
        ("0.0.0.0:81", "127.0.0.1"),
        ("[::]:81", "\"::1\""),
        ("[::1]:81", "\"::1\""),
        ("10.0.0.1:81", "10.0.0.1"),
    ] {
        let yaml = written(admin, "[::]:82").unwrap();
        for there in [
            &format!("                      address: {host}\n                      port_value: 81\n"),
            "          address: \"::\"\n          port_value: 82\n          ipv4_compat: true",
            "                stat_prefix: health\n                server_name: modgud\n",
        ] {
            assert_eq!(yaml.matches(there).count(), 1, "{admin}: {there}\n{yaml}");
        }
        let (_, health) = yaml.split_once("    - name: health\n").unwrap();
        let (health, _) = health.split_once("\n  clusters:\n").unwrap();
        assert_eq!(health.matches("- match:\n").count(), 1, "{health}");
        assert!(!health.contains("ext_authz") && !health.contains("access_log"), "{health}");
    }
}

/// Checks that every text of the configuration arrives as it is, whatever YAML or the template would read into it.
#[test]
fn texts_can_not_change_the_structure() {
    for odd in [
        "a\"b",
        "a\nb: c",
        "a: {b}",
        "a #b",
        "{{ deadline_ms }}",
        "{% if tls %}",
        "%}\\",
        "on",
        "1",
        "",
        "\u{85}é\u{2028}",
    ] {
        let mut gateway = GatewayConfig { transport: Transport::MutualTls, ..gateway() };
        gateway.modules = vec![module(odd, "/a", "a:1")];
        let of_service = CertificateFiles { cert: odd.to_owned(), key: odd.to_owned() };
        let tls = ServiceTls { ca: odd.to_owned(), name: odd.to_owned(), client: Some(of_service) };
        gateway.modules[0].service.tls = Some(tls);
        let client = Some(CertificateFiles { cert: odd.to_owned(), key: odd.to_owned() });
        let tls = Some(UpstreamTls { ca: odd.to_owned(), name: Some(odd.to_owned()), client });
        let modgud = format!("unix:/run/{}", odd.replace('\n', " "));
        let modgud: CheckCluster = modgud.parse().unwrap_or_else(|_| "unix:/run/other".parse().unwrap());
        let https = Some(CertificateFiles { cert: odd.to_owned(), key: odd.to_owned() });
        let yaml = Bootstrap { https, tls, modgud: modgud.clone(), ..bootstrap(&gateway) }.yaml().unwrap();
        let listener = "/static_resources/listeners/0/filter_chains/0/transport_socket/typed_config/common_tls_context/tls_certificates/0";
        let read: serde_json::Value =
            serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{odd:?}: {error}\n{yaml}"));
        let clusters = &read["static_resources"]["clusters"];
        let CheckCluster::Socket(path) = modgud else { panic!("{odd:?} is a socket") };
        let endpoint = &clusters[0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"];
        assert_eq!(endpoint["pipe"]["path"], *path.as_path().to_str().unwrap());
        let context = |cluster: usize| &clusters[cluster]["transport_socket"]["typed_config"];
        let common = |cluster: usize| &context(cluster)["common_tls_context"];
        let route = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0";
        for text in [
            &clusters[1]["name"],
            &clusters[1]["load_assignment"]["cluster_name"],
            &read.pointer(route).unwrap()["route"]["cluster"],
            &read.pointer(listener).unwrap()["certificate_chain"]["filename"],
            &read.pointer(listener).unwrap()["private_key"]["filename"],
        ] {
            assert_eq!(*text, odd, "{yaml}");
        }
        for cluster in [0, 1] {
            let (validation, certificate) =
                (&common(cluster)["validation_context"], &common(cluster)["tls_certificates"][0]);
            for text in [
                &context(cluster)["sni"],
                &validation["trusted_ca"]["filename"],
                &validation["match_typed_subject_alt_names"][0]["matcher"]["exact"],
                &certificate["certificate_chain"]["filename"],
                &certificate["private_key"]["filename"],
            ] {
                assert_eq!(*text, odd, "{yaml}");
            }
        }
    }
}

/// Checks that each file that a person starts from lists what this version of Envoy lacks.
#[test]
fn files_for_older_versions_list_what_is_lost() {
    let gateway = gateway();
    let losses = |yaml: &str| yaml.lines().filter(|line| line.starts_with("# Lost with ")).count();
    for (version, number) in [(EnvoyVersion::V1_36, 3), (EnvoyVersion::V1_39, 1), (EnvoyVersion::V1_40, 0)] {
        let bootstrap = Bootstrap { version, ..bootstrap(&gateway) };
        let mut files = bootstrap.xds(&XdsFiles::new(Path::new("/etc/envoy"))).unwrap();
        let (_, start) = files.pop().unwrap();
        for yaml in [start, bootstrap.yaml().unwrap(), bootstrap.fragments().unwrap()] {
            assert!(yaml.contains(&format!("For Envoy {version}.")), "{yaml}");
            assert_eq!(losses(&yaml), number, "{yaml}");
        }
        assert!(files.iter().all(|(_, yaml)| losses(yaml) == 0));
    }
}

/// Checks the parts for another Envoy: no module is needed, and nothing of listeners, routes and services is in them.
#[test]
fn the_parts_have_nothing_of_the_rest() {
    let mut gateway = gateway();
    let with_modules = bootstrap(&gateway).fragments().unwrap();
    gateway.modules.clear();
    gateway.core.upstream = None;
    let yaml = bootstrap(&gateway).fragments().unwrap();
    assert_eq!(yaml, with_modules);
    let keys: Vec<&str> = yaml.lines().filter(|line| !line.starts_with([' ', '#']) && !line.is_empty()).collect();
    assert_eq!(keys, ["layered_runtime:", "http_connection_manager:", "static_resources:"]);
    for gone in [
        "listeners",
        "route_config",
        "access_log",
        "cors.v3",
        "router",
        "server_name",
        "admin:",
        "STRICT_DNS\n    - name",
    ] {
        let code = yaml.lines().filter(|line| !line.trim_start().starts_with('#') && line.contains(gone));
        assert_eq!(code.collect::<Vec<_>>(), [""; 0], "{gone}");
    }
    assert!(yaml.lines().all(|line| line.len() < 160 || line.contains("regex: ")), "{yaml}");
}
