//! The Envoy in front of modgud: whether it is live, its active configuration, and its counters.

use super::clocks::Clock;
use super::code::Code;
use super::configuration::Configuration;
use super::finding::Finding;
use super::modgud::shown;
use super::samples::{Readings, Samples};
use super::{Args, ext_authz};
use crate::cli::admin::{AdminAddr, AdminError, Limits, Response};
use crate::envoy::bootstrap::CheckCluster;
use crate::envoy::lint::{self, Document, Kind, LintError, Report, Scope, Settings};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::sleep;

/// Maximum number of findings about Envoy's configuration that are listed; `modgud envoy lint` lists more.
const MAX_LISTED: usize = 50;

/// Limits of the dump: its size is that of `modgud envoy lint`, and a large gateway writes it in seconds. Beyond them it is not examined.
const DUMP: Limits = Limits { bytes: 64 * 1024 * 1024, time: Duration::from_secs(30) };

/// Limits of one reading of statistics, 8 MiB: room for ten thousand clusters. Beyond them the counters are not examined.
const STATS: Limits = Limits { bytes: 8 * 1024 * 1024, time: Duration::from_secs(10) };

/// What was found out about Envoy.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) findings: Vec<Finding>,
    pub(super) clock: Option<Clock>,
}

/// The part of `/server_info` that matters.
#[derive(Debug, Deserialize)]
struct ServerInfo {
    /// `COMMIT/VERSION/…`.
    version: String,
    state: String,
}

pub(super) async fn examine(args: &Args, configuration: &Configuration) -> Examined {
    let Some(address) = &args.envoy_admin else { return Examined::default() };
    let about = format!("Envoy at {address}");
    let mut examined = Examined::default();
    let info = match address.send(Method::GET, "/server_info", Limits::SMALL).await {
        Ok(response) => {
            let (offset, status) = (response.clock, response.status);
            match serde_json::from_slice::<ServerInfo>(&response.body) {
                Ok(info) if status == StatusCode::OK => {
                    examined.clock = Some(Clock { about: about.clone(), offset, leeway: Duration::ZERO });
                    info
                }
                Ok(_) | Err(_) => {
                    let answer = shown(&response.body);
                    let seen = format!("`/server_info` is not that of Envoy: status {}, `{answer}`", status.as_u16());
                    examined.findings.push(Finding::new(Code::NotEnvoy, about, seen));
                    return examined;
                }
            }
        }
        Err(error) => {
            examined.findings.push(match error {
                AdminError::NotHttp => Finding::new(Code::NotEnvoy, about, error),
                error if error.is_unreachable() => Finding::new(Code::EnvoyUnreachable, about, error),
                error => Finding::not_examined(format!("{about}/server_info"), error),
            });
            return examined;
        }
    };
    let version = info.version.split('/').nth(1).unwrap_or(&info.version);
    let code = if info.state == "LIVE" { Code::Envoy } else { Code::EnvoyNotLive };
    let seen = format!("version {}, state {}", shown(version.as_bytes()), shown(info.state.as_bytes()));
    examined.findings.push(Finding::new(code, &about, seen));
    let dump = address.send(Method::GET, "/config_dump", DUMP);
    let (dump, readings) = tokio::join!(dump, read_twice(address, args.interval));
    let (findings, clusters) = examine_dump(dump.and_then(Response::good), args, configuration, &about);
    examined.findings.extend(findings);
    match readings {
        Ok(readings) => examined.findings.extend(ext_authz::examine(&readings, clusters.as_ref(), &about)),
        Err(error) => examined.findings.push(Finding::not_examined(format!("{about}/stats"), error)),
    }
    examined
}

/// Reads the statistics, and again after the interval.
async fn read_twice(address: &AdminAddr, interval: Duration) -> Result<Readings, AdminError> {
    let first = read(address).await?;
    sleep(interval).await;
    Ok(Readings { first, last: read(address).await? })
}

async fn read(address: &AdminAddr) -> Result<Samples, AdminError> {
    let body = address.send(Method::GET, &ext_authz::target(), STATS).await?.good()?;
    let samples = Samples::envoy(&String::from_utf8_lossy(&body));
    if samples.is_empty() { Err(AdminError::NotHttp) } else { Ok(samples) }
}

/// Checks a dump. Returns the names of the clusters through which Envoy calls modgud; `None` if they are not known.
fn examine_dump(
    dump: Result<Bytes, AdminError>,
    args: &Args,
    configuration: &Configuration,
    about: &str,
) -> (Vec<Finding>, Option<BTreeSet<String>>) {
    let about = format!("configuration of {about}");
    let not_examined = |why: String| (vec![Finding::not_examined(&about, why)], None);
    let dump = match dump {
        Ok(dump) => dump,
        Err(error) => return not_examined(format!("`/config_dump`: {error}")),
    };
    // A large one takes a second.
    let linted = block_in_place(|| {
        let text = std::str::from_utf8(&dump).map_err(|_| "`/config_dump` is not UTF-8 text".to_owned())?;
        check_dump(text, args, configuration).map_err(|error| error.to_string())
    });
    match linted {
        Ok(report) => (findings(&report, &about), Some(report.clusters)),
        Err(why) => not_examined(why),
    }
}

fn check_dump(text: &str, args: &Args, configuration: &Configuration) -> Result<Report, LintError> {
    let document = Document::parse("config_dump", text)?;
    let settings = configuration.config().map(Settings::of);
    // Without a configuration, Envoy must ask the modgud that was examined.
    let own = || match configuration.config() {
        Some(config) => CheckCluster::of(&config.server.grpc),
        None => configuration.grpc(args),
    };
    let scope = Scope { listeners: args.listeners.clone(), modgud: args.modgud.clone().or_else(own) };
    lint::lint(&[document], settings.as_ref(), &scope)
}

fn findings(report: &Report, about: &str) -> Vec<Finding> {
    let one = |finding: &lint::Finding| {
        let lint = finding.code();
        let code = match lint.kind() {
            Kind::Hole => Code::EnvoyHole,
            Kind::Breaks => Code::EnvoyBreaks,
            Kind::Undecided => Code::EnvoyUndecided,
        };
        Finding::new(code, about, finding.seen()).explained(lint.happens(), lint.instead())
    };
    let mut findings: Vec<Finding> = report.findings.iter().take(MAX_LISTED).map(one).collect();
    let [holes, breaks, undecided] = [Kind::Hole, Kind::Breaks, Kind::Undecided].map(|kind| report.count(kind));
    let all = holes.saturating_add(breaks).saturating_add(undecided);
    let without = match report.not_checked.len() {
        0 => String::new(),
        number => format!("; {number} codes are not checked without `--config`"),
    };
    if all == 0 {
        findings.push(Finding::new(Code::EnvoyConfiguration, about, format!("no finding{without}")));
    } else if let Some(more) = all.checked_sub(findings.len()).filter(|more| *more > 0) {
        let seen = format!("{more} more findings; `modgud envoy lint` lists them");
        findings.push(Finding::not_examined(about, seen));
    }
    findings
}
