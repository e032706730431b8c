//! Envoy's configuration: its inputs, and [`Bootstrap`], which fills the template `envoy.yaml.jinja`. The template engine
//! escapes every text as a YAML scalar. `deploy/envoy.yaml` is the output for `deploy/modgud.yaml`. The template is also that of the four
//! files for which Envoy needs no restart, and of the parts for an Envoy with a configuration of its own.

mod docs;
mod ext_authz_cluster;
mod filter;
mod fragments;
mod health;
mod service;
#[cfg(test)]
mod tests;
mod version;
mod xds;

pub use docs::Docs;
pub use ext_authz_cluster::{CheckCluster, NoCheckCluster, UpstreamTls};
pub use filter::Filter;
pub use service::{Protocol, Retries, Service, ServiceTls};
pub use version::EnvoyVersion;
pub use xds::XdsFiles;

use crate::net::upstream_addr::HostPort;
use crate::yaml;
use minijinja::syntax::SyntaxConfig;
use minijinja::{UndefinedBehavior, Value, context};
use modgud_core::authz::{ModuleName, ModulePrefix, ModuleReading};
use modgud_core::protected_resource::ProtectedResource;
use std::cmp::Reverse;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The template of the configuration.
const TEMPLATE: &str = include_str!("bootstrap/envoy.yaml.jinja");

/// The name of the core service's cluster, which no module can have. The template has it too.
const CORE: &str = "core";

/// The parts of modgud's configuration that Envoy's depends on.
#[derive(Debug, Clone, Default)]
pub struct GatewayConfig {
    /// The modules, in the order of the configuration. Their prefixes differ.
    pub modules: Vec<Module>,
    /// The service behind the reserved names.
    pub core: CoreService,
    /// The settings of the filter that calls modgud.
    pub filter: Filter,
    /// Transport security of connections to modgud.
    pub transport: Transport,
    /// Envoy's name in the header `server` of responses.
    pub server_name: &'static str,
    /// The metadata of the API, which Envoy serves itself; `None` without it.
    pub protected_resource: Option<ProtectedResource>,
}

/// A service behind a path prefix.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name, also that of its cluster.
    pub name: ModuleName,
    /// Its path prefix.
    pub prefix: ModulePrefix,
    /// True if the module receives paths with the prefix.
    pub keep_prefix: bool,
    /// Its interpretation of paths below the prefix.
    pub reading: ModuleReading,
    /// Its address.
    pub upstream: HostPort,
    /// Envoy's connection to it, and its treatment of requests.
    pub service: Service,
    /// True if an access list restricts its callers further.
    pub has_access_list: bool,
    /// The file of its API description; `None` if the configuration names none.
    pub openapi: Option<PathBuf>,
}

/// The service behind the reserved names: first segments that no module may have.
#[derive(Debug, Clone, Default)]
pub struct CoreService {
    /// Its address; `None` if no service has the names.
    pub upstream: Option<HostPort>,
    /// Envoy's connection to it, and its treatment of requests.
    pub service: Service,
    /// The reserved names.
    pub reserved: Vec<Box<str>>,
}

impl CoreService {
    /// Returns true if a first segment, or a module's name, is reserved. Letter case makes no difference: some services and proxies ignore it.
    #[must_use]
    pub fn reserves(&self, name: &str) -> bool {
        self.reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
    }
}

/// Transport security of connections to modgud (`server.tls`).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Without TLS.
    #[default]
    Plain,
    /// With TLS.
    Tls,
    /// With TLS; clients need a certificate.
    MutualTls,
}

/// The inputs of Envoy's configuration.
#[derive(Debug, Clone)]
pub struct Bootstrap<'c> {
    /// Modules, core service, and the settings of modgud's filter.
    pub gateway: &'c GatewayConfig,
    /// Envoy's listener for clients.
    pub listener: SocketAddr,
    /// The certificate of the listener; `None` without TLS.
    pub https: Option<CertificateFiles>,
    /// Envoy's own admin listener.
    pub admin: SocketAddr,
    /// The listener for probes and scrapes; `None` without one.
    pub health: Option<SocketAddr>,
    /// The address of modgud's checks.
    pub modgud: CheckCluster,
    /// TLS settings for connections to modgud; `None` without TLS.
    pub tls: Option<UpstreamTls>,
    /// Modgud's deadline for one check.
    pub deadline: Duration,
    /// Maximum number of concurrent checks in modgud.
    pub max_in_flight: usize,
    /// Envoy's name in the header `server` of responses; `None` for that of the configuration.
    pub server_name: Option<&'c str>,
    /// The description of the API that Envoy serves itself; `None` without one.
    pub docs: Option<Docs>,
    /// The version of Envoy.
    pub version: EnvoyVersion,
}

/// A certificate with its private key, as paths on Envoy's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate (PEM), followed by those of its issuers, if they are not known to the other side.
    pub cert: String,
    /// Its private key (PEM).
    pub key: String,
}

impl CertificateFiles {
    /// Returns the paths for the template.
    fn value(&self) -> Value {
        let Self { cert, key } = self;
        context! { cert, key }
    }
}

/// Errors of writing Envoy's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// Neither a module nor a core service.
    #[error(
        "the configuration has no `modules` and no `core.upstream`; write one of them, to have a route, or use --filter-only for an Envoy with routes of its own"
    )]
    Nothing,
    /// TLS without certificate authorities.
    #[error(
        "modgud serves TLS (`server.tls`); use --modgud-tls-ca with the file of the authorities of its certificate, as a path on Envoy's machine"
    )]
    NoAuthorities,
    /// TLS with an unknown server name.
    #[error(
        "modgud serves TLS (`server.tls`), and its address is not a name; use --modgud-tls-name with the name in its certificate"
    )]
    NoName,
    /// Mutual TLS without a client certificate.
    #[error(
        "modgud requires a client certificate (`server.tls.client_ca`); use --modgud-tls-cert and --modgud-tls-key with Envoy's files"
    )]
    NoClient,
    /// TLS for a modgud that serves plain connections.
    #[error("modgud does not serve TLS: the configuration has no `server.tls`; remove --modgud-tls-ca")]
    Plain,
    /// The health listener can't know the port of the admin interface.
    #[error(
        "the health listener forwards to the admin interface, whose port 0 is any free one; use --admin with another port"
    )]
    AdminPort,
    /// A module has the paths of the API description.
    #[error(
        "the module {0} has the path {1}, on which Envoy would serve the API description; remove --docs, or write another prefix"
    )]
    DocsTaken(String, &'static str),
    /// The template could not be filled.
    #[error("the template of Envoy's configuration is invalid: {0}")]
    Template(String),
}

impl Bootstrap<'_> {
    /// Returns the configuration as YAML.
    ///
    /// # Errors
    /// [`BootstrapError`] if an input is missing or contradicts modgud's configuration.
    pub fn yaml(&self) -> Result<String, BootstrapError> {
        self.check_routes()?;
        render(File::Envoy, self.values(None)?)
    }

    /// Checks that there is a route.
    fn check_routes(&self) -> Result<(), BootstrapError> {
        let GatewayConfig { modules, core, .. } = self.gateway;
        if modules.is_empty() && core.upstream.is_none() { Err(BootstrapError::Nothing) } else { Ok(()) }
    }

    /// Returns the values for the template.
    fn values(&self, xds: Option<&XdsFiles>) -> Result<Value, BootstrapError> {
        let Self {
            gateway,
            listener,
            https,
            admin,
            health,
            modgud,
            tls,
            deadline,
            max_in_flight,
            server_name,
            docs,
            version,
        } = self;
        let GatewayConfig {
            modules,
            core: CoreService { upstream: core, service: core_service, reserved },
            filter,
            transport,
            ..
        } = gateway;
        // Envoy takes the first match, so routes with more segments come first.
        let mut routes: Vec<&Module> = modules.iter().collect();
        routes.sort_by_key(|module| Reverse(module.prefix.segments()));
        let route = |module: &Module| {
            let Module { name, prefix, keep_prefix, service, .. } = module;
            context! {
                name => name.as_str(),
                prefix => prefix.as_str(),
                keep_prefix,
                fields => service.route_fields(),
                cookies => service.keeps_cookies,
                removed => Value::from_safe_string(yaml::quoted(&removed_prefix(prefix))),
            }
        };
        let core_paths = core.iter().flat_map(|_| reserved).map(|name| format!("/{name}"));
        let of_modules = modules.iter().map(|module| (module.name.as_str(), &module.upstream, &module.service));
        let clusters = of_modules.chain(core.iter().map(|upstream| (CORE, upstream, core_service)));
        let cluster = |(name, upstream, service): (&str, &HostPort, &Service)| {
            let (host, port) = (host(upstream.host()), upstream.port());
            context! { name, host, port, ..service.cluster() }
        };
        Ok(context! {
            version => Value::from_safe_string(version.to_string()),
            losses => version.losses().map(|loss| Value::from_safe_string(loss.to_owned())).collect::<Value>(),
            xds => xds.map_or_else(|| Value::from(()), XdsFiles::value),
            admin => address(*admin),
            listener => address(*listener),
            health => health::value(*health, *admin)?,
            https => https.as_ref().map_or_else(|| Value::from(()), CertificateFiles::value),
            server_name => server_name.unwrap_or(gateway.server_name),
            has_reserved => !reserved.is_empty(),
            timeout => Value::from_safe_string(timeout(*deadline)),
            deadline_ms => deadline.as_millis(),
            max_in_flight => *max_in_flight,
            // Always quoted, because it is a regular expression.
            removed_early => Value::from_safe_string(yaml::quoted(&filter.early_expression())),
            mutable_headers => Value::from_safe_string(yaml::quoted(filter::ANY_HEADER)),
            immutable_headers => Value::from_safe_string(yaml::quoted(&filter::immutable_expression())),
            sends_cookies => filter.sends_cookies,
            sends_certificate => filter.sends_certificate,
            sends_bodies => filter.sends_bodies,
            modgud => modgud.value(),
            tls => ext_authz_cluster::tls(*transport, tls.as_ref(), modgud)?,
            docs => docs::value(docs.as_ref(), modules)?,
            resource => gateway.protected_resource.as_ref().map_or_else(|| Value::from(()), metadata),
            routes => routes.into_iter().map(route).collect::<Value>(),
            core_paths => core_paths.collect::<Value>(),
            core_fields => core_service.route_fields(),
            core_cookies => core_service.keeps_cookies,
            clusters => clusters.map(cluster).collect::<Value>(),
        })
    }
}

/// Returns the metadata of the API for the template.
fn metadata(resource: &ProtectedResource) -> Value {
    let document = yaml::quoted(&String::from_utf8_lossy(&resource.document));
    // A rule sees no difference between the two.
    let paths: Vec<String> = resource.paths().flat_map(|path| [format!("{path}/"), path]).collect();
    context! { paths => paths, document => Value::from_safe_string(document) }
}

/// A file that the template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    /// The one file that has everything.
    Envoy,
    /// The start of an Envoy that reads the other files.
    Bootstrap,
    /// The listeners, without their routes.
    Listeners,
    /// The routes.
    Routes,
    /// The clusters.
    Clusters,
    /// The parts for an Envoy with a configuration of its own.
    Filter,
}

impl File {
    /// Returns its name in the template, also that of the file without `.yaml`.
    fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Bootstrap => "bootstrap",
            Self::Listeners => "listeners",
            Self::Routes => "routes",
            Self::Clusters => "clusters",
            Self::Filter => "filter",
        }
    }
}

/// Returns a file.
///
/// # Errors
/// [`BootstrapError::Template`].
fn render(file: File, values: Value) -> Result<String, BootstrapError> {
    let values = context! { file => file.name(), ..values };
    fill(values).map_err(|error| BootstrapError::Template(error.to_string()))
}

/// Fills the template. Escapes every text as a YAML scalar, except those marked safe. An undefined variable is an error.
fn fill(values: Value) -> Result<String, minijinja::Error> {
    let mut environment = minijinja::Environment::empty();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(|output, _, value| match value.as_str() {
        Some(text) if !value.is_safe() => Ok(output.write_str(&yaml::scalar(text))?),
        Some(_) | None => Ok(write!(output, "{value}")?),
    });
    environment.render_str(TEMPLATE, values)
}

/// Returns a listener's address for the template. Without `ipv4_compat`, Envoy serves only IPv6 on `[::]`.
fn address(address: SocketAddr) -> Value {
    let ipv4_compat = address.ip() == Ipv6Addr::UNSPECIFIED;
    context! { host => host(&address.ip().to_string()), port => address.port(), ipv4_compat }
}

/// Returns a regular expression (RE2) for what Envoy replaces by `/`: the prefix, and the slash that separates it from the rest.
fn removed_prefix(prefix: &ModulePrefix) -> String {
    // Of the characters of a prefix only `.` has a meaning here.
    format!("^{}/?", prefix.as_str().replace('.', "[.]"))
}

/// Returns a host for the template. An IPv4 address needs no quotes: Envoy reads it as text.
fn host(text: &str) -> Value {
    if text.parse::<Ipv4Addr>().is_ok() { Value::from_safe_string(text.to_owned()) } else { Value::from(text) }
}

/// Returns Envoy's timeout in its duration format: modgud's deadline plus 100 ms.
pub(crate) fn timeout(deadline: Duration) -> String {
    const MARGIN: Duration = Duration::from_millis(100);
    seconds(deadline.saturating_add(MARGIN))
}

/// Returns a duration in Envoy's format, in whole milliseconds.
fn seconds(duration: Duration) -> String {
    let text = format!("{}.{:03}", duration.as_secs(), duration.subsec_millis());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}
