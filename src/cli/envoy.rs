//! `modgud envoy`: Envoy's configuration, derived from modgud's.

mod lint;
mod xds;

use super::{Exit, print_error, print_line};
use crate::config::{Config, Environment, EphemeralKeys, Keys, Overrides, ProfileName, ServerConfig, load_with_keys};
use crate::envoy::bootstrap::{
    Bootstrap, BootstrapError, CertificateFiles, CheckCluster, Docs, EnvoyVersion, UpstreamTls,
};
use crate::net::listen_addr::ListenAddr;
use clap::builder::NonEmptyStringValueParser;
use modgud_core::authz::Access;
use modgud_core::decide::Snapshot;
use modgud_core::http::header::HeaderText;
use modgud_core::http::request::{Headers, Request};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Writes a complete, hardened configuration of Envoy on standard output, or as files that Envoy reads again when they change.
///
/// It has routes and clusters for `modules` and `core`. Its `ext_authz` filter calls modgud, which may change any header
/// but those of HTTP and Envoy. No key is read, and no variable has to be set.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  modgud envoy --config modgud.yaml > envoy.yaml && envoy --mode validate --config-path envoy.yaml\n  modgud envoy --config modgud.yaml --modgud modgud:9191 --listen 0.0.0.0:443 --tls-cert /etc/envoy/gateway.pem --tls-key /etc/envoy/gateway.key\n  modgud envoy --config modgud.yaml --health-listen 0.0.0.0:8001\n  modgud envoy --config modgud.yaml --xds envoy && envoy --config-path envoy/bootstrap.yaml\n  modgud envoy --config modgud.yaml --filter-only > modgud-envoy.yaml"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// The address on which Envoy listens for clients; `[::]:PORT` serves IPv4, too
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:8000", value_parser = listener)]
    listen: SocketAddr,
    /// The address of Envoy's own admin interface: it can end the process, so keep it on this machine
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9901", value_parser = listener)]
    admin: SocketAddr,
    /// A listener for probes and Prometheus on other machines: `GET /ready` and `GET /stats/prometheus` of the admin interface, and
    /// nothing else
    #[arg(long, value_name = "IP:PORT", value_parser = listener)]
    health_listen: Option<SocketAddr>,
    /// The address at which Envoy reaches modgud, instead of `server.grpc` on this machine: `HOST:PORT`, `unix:/PATH`
    /// or `unix:@NAME`
    #[arg(long, value_name = "ADDRESS")]
    modgud: Option<CheckCluster>,
    /// Envoy's name in the header `server` of responses; by default `bifrost` in that profile, else `modgud`
    #[arg(long, value_name = "NAME", value_parser = server_name)]
    server_name: Option<String>,
    /// The path, on Envoy's machine, of the API description that `modgud openapi merge` writes: Envoy serves it at `/docs/swagger.json`
    /// and `/docs` itself, also if there is a core service
    #[arg(long, value_name = "FILE")]
    docs: Option<String>,
    /// The path, on Envoy's machine, of the page that `modgud openapi page` writes: Envoy serves it at `/docs`
    #[arg(long, value_name = "FILE", requires = "docs")]
    docs_page: Option<String>,
    /// Write only what an Envoy with a configuration of its own needs: filter, settings of the connection manager, cluster, runtime. No
    /// modules are needed. `docs/add-to-your-envoy.md` has the places for them
    #[arg(long, conflicts_with_all = ["listen", "admin", "health_listen", "server_name", "docs", "docs_page", "folder", "path", "https_cert", "https_key"])]
    filter_only: bool,
    /// Envoy's version: comments in the output list what an older one lacks
    #[arg(long = "for", value_name = "VERSION", value_enum, default_value_t)]
    version: EnvoyVersion,
    #[command(flatten)]
    xds: xds::Xds,
    #[command(flatten)]
    https: Https,
    #[command(flatten)]
    tls: Tls,
}

/// Commands about a configuration of Envoy that exists.
#[derive(Debug, clap::Subcommand)]
enum Command {
    Lint(lint::Args),
}

/// TLS options of the listener.
#[derive(Debug, clap::Args)]
struct Https {
    /// Serve HTTPS: the path, on Envoy's machine, of the listener's certificate (PEM), with those of its issuers
    #[arg(long = "tls-cert", value_name = "FILE", requires = "https_key", id = "https_cert", value_parser = NonEmptyStringValueParser::new())]
    cert: Option<String>,
    /// The path of its private key (PEM)
    #[arg(long = "tls-key", value_name = "FILE", requires = "https_cert", id = "https_key", value_parser = NonEmptyStringValueParser::new())]
    key: Option<String>,
}

/// Parses an address and a port. Of a port alone, or with a name, the error has the address that was probably meant.
pub(super) fn listener(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = |port: &str| port.parse::<u16>().ok();
        let meant = match text.rsplit_once(':') {
            Some(("", number)) => port(number).map(|port| format!("0.0.0.0:{port}")),
            Some(("localhost", number)) => port(number).map(|port| format!("127.0.0.1:{port}")),
            Some(_) => None,
            None => port(text).map(|port| format!("0.0.0.0:{port}")),
        };
        match meant {
            Some(meant) => format!("write `{meant}`"),
            None => "write an IP address and a port, such as `0.0.0.0:8443` or `[::]:8443`".to_owned(),
        }
    })
}

/// Returns true if two listeners can't be open on one machine.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    ListenAddr::Tcp(one).collides_with(&ListenAddr::Tcp(other))
}

/// Checks that the listeners of Envoy have addresses of their own. modgud's count if it is on the same machine.
fn check_listeners(args: &Args, server: &ServerConfig) -> Result<(), EnvoyError> {
    let Args { listen, admin, health_listen, modgud, .. } = args;
    let health = health_listen.map(|address| ("--health-listen", address));
    let envoy: Vec<_> = [("--listen", *listen), ("--admin", *admin)].into_iter().chain(health).collect();
    for (number, (other, taken)) in envoy.iter().enumerate() {
        let earlier = envoy.iter().take(number);
        if let Some((option, address)) = earlier.into_iter().find(|(_, address)| collide(*address, *taken)) {
            return Err(EnvoyError::Collision { option, address: *address, other, taken: *taken });
        }
    }
    let http = server.http.as_ref().map(|http| ("`server.http`", &http.listen));
    let checks = [("`server.grpc`", &server.grpc)].into_iter().chain(http).filter_map(|(key, address)| match address {
        ListenAddr::Tcp(address) => Some((key, *address)),
        ListenAddr::Unix(_) | ListenAddr::Abstract(_) => None,
    });
    let own = checks.chain([("`server.admin`", server.admin)]).filter(|_| modgud.is_none());
    for (other, taken) in own {
        if let Some((option, address)) = envoy.iter().copied().find(|(_, address)| collide(*address, taken)) {
            return Err(EnvoyError::Collision { option, address, other, taken });
        }
    }
    Ok(())
}

/// Checks that the text can be the value of a header.
fn server_name(text: &str) -> Result<String, String> {
    match HeaderText::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("the name {error}; write visible ASCII characters, such as `gateway`")),
    }
}

/// TLS options, with `server.tls`: how Envoy verifies modgud.
#[derive(Debug, clap::Args)]
struct Tls {
    /// With `server.tls`: the path, on Envoy's machine, of the certificate authorities (PEM) that issue modgud's
    /// certificate
    #[arg(long = "modgud-tls-ca", value_name = "FILE")]
    ca: Option<String>,
    /// The name in modgud's certificate; by default that of the address
    #[arg(long = "modgud-tls-name", value_name = "NAME", requires = "ca")]
    name: Option<String>,
    /// With `server.tls.client_ca`: the file of Envoy's client certificate (PEM)
    #[arg(long = "modgud-tls-cert", value_name = "FILE", requires_all = ["ca", "key"])]
    cert: Option<String>,
    /// The file of its private key (PEM)
    #[arg(long = "modgud-tls-key", value_name = "FILE", requires = "cert")]
    key: Option<String>,
}

/// Errors of writing Envoy's configuration.
#[derive(Debug, thiserror::Error)]
enum EnvoyError {
    #[error(
        "`server.grpc` has port 0, which is any free port; use --modgud with the address at which Envoy reaches modgud"
    )]
    AnyPort,
    #[error("{option} {address} is the address of {other} ({taken}) too; use another port")]
    Collision { option: &'static str, address: SocketAddr, other: &'static str, taken: SocketAddr },
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    #[error(transparent)]
    Xds(#[from] xds::XdsError),
}

pub(super) fn run(args: Args) -> Exit {
    if let Some(Command::Lint(args)) = &args.command {
        return lint::run(args);
    }
    let overrides = Overrides { profile: args.profile, ..Overrides::default() };
    let keys = Keys::Replaced(EphemeralKeys::default());
    let loaded = match load_with_keys(args.config.as_deref(), &overrides, &Environment::process(), keys) {
        Ok(loaded) => loaded,
        Err(error) => return print_error(error),
    };
    match write(args, &loaded.config) {
        Ok(text) => {
            print_line(text.trim_end());
            Exit::Done
        }
        Err(error) => print_error(error),
    }
}

/// Returns the configuration, or which files were written.
fn write(args: Args, config: &Config) -> Result<String, EnvoyError> {
    if !args.filter_only {
        check_listeners(&args, &config.server)?;
    }
    let Args {
        command: _,
        config: _,
        profile: _,
        listen,
        admin,
        health_listen,
        modgud,
        server_name,
        docs,
        docs_page,
        filter_only,
        version,
        xds,
        https,
        tls,
    } = args;
    let Config { server: ServerConfig { grpc, max_in_flight, .. }, snapshot, gateway, .. } = config;
    let modgud = modgud.or_else(|| CheckCluster::of(grpc)).ok_or(EnvoyError::AnyPort)?;
    let Tls { ca, name, cert, key } = tls;
    let files = |(cert, key)| CertificateFiles { cert, key };
    let (client, https) = (cert.zip(key).map(files), https.cert.zip(https.key).map(files));
    let tls = ca.map(|ca| UpstreamTls { ca, name, client });
    let (deadline, max_in_flight) = (snapshot.deadline, *max_in_flight);
    let server_name = server_name.as_deref();
    let docs = docs.map(|document| Docs { document, page: docs_page });
    if docs.is_some() {
        warn_of_closed_docs(snapshot);
    }
    let (listener, health) = (listen, health_listen);
    let bootstrap = Bootstrap {
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
    };
    if filter_only {
        return Ok(bootstrap.fragments()?);
    }
    match xds.files()? {
        Some(files) => Ok(files.write(&bootstrap)?),
        None => Ok(bootstrap.yaml()?),
    }
}

/// Warns if a credential is required for the API description: a browser has none when it opens the page.
fn warn_of_closed_docs(snapshot: &Snapshot) {
    for path in Docs::PATHS {
        let request = Request::parse(b"GET", path.as_bytes(), b"", Headers::default()).ok();
        let rule = request.as_ref().and_then(|request| snapshot.rules.find(request));
        if !rule.is_some_and(|rule| rule.access == Access::Public) {
            let text = "no public rule matches GET";
            let help =
                "add a rule with `access: public` and the path `/docs/{*rest}`, unless it is for known callers only";
            // A closed standard error is no reason to stop.
            let _ = writeln!(std::io::stderr().lock(), "modgud: warning: {text} `{path}`; {help}");
        }
    }
}
