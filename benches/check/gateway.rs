//! Requests through a real Envoy: with modgud, with the empty server, with Envoy's own `jwt_authn`, and without any of
//! them.

use super::case::{KNOWN, RIVAL, Response, TREE, half_of, rate};
use super::load::{Load, Sample};
use super::pace::Pace;
use super::process::{MODGUD, Server};
use super::requests::{Folder, HEADERS, write};
use super::series::{Progress, Rounds, Series};
use super::{Outcome, http1};
use modgud_core::jose::{Algorithm, PublicJwk};
use modgud_testbed::{Process, Programs, start_envoy};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// The filters that are measured, in the order of the report. modgud and the empty server are numbered as in every
/// comparison.
pub(crate) const FILTERS: [&str; 5] = [
    "`ext_authz` and modgud",
    "`ext_authz` and the empty server",
    "`jwt_authn` with its cache",
    "`jwt_authn` without its cache",
    "none of these",
];
const JWT_AUTHN_CACHED: usize = 2;
const JWT_AUTHN: usize = 3;
/// Envoy without any of these filters.
pub(crate) const ALONE: usize = 4;

/// Number of different tokens, all of them in every cache.
pub(crate) const TOKENS: usize = 500;
/// Connections to Envoy, each with one request in flight.
pub(crate) const CONNECTIONS: usize = 16;

/// The results.
pub(crate) struct Gateway {
    /// CPU time, with [`CONNECTIONS`] requests in flight.
    pub(crate) cpu: Series,
    pub(crate) pace: Pace,
    /// Latency at a fixed rate.
    pub(crate) latency: Series,
}

/// The inputs of all rounds.
struct Setup<'a> {
    programs: Programs,
    folder: &'a Folder,
    /// A configuration of the profile `bifrost`.
    config: &'a Path,
    /// modgud's response, which the empty server sends.
    response: &'a Path,
    requests: PathBuf,
    /// The public key as a JWKS, for `jwt_authn`.
    jwks: String,
    runtime: Runtime,
}

/// Measures all filters: CPU time first, then latency at half of the least throughput.
pub(crate) fn measure(
    envoy: &Path,
    folder: &Folder,
    cpu: Rounds,
    latency: Rounds,
    progress: &mut Progress,
) -> Outcome<Gateway> {
    progress.part("Envoy, CPU");
    let program = Path::new(MODGUD);
    let config = folder.configuration(Response::BiFrost.configuration())?;
    let response = folder.response(KNOWN, program, &config)?;
    let requests = folder.path().join("http1.requests");
    write(&requests, folder.known_tokens.iter().take(TOKENS).map(|token| request(Some(token))))?;
    let key = PublicJwk::from_pem(&folder.public_pem, Algorithm::Rs256)?;
    let setup = Setup {
        // The testbed's other services, which need Python, are not started.
        programs: Programs { modgud: program.into(), envoy: envoy.into(), python: PathBuf::new() },
        folder,
        config: &config,
        response: &response.file,
        requests,
        jwks: json!({ "keys": [key.jwk()] }).to_string(),
        runtime: Builder::new_multi_thread().worker_threads(1).enable_all().build()?,
    };
    let in_flight = Pace::InFlight(CONNECTIONS);
    let cpu = Series::measure(cpu.count, FILTERS.len(), progress, |filter| setup.sample(filter, in_flight, cpu))?;
    let least = (0..FILTERS.len()).map(|filter| cpu.spread(filter, rate).median).fold(f64::INFINITY, f64::min);
    let pace = half_of(least);
    progress.part(&format!("Envoy, {pace}"));
    let latency =
        Series::measure(latency.count, FILTERS.len(), progress, |filter| setup.sample(filter, pace, latency))?;
    Ok(Gateway { cpu, pace, latency })
}

/// Returns the version of an Envoy program.
pub(crate) fn version(envoy: &Path) -> Outcome<String> {
    let output = Command::new(envoy).arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    // `PROGRAM  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
    let version = text.split_once(" version: ").and_then(|(_, version)| version.split('/').nth(1));
    Ok(version.ok_or("Envoy did not print its version")?.to_owned())
}

impl Setup<'_> {
    fn sample(&self, filter: usize, pace: Pace, rounds: Rounds) -> Outcome<Sample> {
        let server = match filter {
            TREE => Some(Server::modgud(Path::new(MODGUD), self.folder, self.config)?),
            RIVAL => Some(Server::empty(self.response, None)?),
            _ => None,
        };
        let files = tempfile::tempdir()?;
        let (envoy, address) = self.envoy(filter, server.as_ref().map(|server| server.address), &files)?;
        try_out(filter, address)?;
        let envoy_pid = envoy.id().ok_or("Envoy ended")?;
        let sample = Load {
            server: address,
            pid: [envoy_pid].into_iter().chain(server.as_ref().map(Server::pid)).collect(),
            warm_up: self.requests.clone(),
            requests: self.requests.clone(),
            response: None,
            connections: CONNECTIONS,
            certificate: None,
            once: false,
            warm: rounds.warm,
            seconds: rounds.seconds,
            pace,
        }
        .start();
        self.runtime.block_on(envoy.end());
        sample
    }

    /// Starts Envoy with one worker.
    fn envoy(&self, filter: usize, server: Option<SocketAddr>, files: &TempDir) -> Outcome<(Process, SocketAddr)> {
        let address = server.map_or_else(|| "127.0.0.1:9".to_owned(), |server| server.to_string());
        let mut modgud_envoy = Command::new(MODGUD);
        modgud_envoy.args(["envoy", "--filter-only", "--modgud", &address, "--config"]).arg(self.config);
        let output = modgud_envoy.output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let parts: Value = serde_saphyr::from_str(std::str::from_utf8(&output.stdout)?)?;
        let bootstrap = self.bootstrap(filter, parts).ok_or("the parts of `modgud envoy --filter-only` are unknown")?;
        // JSON is YAML, too.
        std::fs::write(files.path().join("envoy.yaml"), bootstrap.to_string())?;
        let (envoy, _, listener) = self.runtime.block_on(start_envoy(&self.programs, files.path()))?;
        Ok((envoy, listener))
    }

    /// Builds Envoy's configuration from the parts that `modgud envoy --filter-only` writes. All filters have the same
    /// settings around them. The route responds itself, so that no service's cost is in the figures.
    fn bootstrap(&self, filter: usize, mut parts: Value) -> Option<Value> {
        let mut manager = parts["http_connection_manager"].take();
        let mut cluster = parts.pointer_mut("/static_resources/clusters/0")?.take();
        // The empty server has no health service.
        cluster.as_object_mut()?.remove("health_checks")?;
        let filters = manager.as_object_mut()?.get_mut("http_filters")?.as_array_mut()?;
        match filter {
            TREE | RIVAL => {}
            JWT_AUTHN => *filters = vec![self.jwt_authn(json!({}))],
            JWT_AUTHN_CACHED => *filters = vec![self.jwt_authn(json!({ "jwt_cache_size": TOKENS * 2 }))],
            _ => filters.clear(),
        }
        let types = "type.googleapis.com/envoy.extensions.filters";
        filters.push(json!({
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": format!("{types}.http.router.v3.Router") },
        }));
        manager["@type"] = format!("{types}.network.http_connection_manager.v3.HttpConnectionManager").into();
        manager["stat_prefix"] = "gateway".into();
        manager["route_config"] = json!({ "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{
                "match": { "prefix": "/" },
                "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
            }],
        }] });
        let any_port = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
        Some(json!({
            "admin": { "address": any_port },
            "layered_runtime": parts["layered_runtime"],
            "static_resources": {
                "listeners": [{
                    "name": "gateway",
                    "address": any_port,
                    "filter_chains": [{ "filters": [{
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }] }],
                }],
                "clusters": [cluster],
            },
        }))
    }

    /// Returns Envoy's own filter, which verifies the same tokens and sets the same identity headers.
    fn jwt_authn(&self, cache: Value) -> Value {
        let header = |(name, claim): (&str, &str)| json!({ "header_name": name, "claim_name": claim });
        let mut provider = json!({
            "issuer": "bifrost",
            "from_headers": [{ "name": "Authorization", "value_prefix": "JWT " }],
            "forward": true,
            "local_jwks": { "inline_string": self.jwks },
            "claim_to_headers": IDENTITY.map(header),
        });
        if cache != json!({}) {
            provider["jwt_cache_config"] = cache;
        }
        json!({
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": { "bifrost": provider },
                "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "bifrost" } }],
            },
        })
    }
}

/// Verifies that a filter that authenticates is in place: it denies a request without a token.
fn try_out(filter: usize, envoy: SocketAddr) -> Outcome<()> {
    let expected = if matches!(filter, RIVAL | ALONE) { 200 } else { 401 };
    let status = http1::Connection::open(envoy)?.exchange(&request(None))?;
    if status == expected {
        Ok(())
    } else {
        Err(format!("Envoy with {}: status {status} without a token, not {expected}", FILTERS[filter]).into())
    }
}

/// The identity headers of the profile `bifrost`, and their claims.
const IDENTITY: [(&str, &str); 4] = [
    ("x-core-user-uuid", "core_user_uuid"),
    ("x-organization-uuid", "organization_uuid"),
    ("x-username", "username"),
    ("x-scope", "scope"),
];

/// Encodes the request of the checks in HTTP/1.1, without the headers that Envoy adds.
fn request(token: Option<&String>) -> Vec<u8> {
    let mut text = "GET /crm/appointment/?page=2 HTTP/1.1\r\nhost: api.example.com\r\n".to_owned();
    for (name, value) in HEADERS.iter().filter(|(name, _)| !name.starts_with(':') && !name.starts_with("x-")) {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if let Some(token) = token {
        text.extend(["authorization: JWT ", token, "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}
