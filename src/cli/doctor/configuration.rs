//! The configuration on disk: whether it is good, its warnings, and whether it is the active one.

use super::Args;
use super::code::Code;
use super::finding::Finding;
use crate::cli::admin::AdminAddr;
use crate::clock::Clock;
use crate::config::{Config, Environment, EphemeralKeys, Keys, Loaded, Overrides, load, load_with_keys};
use crate::envoy::bootstrap::CheckCluster;

/// The default address of checks.
const GRPC: &str = "127.0.0.1:9191";
/// The default address of the admin interface.
const ADMIN: &str = "127.0.0.1:9192";

/// What is known of modgud's configuration.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    loaded: Option<Loaded>,
    /// False if keys and secrets are replaced, since they can't be read here.
    has_secrets: bool,
}

impl Configuration {
    /// Loads the configuration that the command line names, as `modgud serve` would.
    pub(super) fn load(args: &Args, environment: &Environment) -> (Self, Vec<Finding>) {
        let Args { config, profile, .. } = args;
        if config.is_none() && profile.is_none() {
            return (Self::default(), Vec::new());
        }
        let overrides = Overrides { profile: *profile, ..Overrides::default() };
        let file = config.as_deref();
        let about = file.map_or_else(|| "profile".to_owned(), |file| file.display().to_string());
        match load(file, &overrides, environment) {
            Ok(loaded) => {
                let warnings = loaded.warnings(Clock::System.now());
                let found = warnings.iter().map(|warning| Finding::new(Code::ConfigurationWarning, &about, warning));
                (Self { has_secrets: true, loaded: Some(loaded) }, found.collect())
            }
            Err(error) => {
                let replaced = Keys::Replaced(EphemeralKeys::default());
                let replaced = load_with_keys(file, &overrides, environment, replaced).ok();
                // With other keys the file is good: then only they can't be read here.
                let code = if replaced.is_some() { Code::KeysUnreadableHere } else { Code::ConfigurationInvalid };
                let found = error.to_string();
                let found = found.lines().map(|line| Finding::new(code, &about, line)).collect();
                (Self { has_secrets: false, loaded: replaced }, found)
            }
        }
    }

    pub(super) fn config(&self) -> Option<&Config> {
        self.loaded.as_ref().map(|loaded| &loaded.config)
    }

    /// Returns true if modgud's secrets were read, so that they can be used as modgud would.
    pub(super) const fn has_secrets(&self) -> bool {
        self.has_secrets
    }

    /// Returns the address of modgud's admin interface.
    pub(super) fn admin(&self, args: &Args) -> Option<AdminAddr> {
        match (&args.admin, self.config()) {
            (Some(address), _) => Some(address.clone()),
            (None, Some(config)) => AdminAddr::of(config.server.admin),
            (None, None) => ADMIN.parse().ok(),
        }
    }

    /// Returns the address at which modgud serves checks.
    pub(super) fn grpc(&self, args: &Args) -> Option<CheckCluster> {
        match (&args.grpc, self.config()) {
            (Some(address), _) => Some(address.clone()),
            (None, Some(config)) => CheckCluster::of(&config.server.grpc),
            (None, None) => GRPC.parse().ok(),
        }
    }

    /// Compares the hash of the active configuration with that of this one; `None` without a configuration.
    ///
    /// The options `--grpc` and `--admin` of `modgud serve` are part of the hash: with those of this command it may be equal.
    pub(super) fn compare(&self, args: &Args, active: u64) -> Option<Finding> {
        let loaded = self.loaded.as_ref()?;
        let grpc = args.grpc.as_ref().and_then(|address| address.to_string().parse().ok());
        let admin = args.admin.as_ref().and_then(|address| address.to_string().parse().ok());
        let is_active = [(None, None), (grpc.as_ref(), None), (None, admin), (grpc.as_ref(), admin)]
            .into_iter()
            .any(|(grpc, admin)| loaded.hash_with(grpc, admin) == active);
        let own = loaded.config.shown.hash;
        Some(if is_active {
            Finding::new(Code::Configuration, &loaded.origin, format!("hash {active:012x}"))
        } else {
            let seen = format!("its hash is {own:012x}, and that of the active configuration {active:012x}");
            Finding::new(Code::ConfigurationDiffers, &loaded.origin, seen)
        })
    }
}
