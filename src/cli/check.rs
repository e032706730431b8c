//! `modgud check`: validates a configuration with the code that runs at startup. Prints a summary and the warnings.

mod callers;
mod gateway;
mod listeners;
mod traces;

use super::input::{Fetched, fetch_each, random_token};
use super::{Exit, counted, print_error, print_line, print_warnings_error, runtime};
use crate::clock::Clock;
use crate::config::{Config, Environment, KeyMetadata, Loaded, LogDestination, OpenRule, Overrides, ProfileName, load};
use crate::jwks::describe;
use crate::net::tls::{Clients, Tls};
use modgud_core::authn::{
    ApiKeyAuthenticator, AudiencePolicy, Authenticator, CacheTtl, IntrospectionAuthenticator, IntrospectionResponse,
    JwtAuthenticator,
};
use modgud_core::authz::Fallback;
use modgud_core::decide::{LogLimits, LoggedDecisions};
use modgud_core::time::Timestamp;
use modgud_core::upstream::{Forward, Mint};
use std::fmt::Display;
use std::io;
use std::path::PathBuf;

/// Checks a configuration, with the keys and files that it names, and prints a summary.
///
/// All errors are reported together, each with its location. The JWKS of each provider is fetched once and listed. Each
/// authorization server is asked once about a random token. Warnings about valid but risky settings follow the summary;
/// they affect the exit code only with --deny-warnings. Exit code 0: the configuration is valid. 1: it is invalid, or a
/// provider or an authorization server gave no usable response.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  modgud check --config modgud.yaml")]
pub(super) struct Args {
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// Send no request: skip the JWKS of providers, and authorization servers
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
    let remote = match Remote::ask(&loaded.config, *offline) {
        Ok(remote) => remote,
        Err(error) => return print_error(error),
    };
    let warnings = loaded.warnings(now);
    let denied = if *deny_warnings { warnings.len() } else { 0 };
    // First, so that the first line never says more than the exit code.
    print_line(format_args!("{}: {}", loaded.origin, verdict(denied, remote.failed)));
    summary(&loaded, now);
    remote.lines.iter().for_each(print_line);
    for warning in &warnings {
        print_line(format_args!("warning: {warning}"));
    }
    remote.errors.iter().for_each(|error| {
        print_error(error);
    });
    match (denied, remote.failed) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Failed,
        (denied, _) => print_warnings_error(denied),
    }
}

/// Returns the result for the first line of the output.
fn verdict(denied_warnings: usize, failed: usize) -> String {
    let failed = match failed {
        0 => None,
        number => {
            Some(counted(number, "provider or server gives", "providers or servers give") + " no usable response")
        }
    };
    let denied = match denied_warnings {
        0 => None,
        number => Some(counted(number, "warning", "warnings") + ", and --deny-warnings allows none"),
    };
    let reasons: Vec<String> = failed.into_iter().chain(denied).collect();
    if reasons.is_empty() { "valid".to_owned() } else { format!("failed: {}", reasons.join("; ")) }
}

fn summary(loaded: &Loaded, now: Timestamp) {
    let Loaded { config, .. } = loaded;
    let snapshot = &config.snapshot;
    listeners::print(config);
    let cache = snapshot.authenticators.token_cache();
    print_line(format_args!("  room for about {} verified tokens of the usual size", rounded(cache.usual_tokens())));
    config.tls.as_ref().inspect(|tls| self::tls(tls));
    let authenticators = snapshot.authenticators.list();
    if authenticators.is_empty() {
        print_line("  no authenticator: only public rules allow requests");
    }
    let differ = callers::differ(authenticators);
    for (number, one) in authenticators.iter().enumerate() {
        authenticator(one, number, loaded, now);
        if differ {
            callers::print(one);
        }
    }
    let fallback = match snapshot.rules.fallback() {
        Fallback::Authenticated => "authenticated",
        Fallback::Denied => "denied",
    };
    let patterns = counted(snapshot.rules.patterns(), "path pattern has", "path patterns have");
    print_line(format_args!("  {patterns} a rule; all other requests: {fallback}"));
    open(&loaded.open);
    gateway::print(&config.gateway);
    let identity = snapshot.upstream.identity.headers().iter().map(|header| header.name.as_str());
    let correlation = snapshot.correlation.iter().map(|correlation| correlation.header.as_str());
    let headers: Vec<&str> = identity.chain(correlation).collect();
    print_line(format_args!(
        "  identity headers: {}",
        if headers.is_empty() { "none".to_owned() } else { headers.join(", ") }
    ));
    minted(&snapshot.upstream.forward);
    decisions(config);
    config.otlp.as_ref().inspect(|collector| traces::print(collector));
}

/// Prints which decisions are logged, and where, unless it is the default.
fn decisions(config: &Config) {
    let LogLimits { sample, max_per_second } = config.snapshot.log_limits;
    if (config.snapshot.logged, &config.server.decisions_to) == (LoggedDecisions::Denied, &LogDestination::Stdout) {
        return;
    }
    let share = if sample < 1.0 { format!(", {} % of those allowed", sample * 100.0) } else { String::new() };
    let which = match config.snapshot.logged {
        LoggedDecisions::None => return print_line("  decisions in the log: none"),
        LoggedDecisions::Denied => "denied".to_owned(),
        LoggedDecisions::All => format!("all{share}"),
    };
    let to = match &config.server.decisions_to {
        LogDestination::Stdout => "standard output".to_owned(),
        LogDestination::File(path) => path.display().to_string(),
    };
    print_line(format_args!("  decisions in the log: {which}, at most {max_per_second} per second, to {to}"));
}

/// Returns a number, rounded down to two digits other than zero.
fn rounded(number: u64) -> u64 {
    let unit = 10_u64.pow(number.checked_ilog10().unwrap_or_default().saturating_sub(1));
    number.saturating_sub(number.checked_rem(unit).unwrap_or_default())
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
            let Mint { name, key, verification, issuer, audiences, lifetime, accepted_by, .. } = minter.mint();
            let audience = match &**audiences {
                [] => "no audience".to_owned(),
                several => format!("audience `{}`", several.join("`, `")),
            };
            print_line(format_args!(
                "  minted for modules: {name}, issuer `{issuer}`, {audience}, {}, {}, key {}",
                humantime::format_duration(*lifetime),
                key.algorithm().name(),
                describe(verification)
            ));
            for name in accepted_by {
                print_line(format_args!(
                    "    forwarded unchanged if a caller presents one: authenticator {}",
                    name.as_str()
                ));
            }
        }
    }
}

/// The responses of providers and authorization servers.
#[derive(Default)]
struct Remote {
    /// Lines of the summary.
    lines: Vec<String>,
    errors: Vec<String>,
    /// The number of those without a usable response.
    failed: usize,
}

impl Remote {
    /// Fetches the JWKS of each provider, and introspects a random token at each authorization server.
    fn ask(config: &Config, offline: bool) -> io::Result<Self> {
        let mut remote = Self::default();
        let (providers, servers) = (config.key_sources.len(), config.introspection_sources.len());
        let all = (counted(providers, "provider", "providers"), counted(servers, "server", "servers"));
        if offline {
            let mut skipped = |number: usize, line: String| {
                if number > 0 {
                    remote.lines.push(line);
                }
            };
            skipped(providers, format!("  JWKS of {}: not fetched (--offline)", all.0));
            skipped(servers, format!("  introspection at {}: not tried (--offline)", all.1));
        } else if providers > 0 || servers > 0 {
            runtime()?.block_on(remote.ask_all(config, &all))?;
        }
        Ok(remote)
    }

    async fn ask_all(&mut self, config: &Config, (providers, servers): &(String, String)) -> io::Result<()> {
        if !config.key_sources.is_empty() {
            self.lines.push(format!("  JWKS of {providers}:"));
        }
        for Fetched { location, keys } in fetch_each(config, Clock::System.now()).await {
            match keys {
                Ok(keys) => {
                    self.lines.push(format!("  {location}: fetched"));
                    self.lines.extend(keys.usable.iter().map(|key| format!("    key {key}")));
                    self.lines.extend(keys.skipped.iter().map(|key| format!("    not used: {key}")));
                }
                Err(error) => self.failed(&location, &error),
            }
        }
        if !config.introspection_sources.is_empty() {
            self.lines.push(format!("  introspection of a random token at {servers}:"));
        }
        for source in &config.introspection_sources {
            match source.introspect_once(&random_token()?).await {
                Ok(IntrospectionResponse::Inactive) => {
                    self.lines.push(format!("  {}: not active, as it must be", source.url));
                }
                Ok(IntrospectionResponse::Active(_)) => {
                    self.failed(
                        &source.url.to_string(),
                        &"the server reports a random token as active; use another endpoint",
                    );
                }
                Err(error) => self.failed(&source.url.to_string(), &error),
            }
        }
        Ok(())
    }

    fn failed(&mut self, location: &str, error: &dyn Display) {
        self.errors.push(format!("{location}: {error}"));
        self.lines.push(format!("  {location}: failed"));
        self.failed = self.failed.saturating_add(1);
    }
}

fn authenticator(authenticator: &Authenticator, number: usize, loaded: &Loaded, now: Timestamp) {
    match authenticator {
        Authenticator::Jwt(authenticator) => jwt(authenticator, number, loaded, now),
        Authenticator::Introspection(authenticator) => introspection(authenticator, loaded),
        Authenticator::ApiKey(authenticator) => api_keys(authenticator, now),
        Authenticator::Mtls(authenticator) => print_line(format_args!(
            "  authenticator {}: client certificate, {}",
            authenticator.name.as_str(),
            counted(authenticator.principals.len(), "principal pattern", "principal patterns")
        )),
        Authenticator::Custom(authenticator) => {
            let (name, waits) = (authenticator.name.as_str(), authenticator.waiting());
            let limit = waits.map(|waits| format!(", at most {} calls at once", waits.max_concurrent()));
            let limit = limit.unwrap_or_default();
            print_line(format_args!("  authenticator {name}: custom, built into this program{limit}"));
        }
    }
}

fn api_keys(authenticator: &ApiKeyAuthenticator, now: Timestamp) {
    let expired = authenticator.keys.iter().filter(|key| key.expires <= now).count();
    let all = authenticator.keys.iter().count();
    print_line(format_args!(
        "  authenticator {}: {}, {expired} of them expired",
        authenticator.name.as_str(),
        counted(all, "API key", "API keys")
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
    let issuer =
        issuer.as_deref().map_or_else(|| "issuer not checked".to_owned(), |issuer| format!("issuer `{issuer}`"));
    print_line(format_args!("  authenticator {}: {issuer}, {}, {audience}", name.as_str(), algorithms.join(", ")));
    for key in keys.static_keys.keys() {
        let facts = loaded.key_facts(number, key.fingerprint());
        let age = facts.map(|facts| age(facts, now)).unwrap_or_default();
        print_line(format_args!("    key {}{age}", describe(key)));
    }
}

/// Prints an introspection authenticator.
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
