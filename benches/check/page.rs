//! `docs/benchmarks.md`: its marked part, which a run replaces, and what it says about the machine.

use modgud::clock::Clock;
use std::fs;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// The page and its chart.
pub(crate) const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.svg");

const BEGIN: &str = "<!-- The figures up to the next comment are written by `make bench`. -->\n";
const END: &str = "<!-- Here the figures end. -->\n";

/// Returns the page with other figures; `None` without the two comments.
pub(crate) fn replace(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{figures}\n{END}{after}"))
}

/// Describes the machine, for comparisons of figures.
pub(crate) fn machine() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("?", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{cores} cores, {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

/// Returns the date and the versions of a run, with Envoy's if it takes part.
pub(crate) fn versions(envoy: Option<&str>) -> String {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        String::from_utf8(output.stdout).ok().filter(|_| output.status.success())
    };
    let rustc = output("rustc", &["--version"]).unwrap_or_else(|| "rustc ?".to_owned());
    let commit = output("git", &["describe", "--always", "--dirty"]).unwrap_or_else(|| "?".to_owned());
    let now = UNIX_EPOCH + Duration::from_secs(Clock::System.now().as_secs());
    let date: String = humantime::format_rfc3339_seconds(now).to_string().chars().take(10).collect();
    let envoy = envoy.map_or_else(String::new, |version| format!(", Envoy {version}"));
    let (modgud, commit, rustc) = (env!("CARGO_PKG_VERSION"), commit.trim(), rustc.trim());
    format!("{date}, modgud {modgud} ({commit}), {rustc}{envoy}")
}
