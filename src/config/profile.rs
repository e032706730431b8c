//! The embedded profiles, and the paths that each opens without a credential.

use super::de;
use super::raw::{Document, ProfileName};
use crate::yaml::{Bounds, Node};
use modgud_core::authz::Access;
use std::fmt;
use std::time::Duration;

/// The default `leeway`, which covers the clock difference of synchronized machines.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

const BIFROST: &str = include_str!("profiles/bifrost.yaml");
const BEARER: &str = include_str!("profiles/bearer.yaml");
const ORCHESCALA: &str = include_str!("profiles/orchescala.yaml");

/// The defaults, onto which every profile is merged; as a profile of its own it is `none`.
pub(super) const NONE: &str = include_str!("profiles/none.yaml");

impl ProfileName {
    /// Every profile, in the order in which messages list them.
    pub const ALL: [Self; 4] = [Self::Bifrost, Self::Bearer, Self::Orchescala, Self::None];

    /// Returns the name that a file writes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bifrost => "bifrost",
            Self::Bearer => "bearer",
            Self::Orchescala => "orchescala",
            Self::None => "none",
        }
    }

    /// Returns the `leeway` of an authenticator that writes none. The systems that `bifrost` and `bearer` replace compare dates exactly.
    pub(super) const fn default_leeway(self) -> Duration {
        match self {
            Self::Bifrost | Self::Bearer => Duration::ZERO,
            Self::Orchescala | Self::None => DEFAULT_LEEWAY,
        }
    }

    /// Returns the document of this profile, without the defaults. `None` if it has none of its own.
    pub(super) const fn content(self) -> Option<&'static str> {
        match self {
            Self::Bifrost => Some(BIFROST),
            Self::Bearer => Some(BEARER),
            Self::Orchescala => Some(ORCHESCALA),
            Self::None => None,
        }
    }

    /// Returns the path patterns of this profile's rules that admit requests without a credential.
    #[must_use]
    pub fn opens(self) -> Vec<String> {
        let root = self.content().and_then(|content| Node::read(self.name(), content, Bounds::CONFIGURATION).ok());
        let document = root.and_then(|mut root| de::read::<Document>(&mut root).0).unwrap_or_default();
        let open = document.rules.into_iter().filter(|rule| admits_without_credential(rule.access) && !rule.shadow);
        open.flat_map(|rule| rule.matches.paths).collect()
    }
}

/// Returns true if a rule can admit a request without a credential.
pub(super) const fn admits_without_credential(access: Access) -> bool {
    match access {
        Access::Public | Access::Optional | Access::Preflight => true,
        Access::Authenticated | Access::Denied => false,
    }
}

/// A list of the profiles for a sentence, each with the paths that it opens.
#[derive(Debug)]
pub(super) struct Profiles;

impl fmt::Display for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, profile) in ProfileName::ALL.into_iter().enumerate() {
            let separator = if number > 0 { ", " } else { "" };
            write!(f, "{separator}`profile: {}` (opens ", profile.name())?;
            let paths: Vec<String> = profile.opens().iter().map(|path| format!("`{path}`")).collect();
            if paths.is_empty() { f.write_str("nothing") } else { f.write_str(&paths.join(", ")) }?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{ProfileName, Profiles};

    #[test]
    fn each_profile_lists_what_it_opens_without_a_credential() {
        let first = ["oauth", "health_check", "docs", "complete", "disconnect", "static"];
        assert_eq!(ProfileName::Bifrost.opens(), first.map(|first| format!("/{first}/{{*rest}}")));
        for profile in [ProfileName::Bearer, ProfileName::Orchescala, ProfileName::None] {
            assert_eq!(profile.opens(), [""; 0], "{profile:?}");
        }
        let text = Profiles.to_string();
        assert!(text.contains("`/static/{*rest}`), `profile: bearer` (opens nothing), "), "{text}");
    }
}
