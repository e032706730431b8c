//! `modgud check`: validates a configuration with the code that runs at startup. Prints a summary and the warnings.

use super::input::{Fetched, Progress, fetch_jwks};
use super::{Exit, print_error, print_line, print_warnings_error};
use crate::clock::Clock;
use crate::config::{Config, Environment, KeyMetadata, Loaded, OpenRule, Overrides, ProfileName, load};
use crate::envoy::bootstrap::{CoreService, GatewayConfig, Module};
use crate::jwks::describe;
use crate::net::tls::{Clients, Tls};
use modgud_core::authn::{
    ApiKeyAuthenticator, AudiencePolicy, Authenticator, CacheTtl, IntrospectionAuthenticator, JwtAuthenticator,
};
use modgud_core::authz::Fallback;
use modgud_core::time::Timestamp;
use modgud_core::upstream::{Forward, Mint};
use std::path::PathBuf;

/// Checks a configuration, with the keys and files that it names, and prints a summary.
///
/// All errors are reported together, each with its location. The JWKS of each provider is fetched once and listed.
/// Warnings about valid but risky settings follow the summary; they affect the exit code only with --deny-warnings.
/// Exit code 0: the configuration is valid. 1: it is invalid, or a JWKS could not be fetched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  modgud check --config modgud.yaml")]
pub(super) struct Args {
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// Fetch nothing: skip the JWKS of providers
    #[arg(long)]
    offline: bool,
    /// Exit with code 1 if there is a warning, too: for CI
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(args: &Args, environment: &Environment) -> Exit {
    let Args { config, profile, offline, deny_warnings } = args;
    let overrides = Overrides { profile: *profile, ..Overrides::default() };
    let loaded = match load(config.as_deref(), &overrides, environment) {
        Ok(loaded) => loaded,
        Err(error) => return print_error(error),
    };
    let now = Clock::System.now();
    summary(&loaded, now);
    let fetched = published(&loaded.config, *offline);
    let warnings = loaded.warnings(now);
    for warning in &warnings {
        print_line(format_args!("warning: {warning}"));
    }
    if *deny_warnings && !warnings.is_empty() { print_warnings_error(warnings.len()) } else { fetched }
}

fn summary(loaded: &Loaded, now: Timestamp) {
    let Loaded { config, origin, .. } = loaded;
    let snapshot = &config.snapshot;
    print_line(format_args!("{origin}: valid"));
    print_line(format_args!("  checks on {}, probes and metrics on {}", config.server.grpc, config.server.admin));
    print_line(format_args!("  at most {} connections for checks", config.server.max_connections()));
    if let Some((wanted, files)) = config.server.lacking_files() {
        print_line(format_args!(
            "    instead of {wanted} (server.max_connections): the process may open {files} files, and half of them, less 256, are for other uses"
        ));
    }
    config.tls.as_ref().inspect(|tls| self::tls(tls));
    let authenticators = snapshot.authenticators.list();
    if authenticators.is_empty() {
        print_line("  no authenticator: only public rules allow requests");
    }
    for (number, one) in authenticators.iter().enumerate() {
        authenticator(one, number, loaded, now);
    }
    let fallback = match snapshot.rules.fallback() {
        Fallback::Authenticated => "authenticated",
        Fallback::Denied => "denied",
    };
    print_line(format_args!(
        "  {} path patterns have a rule; all other requests: {fallback}",
        snapshot.rules.patterns()
    ));
    open(&loaded.open);
    gateway(&config.gateway);
    let headers: Vec<&str> = snapshot.upstream.identity.headers().iter().map(|header| header.name.as_str()).collect();
    print_line(format_args!(
        "  identity headers: {}",
        if headers.is_empty() { "none".to_owned() } else { headers.join(", ") }
    ));
    minted(&snapshot.upstream.forward);
}

/// Prints every rule that admits requests without a credential, and its origin.
fn open(rules: &[OpenRule]) {
    if rules.is_empty() {
        print_line("  open without a credential: none");
        return;
    }
    print_line("  open without a credential:");
    for rule in rules {
        print_line(format_args!("    {rule}"));
    }
}

/// Prints the minted token that modules receive instead of the credential, if there is one.
fn minted(forward: &Forward) {
    match forward {
        Forward::Keep | Forward::Remove | Forward::As { .. } => {}
        Forward::Mint { minter, header: _ } => {
            let Mint { name, key, verification, issuer, audience, lifetime, scheme: _, claims: _ } = minter.mint();
            print_line(format_args!(
                "  minted for modules: {name}, issuer `{issuer}`, audience `{audience}`, {}, {}, key {}",
                humantime::format_duration(*lifetime),
                key.algorithm().name(),
                describe(verification)
            ));
        }
    }
}

fn gateway(gateway: &GatewayConfig) {
    let GatewayConfig { modules, core: CoreService { upstream, reserved }, .. } = gateway;
    for Module { name, prefix, reading: _, upstream, has_access_list } in modules {
        let access = if *has_access_list { ", restricted by an access list" } else { "" };
        print_line(format_args!("  module {name}: {prefix} to {upstream}{access}"));
    }
    if let Some(upstream) = upstream {
        print_line(format_args!("  core: {} to {upstream}", reserved.join(", ")));
    }
}

/// Fetches the published keys and lists them.
fn published(config: &Config, offline: bool) -> Exit {
    let count = config.key_sources.len();
    if count == 0 {
        return Exit::Done;
    }
    if offline {
        print_line(format_args!("  JWKS of {count} providers: not fetched (--offline)"));
        return Exit::Done;
    }
    print_line(format_args!("  JWKS of {count} providers:"));
    match fetch_jwks(config, Clock::System.now(), Progress::Everything) {
        Ok(Fetched::All) => Exit::Done,
        Ok(Fetched::NotAll) => Exit::Failed,
        Err(error) => print_error(error),
    }
}

fn authenticator(authenticator: &Authenticator, number: usize, loaded: &Loaded, now: Timestamp) {
    match authenticator {
        Authenticator::Jwt(authenticator) => jwt(authenticator, number, loaded, now),
        Authenticator::Introspection(authenticator) => introspection(authenticator, loaded),
        Authenticator::ApiKey(authenticator) => api_keys(authenticator, now),
        Authenticator::Mtls(authenticator) => print_line(format_args!(
            "  authenticator {}: client certificate, {} principal patterns",
            authenticator.name.as_str(),
            authenticator.principals.len()
        )),
        Authenticator::Custom(authenticator) => {
            print_line(format_args!(
                "  authenticator {}: custom, built into this program",
                authenticator.name.as_str()
            ));
        }
    }
}

fn api_keys(authenticator: &ApiKeyAuthenticator, now: Timestamp) {
    let expired = authenticator.keys.iter().filter(|key| key.expires <= now).count();
    let all = authenticator.keys.iter().count();
    print_line(format_args!(
        "  authenticator {}: {all} API keys, {expired} of them expired",
        authenticator.name.as_str()
    ));
}

fn tls(tls: &Tls) {
    let clients = match tls.clients() {
        Clients::Any => "any client",
        Clients::Certified => "clients with a certificate of client_ca",
    };
    print_line(format_args!("  TLS for checks, for {clients}: certificate {}", tls.validity()));
}

fn jwt(authenticator: &JwtAuthenticator, number: usize, loaded: &Loaded, now: Timestamp) {
    let JwtAuthenticator { name, issuer, algorithms, keys, checks } = authenticator;
    let algorithms: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
    let audience = audience(&checks.audience);
    print_line(format_args!(
        "  authenticator {}: issuer `{issuer}`, {}, {audience}",
        name.as_str(),
        algorithms.join(", ")
    ));
    for key in keys.static_keys.keys() {
        let facts = loaded.key_facts(number, key.fingerprint());
        let age = facts.map(|facts| age(facts, now)).unwrap_or_default();
        print_line(format_args!("    key {}{age}", describe(key)));
    }
}

/// Prints an introspection authenticator. The authorization server gets no request: it answers about tokens only.
fn introspection(authenticator: &IntrospectionAuthenticator, loaded: &Loaded) {
    let IntrospectionAuthenticator { name, issuer: _, checks, lifetimes, known: _ } = authenticator;
    let mut servers = loaded.config.introspection_sources.iter();
    let server = servers.find(|server| server.authenticator == *name).map(|server| server.url.to_string());
    let CacheTtl { active, inactive, stale_if_error: stale } = lifetimes;
    print_line(format_args!(
        "  authenticator {}: introspection at {}, {}; results are cached for {} (inactive tokens: {}), and {} longer while the server fails",
        name.as_str(),
        server.unwrap_or_default(),
        audience(&checks.audience),
        humantime::format_duration(*active),
        humantime::format_duration(*inactive),
        humantime::format_duration(*stale),
    ));
}

fn audience(audience: &AudiencePolicy) -> String {
    match audience {
        AudiencePolicy::Absent => "no audience".to_owned(),
        AudiencePolicy::AnyOf(list) => format!("audience {}", list.join(" or ")),
        AudiencePolicy::Unchecked => "audience not checked".to_owned(),
    }
}

/// Returns the known dates of a key, each after a comma.
fn age(facts: &KeyMetadata, now: Timestamp) -> String {
    let certificate = facts.validity.map(|dates| format!(", certificate, {dates}"));
    let file = facts.changed.map(|changed| format!(", file changed {}", ago(changed, now)));
    [certificate, file].into_iter().flatten().collect()
}

/// Formats a past time as its rough age; a future one exactly.
fn ago(then: Timestamp, now: Timestamp) -> String {
    if now < then {
        return format!("at {then}, in the future");
    }
    let minutes = now.as_secs().saturating_sub(then.as_secs()) / 60;
    let (many, unit) = match minutes {
        0 => return "less than a minute ago".to_owned(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    format!("{many} {unit}{} ago", if many == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::ago;
    use modgud_core::time::Timestamp;

    #[test]
    fn times_in_the_past_are_rounded() {
        const NOW: u64 = 1_700_000_000;
        for (seconds, expected) in [
            (0, "less than a minute ago"),
            (59, "less than a minute ago"),
            (60, "1 minute ago"),
            (3_599, "59 minutes ago"),
            (3_600, "1 hour ago"),
            (86_399, "23 hours ago"),
            (86_400, "1 day ago"),
            (12 * 86_400 + 1, "12 days ago"),
        ] {
            assert_eq!(ago(Timestamp::from_secs(NOW - seconds), Timestamp::from_secs(NOW)), expected);
        }
        let future = ago(Timestamp::from_secs(NOW), Timestamp::from_secs(NOW - 1));
        assert_eq!(future, "at 2023-11-14T22:13:20Z, in the future");
    }
}
