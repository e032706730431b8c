//! `modgud check`: is this configuration one that would serve? Runs the code of start-up, and nothing else.

use super::keys::{self, Fetched, Progress};
use super::{Exit, fail, say};
use crate::authn::{AudiencePolicy, Authenticator, JwtAuthenticator};
use crate::authz::Fallback;
use crate::config::{Config, Environment, Loaded, Overrides, ProfileName, load};
use crate::keys::in_words;
use std::path::PathBuf;

/// Checks a configuration, with the keys and files that it names, and says what it comes to.
///
/// Every problem is shown at once, each with its place. Keys that issuers publish are fetched once, and named. Exit code 0: it
/// would serve. 1: it would not, or keys could not be fetched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  modgud check --config modgud.yaml")]
pub(super) struct Args {
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// Fetches nothing: published keys are not looked at
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(args: &Args) -> Exit {
    let Args { config, profile, offline } = args;
    let overrides = Overrides { profile: *profile, ..Overrides::default() };
    let Loaded { config, origin, .. } = match load(config.as_deref(), &overrides, &Environment::Process) {
        Ok(loaded) => loaded,
        Err(error) => return fail(error),
    };
    let snapshot = &config.snapshot;
    say(format_args!("{origin}: good"));
    say(format_args!("  checks on {}, probes and metrics on {}", config.server.grpc, config.server.admin));
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
    match config.key_sources.len() {
        0 => Exit::Done,
        count if *offline => {
            say(format_args!("  published keys of {count} providers: not fetched (--offline)"));
            Exit::Done
        }
        count => {
            say(format_args!("  published keys of {count} providers:"));
            published(&config)
        }
    }
}

/// Fetches the keys that are published, and names them.
fn published(config: &Config) -> Exit {
    match keys::fetch(config, Progress::Everything) {
        Ok(Fetched::All) => Exit::Done,
        Ok(Fetched::NotAll) => Exit::Failed,
        Err(error) => fail(error),
    }
}

fn authenticator(authenticator: &Authenticator) {
    match authenticator {
        Authenticator::Jwt(authenticator) => jwt(authenticator),
    }
}

fn jwt(authenticator: &JwtAuthenticator) {
    let JwtAuthenticator { name, issuer, algorithms, keys, checks } = authenticator;
    let algorithms: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
    let audience = match &checks.audience {
        AudiencePolicy::Absent => "no audience".to_owned(),
        AudiencePolicy::AnyOf(list) => format!("audience {}", list.join(" or ")),
        AudiencePolicy::Unchecked => "audience not checked".to_owned(),
    };
    say(format_args!("  authenticator {}: issuer `{issuer}`, {}, {audience}", name.as_str(), algorithms.join(", ")));
    for key in keys.fixed.keys() {
        say(format_args!("    key {}", in_words(key)));
    }
}
