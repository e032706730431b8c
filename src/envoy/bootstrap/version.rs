//! The versions of Envoy that the configuration is written for. `docs/envoy-versions.md` has what each does; `make test-envoys` makes that
//! page.

use std::fmt;

/// A minor version of Envoy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum EnvoyVersion {
    /// Envoy 1.36.
    #[value(name = "1.36")]
    V1_36,
    /// Envoy 1.37.
    #[value(name = "1.37")]
    V1_37,
    /// Envoy 1.38.
    #[value(name = "1.38")]
    V1_38,
    /// Envoy 1.39.
    #[value(name = "1.39")]
    V1_39,
    /// Envoy 1.40.
    #[default]
    #[value(name = "1.40")]
    V1_40,
}

impl EnvoyVersion {
    /// Returns what this version does not do of what modgud or its configuration asks for, one sentence or two for each.
    pub(super) fn losses(self) -> Vec<&'static str> {
        let lost_before = [
            (
                Self::V1_37,
                "Lost before 1.37: `denials.unavailable: error`. A check that modgud leaves to Envoy is a denial, also with `failure_mode_allow: true`.",
            ),
            (
                Self::V1_37,
                "Lost before 1.37: `status_on_error`. If modgud does not respond, clients get 403 instead of 503.",
            ),
        ];
        lost_before.into_iter().filter(|(since, _)| self < *since).map(|(_, loss)| loss).collect()
    }
}

impl fmt::Display for EnvoyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::V1_36 => "1.36",
            Self::V1_37 => "1.37",
            Self::V1_38 => "1.38",
            Self::V1_39 => "1.39",
            Self::V1_40 => "1.40",
        };
        f.write_str(name)
    }
}
