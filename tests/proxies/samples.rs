//! The files in `deploy/proxies` are what `modgud proxy` writes, and what it can't write is an error that says so.

use crate::cli::process::{Output, run_in};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders, each with its file.
const SAMPLES: [(&str, &str); 5] = [
    ("nginx", "modgud.conf"),
    ("caddy", "Caddyfile"),
    ("haproxy", "haproxy.cfg"),
    ("traefik", "dynamic.yaml"),
    ("envoy", "ext_authz.yaml"),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/proxies").join(name)
}

#[tokio::test]
async fn each_sample_is_what_the_command_writes() {
    for (name, file) in SAMPLES {
        let output = run_in(&folder(name), &[], &["proxy", "--config", "modgud.yaml"]).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{name}");
        assert_eq!(output.out, fs::read_to_string(folder(name).join(file)).unwrap(), "{name}: write {file} again");
    }
    let output = run_in(&folder("haproxy"), &[], &["proxy", "--config", "modgud.yaml", "--lua"]).await;
    assert_eq!(output.out, fs::read_to_string(folder("haproxy").join("modgud.lua")).unwrap());
    let folders = fs::read_dir(folder("")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(folders, SAMPLES.len());
}

/// Runs the command with this configuration.
async fn proxy(config: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), config).unwrap();
    run_in(folder.path(), &[], &[&["proxy", "--config", "modgud.yaml"], arguments].concat()).await
}

#[tokio::test]
async fn what_can_not_be_written_is_an_error() {
    let config = |listen: &str, proxy: &str, more: &str| {
        format!("profile: bifrost\nserver: {{ http: {{ listen: '{listen}', proxy: {proxy} }} }}\n{more}\n")
    };
    let module = "modules: [{ name: crm, prefix: /crm, upstream: 'crm:8080' }]";
    let header = |name: &str| format!("upstream: {{ headers: {{ \"{name}\": {{ claim: a }} }} }}\n{module}");
    let service = |key: &str| format!("modules: [{{ name: crm, prefix: /crm, upstream: 'crm:8080', {key} }}]");
    for (config, arguments, error) in [
        (format!("profile: bifrost\n{module}"), &[][..], "the configuration has no `server.http`"),
        (config("127.0.0.1:0", "nginx", module), &[], "port 0"),
        (config("127.0.0.1:1", "nginx", ""), &[], "no `modules` and no `core.upstream`"),
        (config("127.0.0.1:1", "nginx", module), &["--lua"], "only HAProxy has a script"),
        (config("unix:@modgud", "nginx", module), &[], "nginx can't connect to an abstract socket"),
        (config("unix:/run/a.sock", "traefik", module), &[], "traefik can't connect to a Unix socket"),
        (config("unix:/run/a;b.sock", "nginx", module), &[], "the path of the socket `/run/a;b.sock`"),
        (config("unix:/run/a{b}.sock", "caddy", module), &[], "the path of the socket"),
        (config("127.0.0.1:1", "nginx", &header("x.user")), &[], "the header `x.user`"),
        (config("127.0.0.1:1", "haproxy", &header("x'user")), &[], "the header `x'user`"),
        (config("127.0.0.1:1", "haproxy", module), &["--lua-file", "/a b.lua"], "the path of the script"),
        (config("127.0.0.1:1", "nginx", &service("tls: { ca: ca.pem }")), &[], "`crm` has `tls`"),
        (config("127.0.0.1:1", "caddy", &service("protocol: http2")), &[], "`crm` has `protocol: http2`"),
        (
            config("127.0.0.1:1", "nginx", "modules: [{ name: a, prefix: /_modgud, upstream: 'a:80' }]"),
            &[],
            "`a` has the prefix `/_modgud`",
        ),
        (
            config("127.0.0.1:1", "nginx", &format!("denials: {{ headers: {{ X-Accel-Redirect: /a }} }}\n{module}")),
            &[],
            "`X-Accel-Redirect` is an order to nginx",
        ),
        (
            config("127.0.0.1:1", "nginx", &header("x-accel-expires")),
            &[],
            "`x-accel-expires` is a header of the proxy's",
        ),
        (config("127.0.0.1:1", "nginx", module), &["--listen", "8000"], "write `0.0.0.0:8000`"),
    ] {
        let output = proxy(&config, arguments).await;
        assert_ne!(output.code, Some(0), "{config}");
        assert!(output.err.contains(error) && output.out.is_empty(), "{config}: {}", output.err);
    }
    for (listen, name, expected) in [
        ("unix:/run/modgud/http.sock", "nginx", "server unix:/run/modgud/http.sock;"),
        ("unix:/run/modgud/http.sock", "caddy", "reverse_proxy unix//run/modgud/http.sock {"),
        ("unix:/run/modgud/http.sock", "haproxy", "server modgud unix@/run/modgud/http.sock"),
        ("unix:@modgud", "envoy", "pipe: { path: \"@modgud\" }"),
        ("127.0.0.1:9193", "nginx", "server 127.0.0.1:9193;"),
    ] {
        let output = proxy(&config(listen, name, module), &[]).await;
        assert!(output.out.contains(expected), "{name}: {}{}", output.out, output.err);
    }
    let elsewhere =
        proxy(&config("127.0.0.1:0", "nginx", module), &["--modgud", "modgud:9193", "--listen", "[::]:80"]).await;
    assert!(
        elsewhere.out.contains("server modgud:9193;") && elsewhere.out.contains("listen [::]:80 ipv6only=off;"),
        "{elsewhere:?}"
    );
    let timeout = proxy(&config("127.0.0.1:1", "nginx", &service("timeout: 5s")), &[]).await;
    assert_eq!(timeout.code, Some(0), "{timeout:?}");
    assert!(timeout.err.contains("warning: `timeout` of `crm` is written for Envoy only"), "{timeout:?}");
}

/// A prefix or a sign of a header that modgud reads is not removed before modgud reads it. modgud then denies the others.
#[tokio::test]
async fn what_modgud_reads_is_not_removed_before() {
    let config = |proxy: &str, header: &str| {
        format!(
            "profile: bifrost\nserver: {{ http: {{ listen: '127.0.0.1:1', proxy: {proxy} }} }}\nrules:\n  - {{ name: a, match: {{ paths: \
             [/crm/a] }}, when: 'request.headers[\"{header}\"] == \"a\"' }}\nupstream: {{ keep: [x-forwarded-prefix] }}\nmodules: [{{ name: \
             crm, prefix: /crm, upstream: 'crm:8080' }}]\n"
        )
    };
    for (name, header, kept, removed) in [
        ("caddy", "x-core-token", "request_header -x-core-*", "request_header -x-organization-*"),
        ("caddy", "x_key", "request_header -*_*", "request_header -x-core-*"),
        ("caddy", "x-key", "request_header -x-forwarded-prefix", "request_header -*_*"),
        ("nginx", "x_key", "underscores_in_headers off", "underscores_in_headers on"),
        ("nginx", "x-key", "underscores_in_headers on", "underscores_in_headers off"),
        ("nginx", "x-key", "proxy_set_header x-forwarded-prefix \"\"", "proxy_set_header x-forwarded-user \"\""),
        ("haproxy", "x-core-token", "x[^a-z0-9]core[^a-z0-9].*", "x[^a-z0-9]organization[^a-z0-9].*"),
        ("traefik", "x-key", "x-forwarded-prefix: \"\"", "x-forwarded-user: \"\""),
    ] {
        let output = proxy(&config(name, header), &[]).await;
        assert_eq!(output.code, Some(0), "{name}: {header}: {}", output.err);
        assert!(!output.out.contains(kept), "{name}: {header}: {kept}");
        assert!(output.out.contains(removed), "{name}: {header}: {removed}");
    }
}
