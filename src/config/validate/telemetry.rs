//! Validates `telemetry.decisions` and `telemetry.metrics`.

use super::out_of_range;
use crate::config::LogDestination;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{DecisionLines, Decisions, MaskedField, MetricNames};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Quoted};
use modgud_core::decide::{LogFields, LogLimits, LoggedDecisions, NamedSeries};

/// The default of `max_per_second`: a person can't read more, and a disk has no trouble with as many.
const DEFAULT_MAX_PER_SECOND: u32 = 1_000;
/// Above any that a machine decides.
const MAX_PER_SECOND: u32 = 1_000_000;

/// The validated log of decisions.
pub(super) struct ValidatedDecisions {
    pub(super) logged: LoggedDecisions,
    pub(super) to: LogDestination,
    pub(super) limits: LogLimits,
    pub(super) fields: LogFields,
}

pub(super) fn check(
    decisions: Option<&Decisions>,
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> ValidatedDecisions {
    let at = Path::root("telemetry").key("decisions");
    let (which, lines) = match decisions {
        None => (None, None),
        Some(Decisions::Which(which)) => (Some(*which), None),
        Some(Decisions::Lines(lines)) => (lines.which, Some(lines)),
    };
    let to = lines.and_then(|lines| lines.to.as_deref());
    let to = to.and_then(|to| diagnostics.ok_or_report(&at.key("to"), destination(to, loader)));
    let sample = lines.and_then(|lines| lines.sample).unwrap_or(1.0);
    if !(0.0..=1.0).contains(&sample) {
        let issue = Issue::error(
            "number-out-of-range",
            format!("`{sample}` is out of range"),
            "write a number from `0` to `1`",
        );
        diagnostics.add(at.key("sample"), issue);
    }
    let max_per_second = lines.and_then(|lines| lines.max_per_second).unwrap_or(DEFAULT_MAX_PER_SECOND);
    if !(1..=MAX_PER_SECOND).contains(&max_per_second) {
        diagnostics.add(at.key("max_per_second"), out_of_range(max_per_second, 1, MAX_PER_SECOND));
    }
    ValidatedDecisions {
        logged: which.unwrap_or_default(),
        to: to.unwrap_or_default(),
        limits: LogLimits { sample, max_per_second },
        fields: fields(lines),
    }
}

/// Returns how many rules and API keys have metrics of their own.
pub(super) fn named_series(metrics: Option<&MetricNames>, diagnostics: &mut Diagnostics) -> NamedSeries {
    let at = Path::root("telemetry").key("metrics");
    let defaults = NamedSeries::default();
    let mut read = |key: &'static str, written: Option<u32>, default: u16, most: u16| {
        let number = written.unwrap_or(u32::from(default));
        u16::try_from(number).ok().filter(|number| *number <= most).unwrap_or_else(|| {
            diagnostics.add(at.key(key), out_of_range(number, 0, u32::from(most)));
            most
        })
    };
    let rules = metrics.and_then(|metrics| metrics.rules);
    let rules = read("rules", rules, u16::from(defaults.rules), u16::from(NamedSeries::MAX_RULES));
    let api_keys = metrics.and_then(|metrics| metrics.api_keys);
    let api_keys = read("api_keys", api_keys, defaults.api_keys, NamedSeries::MAX_API_KEYS);
    NamedSeries { rules: u8::try_from(rules).unwrap_or(NamedSeries::MAX_RULES), api_keys }
}

/// Reads a destination. A word without a slash is no path, since it would probably be a typing error that makes a file.
fn destination(text: &str, loader: &SecretLoader) -> Result<LogDestination, Issue> {
    if text == "stdout" {
        return Ok(LogDestination::Stdout);
    }
    let is_path = text.contains('/') && !text.ends_with('/') && !text.chars().any(char::is_control);
    if !is_path {
        let message = format!("{} is neither `stdout` nor the path of a file", Quoted::new(text));
        let help = "write `stdout`, or a path with a slash such as `/var/log/modgud/decisions.log`";
        return Err(Issue::error("log-destination-invalid", message, help));
    }
    loader.checked_path(text.as_ref()).map(LogDestination::File)
}

/// Returns the personal data in the lines.
fn fields(lines: Option<&DecisionLines>) -> LogFields {
    let mask = lines.and_then(|lines| lines.mask.as_deref());
    let masks = |field| mask.is_none_or(|mask| mask.contains(&field));
    LogFields {
        has_principal: lines.is_some_and(|lines| lines.principal),
        masks_subject: masks(MaskedField::Subject),
        masks_client: masks(MaskedField::Client),
    }
}
