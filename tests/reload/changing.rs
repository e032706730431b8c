//! A sidecar whose files change, and what it reports about that.

use super::generation::{Generation, Kind};
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::Sidecar;
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{interval, timeout};
use tonic::transport::Channel;

/// How long anything may take before its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is asked whether something has come about.
const ASK: Duration = Duration::from_millis(10);

/// What has been reported on `/metrics` about changed configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
}

impl Reported {
    /// What is reported now.
    pub(crate) async fn at(admin: SocketAddr) -> Self {
        let counters = Counters::at(admin).await;
        let get = |name| counters.get(name);
        Self { accepted: get("modgud_config_reloads_total"), refused: get("modgud_config_reload_failures_total") }
    }

    /// Waits until more is reported than this.
    pub(crate) async fn more(self, admin: SocketAddr) -> Self {
        let mut asks = interval(ASK);
        let more = async {
            loop {
                asks.tick().await;
                let now = Self::at(admin).await;
                if now != self {
                    return now;
                }
            }
        };
        timeout(PATIENCE, more).await.unwrap_or_else(|_| panic!("nothing was reported after {self:?}"))
    }
}

/// A sidecar, and what it has reported so far.
pub(super) struct Changing {
    pub(super) sidecar: Sidecar,
    pub(super) client: AuthorizationClient<Channel>,
    seen: Reported,
}

impl Changing {
    /// A sidecar of this configuration, in a file `modgud.yaml` in a folder of its own.
    pub(super) async fn start(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
        Self::of(folder).await
    }

    /// A sidecar of the file `modgud.yaml` in this folder.
    pub(super) async fn of(folder: TempDir) -> Self {
        let sidecar = Sidecar::of(Some(folder.path().join("modgud.yaml")), folder).await;
        let client = sidecar.client().await;
        let last = Counters::read(&sidecar).await.get("modgud_config_reload_last_success");
        assert_eq!(last, 1, "at the start");
        Self { sidecar, client, seen: Reported { accepted: 0, refused: 0 } }
    }

    /// The path of a file of this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.sidecar.folder().join(name)
    }

    /// Writes a file in place.
    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes a temporary file, and renames it over the old one.
    pub(super) fn rename_over(&self, name: &str, text: &str) {
        let adjacent = self.path(".beside");
        fs::write(&adjacent, text).unwrap();
        fs::rename(adjacent, self.path(name)).unwrap();
    }

    /// Waits for the next report, which must be that one configuration was accepted, and no other thing.
    pub(super) async fn accepted(&mut self) {
        let expected = Reported { accepted: self.seen.accepted + 1, ..self.seen };
        self.report(expected).await;
        assert_eq!(self.last_success().await, 1);
    }

    /// Waits for the next report, which must be that one configuration was refused, and no other thing.
    pub(super) async fn refused(&mut self) {
        let expected = Reported { refused: self.seen.refused + 1, ..self.seen };
        self.report(expected).await;
        assert_eq!(self.last_success().await, 0);
    }

    /// What is reported about the last load.
    async fn last_success(&self) -> u64 {
        Counters::read(&self.sidecar).await.get("modgud_config_reload_last_success")
    }

    async fn report(&mut self, expected: Reported) {
        let reported = self.seen.more(self.sidecar.addresses.admin).await;
        assert_eq!(reported, expected, "after {:?}", self.seen);
        self.seen = reported;
    }

    /// The answer to a check.
    pub(super) async fn ask(&mut self, check: CheckRequest) -> Answer {
        Answer::read(self.client.check(check).await.unwrap().into_inner()).unwrap()
    }

    /// Asserts that this generation serves.
    pub(super) async fn serves(&mut self, number: u64) {
        for kind in Kind::ALL {
            let answer = self.ask(kind.check()).await;
            assert!(Generation(number).gives(kind, &answer), "{kind:?} is not of generation {number}: {answer:?}");
        }
    }
}
