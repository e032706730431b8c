//! `modgud check`: is this configuration one that would serve? Runs the code of start-up, and nothing else.

use super::{Exit, fail, say};
use crate::authn::{AudiencePolicy, JwtAuthenticator};
use crate::authz::Fallback;
use crate::clock::Clock;
use crate::config::{Environment, Loaded, Overrides, ProfileName, load};
use crate::tls::{Clients, Tls};
use std::path::PathBuf;

/// Checks a configuration, with the keys and files that it names, and says what it comes to.
///
/// Every problem is shown at once, each with its place. Exit code 0: it would serve. 1: it would not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  modgud check --config modgud.yaml")]
pub(super) struct Args {
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
}

pub(super) fn run(args: &Args) -> Exit {
    let Args { config, profile } = args;
    let overrides = Overrides { profile: *profile, ..Overrides::default() };
    let Loaded { config, origin, .. } = match load(config.as_deref(), &overrides, &Environment::Process) {
        Ok(loaded) => loaded,
        Err(error) => return fail(error),
    };
    let snapshot = &config.snapshot;
    say(format_args!("{origin}: good"));
    say(format_args!("  checks on {}, probes and metrics on {}", config.server.grpc, config.server.admin));
    config.tls.as_ref().inspect(|tls| self::tls(tls));
    let authenticators = snapshot.authenticators.list();
    if authenticators.is_empty() {
        say("  no authenticator: only public rules let anybody through");
    }
    authenticators.iter().for_each(authenticator);
    let fallback = match snapshot.rules.fallback() {
        Fallback::Authenticated => "authenticated",
        Fallback::Denied => "denied",
    };
    say(format_args!("  {} path patterns lead to a rule; everything else: {fallback}", snapshot.rules.patterns()));
    let headers: Vec<&str> = snapshot.shape.identity.headers().iter().map(|header| header.name.as_str()).collect();
    say(format_args!(
        "  identity headers: {}",
        if headers.is_empty() { "none".to_owned() } else { headers.join(", ") }
    ));
    Exit::Done
}

fn tls(tls: &Tls) {
    let clients = match tls.clients() {
        Clients::Any => "whoever connects",
        Clients::Certified => "clients with a certificate of client_ca",
    };
    say(format_args!("  TLS for checks, for {clients}: certificate {}", tls.validity()));
    if let Some(caution) = tls.validity().caution(Clock::System.now()) {
        say(format_args!("  caution: {caution}"));
    }
}

fn authenticator(authenticator: &JwtAuthenticator) {
    let JwtAuthenticator { name, issuer, algorithms, keys, checks } = authenticator;
    let algorithms: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
    let audience = match &checks.audience {
        AudiencePolicy::Absent => "no audience".to_owned(),
        AudiencePolicy::AnyOf(list) => format!("audience {}", list.join(" or ")),
        AudiencePolicy::Unchecked => "audience not checked".to_owned(),
    };
    say(format_args!("  authenticator {}: issuer `{issuer}`, {}, {audience}", name.as_str(), algorithms.join(", ")));
    for key in keys.keys() {
        say(format_args!("    key {}: {} {} bits", key.fingerprint(), key.family().name(), key.bits()));
    }
}
