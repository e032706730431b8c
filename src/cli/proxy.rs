//! `modgud proxy`: the configuration of another proxy than Envoy, derived from modgud's.

use super::envoy::listener;
use super::{Exit, print_error, print_line};
use crate::config::{Config, Environment, EphemeralKeys, HttpListener, Keys, Overrides, ProfileName, load_with_keys};
use crate::envoy::bootstrap::CheckCluster;
use crate::forward_auth::Proxy;
use crate::proxy::{LUA, ProxyConfig, ProxyError};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Writes the configuration of the proxy that `server.http.proxy` names on standard output.
///
/// nginx, Caddy and HAProxy get a complete configuration, with a route for each of `modules` and `core`; Traefik its dynamic
/// configuration; Envoy the filter and the cluster for its `http_service`. The proxy asks modgud about each request, forwards only
/// headers that modgud allows, and denies without an answer. No key is read, and no variable has to be set.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modgud proxy --config modgud.yaml > modgud.conf\n  modgud proxy --config modgud.yaml --lua-file /etc/haproxy/modgud.lua > haproxy.cfg\n  modgud proxy --config modgud.yaml --lua > /etc/haproxy/modgud.lua"
)]
pub(super) struct Args {
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// The address on which the proxy listens for clients; not for Envoy
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:8000", value_parser = listener)]
    listen: SocketAddr,
    /// The address at which the proxy reaches modgud, instead of `server.http.listen` on this machine: `HOST:PORT` or
    /// `unix:/PATH`
    #[arg(long, value_name = "ADDRESS")]
    modgud: Option<CheckCluster>,
    /// For HAProxy: write the script instead of the configuration
    #[arg(long)]
    lua: bool,
    /// For HAProxy: the path of the script on its machine
    #[arg(long, value_name = "FILE", default_value = "/etc/haproxy/modgud.lua")]
    lua_file: String,
}

/// Errors of this command.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(
        "the configuration has no `server.http`, at which a proxy asks modgud; write `server: {{ http: {{ listen: \"127.0.0.1:9193\", proxy: nginx }} }}`, with the name of your proxy"
    )]
    NoHttp,
    #[error(
        "`server.http.listen` has port 0, which is any free port; use --modgud with the address at which the proxy reaches modgud"
    )]
    AnyPort,
    #[error("only HAProxy has a script, and `server.http.proxy` is `{0}`; leave out --lua")]
    NoScript(&'static str),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

pub(super) fn run(args: Args) -> Exit {
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

fn write(args: Args, config: &Config) -> Result<String, Error> {
    let Args { config: _, profile: _, listen, modgud, lua, lua_file } = args;
    let HttpListener { listen: http, proxy, .. } = config.server.http.as_ref().ok_or(Error::NoHttp)?;
    if lua {
        return if *proxy == Proxy::Haproxy { Ok(LUA.to_owned()) } else { Err(Error::NoScript(proxy.name())) };
    }
    let modgud = modgud.or_else(|| CheckCluster::of(http)).ok_or(Error::AnyPort)?;
    let Config { snapshot, gateway, .. } = config;
    let config = ProxyConfig { proxy: *proxy, gateway, snapshot, listener: listen, modgud, lua: &lua_file };
    for (service, key) in config.for_envoy_only() {
        let help = format!("add it to the configuration of {}", proxy.name());
        // A closed standard error is no reason to stop.
        let _ = writeln!(
            std::io::stderr().lock(),
            "modgud: warning: `{key}` of `{service}` is written for Envoy only; {help}"
        );
    }
    Ok(config.text()?)
}
