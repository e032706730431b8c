//! The running modgud: its admin interface, and checks through gRPC.

use super::clocks::Clock;
use super::code::Code;
use super::configuration::Configuration;
use super::finding::Finding;
use super::samples::{Readings, Samples};
use super::{Args, counters, keys, probe};
use crate::cli::admin::{AdminAddr, AdminError, Limits};
use crate::clock::Clock as SystemClock;
use crate::telemetry::metrics::VERSION;
use http::{Method, StatusCode};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// Limits of one reading of metrics, 16 MiB: 5,000 series of checks and all others have less than a quarter of it. Beyond them the
/// counters are not examined.
const METRICS: Limits = Limits { bytes: 16 * 1024 * 1024, time: Duration::from_secs(10) };

/// Maximum number of characters that are shown of a text from elsewhere.
const MAX_SHOWN: usize = 200;

/// What was found out about modgud.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) findings: Vec<Finding>,
    pub(super) clock: Option<Clock>,
    /// The number of checks that were counted between the two readings; `None` if they are not known.
    checks: Option<u64>,
}

/// The check without a credential comes between the two readings, so that both show whether one modgud has both addresses.
struct Between {
    /// Dropped after the first reading, or once there will be none.
    read: oneshot::Sender<()>,
    /// Ends after the check.
    probed: oneshot::Receiver<()>,
}

/// Returns the beginning of a text from elsewhere.
pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().chars().take(MAX_SHOWN).collect()
}

pub(super) async fn examine(args: &Args, configuration: &Configuration) -> Examined {
    let ((read, has_read), (probed, has_probed)) = (oneshot::channel(), oneshot::channel());
    let probing = async {
        let _ = has_read.await;
        let found = probe::examine(args, configuration).await;
        drop(probed);
        found
    };
    let between = Between { read, probed: has_probed };
    let (mut admin, checks) = tokio::join!(examine_admin(args, configuration, between), probing);
    let is_answered = checks.iter().any(|finding| {
        matches!(
            finding.code(),
            Code::Probe | Code::ProbeSlow | Code::ProbeOpen | Code::ProbeAllowed | Code::ProbeUnavailable
        )
    });
    if is_answered && admin.checks == Some(0) {
        let seen = "it counted no check, though one was answered";
        admin.findings.push(Finding::new(Code::ChecksElsewhere, "modgud's addresses", seen));
    }
    admin.findings.extend(checks);
    admin
}

async fn examine_admin(args: &Args, configuration: &Configuration, between: Between) -> Examined {
    let mut examined = Examined::default();
    let Some(address) = configuration.admin(args) else {
        let why = "`server.admin` has port 0, which is any free port; use `--admin`";
        examined.findings.push(Finding::not_examined("modgud's admin interface", why));
        return examined;
    };
    let about = format!("modgud at {address}");
    let version = match address.send(Method::GET, "/version", Limits::SMALL).await {
        Ok(response) => {
            let offset = response.clock;
            let name = shown(&response.body);
            let Some(version) = name.strip_prefix("modgud ").filter(|_| response.status == StatusCode::OK) else {
                let status = response.status.as_u16();
                let seen = format!("`/version` is not that of modgud: status {status}, `{name}`");
                examined.findings.push(Finding::new(Code::NotModgud, about, seen));
                return examined;
            };
            examined.clock = Some(Clock { about: about.clone(), offset, leeway: Duration::ZERO });
            version.to_owned()
        }
        Err(error) => {
            let code = if matches!(error, AdminError::NotHttp) { Code::NotModgud } else { Code::ModgudUnreachable };
            examined.findings.push(Finding::new(code, about, error));
            return examined;
        }
    };
    if version != VERSION {
        let seen = format!("it has version {version}, and this command {VERSION}");
        examined.findings.push(Finding::new(Code::VersionDiffers, &about, seen));
    }
    let (ready, readings) = tokio::join!(readiness(&address, &about), read_twice(&address, args.interval, between));
    examined.findings.push(ready);
    match readings {
        Ok(readings) => {
            let counted = readings.sums(|key| (key.name == "modgud_checks_total").then_some("checks"));
            examined.checks = Some(counted.get("checks").map_or(0, |count| count.rise));
            let now = SystemClock::System.now();
            examined.findings.push(counters::process(&readings, &about, &version, now));
            examined.findings.extend(counters::examine(&readings, &about));
            examined.findings.extend(counters::configuration(&readings.last, args, configuration, &about));
            examined.findings.extend(keys::examine(&readings, configuration, now));
        }
        Err(error) => examined.findings.push(Finding::not_examined(format!("{about}/metrics"), error)),
    }
    examined
}

async fn readiness(address: &AdminAddr, about: &str) -> Finding {
    match address.send(Method::GET, "/readyz", Limits::SMALL).await {
        Ok(response) if response.status == StatusCode::OK => Finding::new(Code::Ready, about, shown(&response.body)),
        Ok(response) if response.status == StatusCode::SERVICE_UNAVAILABLE => {
            Finding::new(Code::NotReady, about, shown(&response.body))
        }
        Ok(response) => {
            let seen = format!("`/readyz` has status {}", response.status.as_u16());
            Finding::not_examined(format!("{about}/readyz"), seen)
        }
        Err(error) => Finding::not_examined(format!("{about}/readyz"), error),
    }
}

/// Reads the metrics, and again after the interval and the check.
async fn read_twice(address: &AdminAddr, interval: Duration, between: Between) -> Result<Readings, AdminError> {
    let first = read(address).await?;
    drop(between.read);
    sleep(interval).await;
    let _ = between.probed.await;
    Ok(Readings { first, last: read(address).await? })
}

async fn read(address: &AdminAddr) -> Result<Samples, AdminError> {
    let body = address.send(Method::GET, "/metrics", METRICS).await?.good()?;
    let samples = Samples::prometheus(&String::from_utf8_lossy(&body));
    if samples.is_empty() { Err(AdminError::NotHttp) } else { Ok(samples) }
}
