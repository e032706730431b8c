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
    /// Returns what this version lacks of what the configuration asks for.
    pub(super) fn losses(self) -> impl Iterator<Item = &'static str> {
        let losses = [
            (Self::V1_37, "`denials.unavailable: error`: a check that modgud leaves to Envoy is a denial with 403."),
            (Self::V1_39, "`..;` as a dot segment: modgud answers 400."),
            (
                Self::V1_40,
                "`omit_empty_values` for metadata: an access log of modgud's metadata has `null` where there is none.",
            ),
        ];
        losses.into_iter().filter(move |(since, _)| self < *since).map(|(_, loss)| loss)
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
