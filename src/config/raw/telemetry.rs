//! The section `telemetry`.

use super::Otlp;
use modgud_core::decide::LoggedDecisions;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// The log and the traces.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Telemetry {
    /// The format of the log, which goes to standard output. `decisions` can send the lines of decisions elsewhere. Default: `json`. A change requires a restart.
    pub(in crate::config) log: Option<LogFormat>,
    /// The decisions that are logged: `denied`, `all` or `none`. A map also sets the destination, the number and the personal data of the
    /// lines. Default: `denied`.
    pub(in crate::config) decisions: Option<Decisions>,
    /// The metrics that name rules and API keys.
    pub(in crate::config) metrics: Option<MetricNames>,
    /// The OpenTelemetry collector that gets a span of each check in a sampled trace: its address, or a map that also says how. Default: none.
    #[schemars(example = &"http://127.0.0.1:4317")]
    pub(in crate::config) otlp: Option<Otlp>,
}

/// The number of names with metrics of their own, in the order of the configuration. All others share those with the name `other`. Prometheus
/// stores each name for each reason, so fewer names need less memory there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MetricNames {
    /// The number of rules, from 0 to 200. A rule that has metrics of its own keeps them until a restart. Default: 200.
    #[schemars(example = 50)]
    pub(in crate::config) rules: Option<u32>,
    /// The number of API keys, from 0 to 1,000. Default: 200.
    #[schemars(example = 1000)]
    pub(in crate::config) api_keys: Option<u32>,
}

/// The format of the log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Human-readable text.
    Text,
}

/// The log of decisions.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum Decisions {
    /// The decisions that are logged.
    Which(LoggedDecisions),
    /// The decisions that are logged, and how.
    Lines(DecisionLines),
}

/// Unlike the derived one of an untagged enum, its errors name the wrong key or word.
impl<'de> Deserialize<'de> for Decisions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecisionsVisitor)
    }
}

struct DecisionsVisitor;

impl<'de> Visitor<'de> for DecisionsVisitor {
    type Value = Decisions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "`denied`, `all` or `none`, or a map with `which`, `to`, `sample`, `max_per_second`, `mask` and `principal`",
        )
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Decisions, E> {
        LoggedDecisions::deserialize(word.into_deserializer()).map(Decisions::Which)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Decisions, A::Error> {
        DecisionLines::deserialize(MapAccessDeserializer::new(map)).map(Decisions::Lines)
    }
}

/// The log of decisions: which lines it has, where they go, and the personal data in them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct DecisionLines {
    /// The decisions that are logged. Default: `denied`.
    pub(in crate::config) which: Option<LoggedDecisions>,
    /// The destination of the lines: `stdout`, or the path of a file, relative to the folder of this file. The file is opened for appending
    /// with mode 0640, and SIGUSR1 opens it again, for example after logrotate has renamed it. Default: `stdout`. A change requires a restart.
    #[schemars(example = &"/var/log/modgud/decisions.log")]
    pub(in crate::config) to: Option<String>,
    /// The share of allowed requests that are logged, with `which: all`: from 0 to 1, chosen at random. Denials are not sampled. Default: 1.
    #[schemars(range(min = 0, max = 1), example = 0.01)]
    pub(in crate::config) sample: Option<f64>,
    /// The maximum number of lines in a second, from 1 to 1,000,000: one budget for allowed requests, and one for all others. The first
    /// line of each kind (reason, rule, authenticator) in a second is always written, and lines that are left out are counted. Default: 1000.
    #[schemars(example = 100)]
    pub(in crate::config) max_per_second: Option<u32>,
    /// The personal data that is masked: `subject` as a hash that is stable until a restart, `client` as the network of the address.
    /// `[]` masks nothing. Default: `[subject, client]`.
    pub(in crate::config) mask: Option<Vec<MaskedField>>,
    /// `true`: lines name the caller's subject, organization and roles. Default: `false`.
    #[serde(default)]
    pub(in crate::config) principal: bool,
}

/// A field of the log with personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum MaskedField {
    /// The caller's subject.
    Subject,
    /// The address of the client.
    Client,
}
