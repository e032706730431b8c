//! A sidecar that can be kept from being ready, and stopped without waiting.

use crate::support::KEY;
use modgud::clock::{Clock, ManualClock};
use modgud::config::{Environment, Overrides, load};
use modgud::server::app::{Addresses, App, AppError, Shutdown};
use modgud::server::readiness::{BlockReady, Readiness};
use modgud::server::reload::{ConfigSource, Reloader};
use modgud::server::shadow_config;
use modgud_core::time::Timestamp;
use std::fs;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The names that health is asked about: the server as a whole, and the service that Envoy calls.
pub(super) const HEALTH_NAMES: [&str; 2] = ["", "envoy.service.auth.v3.Authorization"];

/// A server that runs until it is stopped.
pub(super) struct Running {
    pub(super) addresses: Addresses,
    pub(super) stop: mpsc::Sender<Shutdown>,
    held: Option<BlockReady>,
    pub(super) readiness: Readiness,
    ended: JoinHandle<Result<(), AppError>>,
}

impl Running {
    /// Starts a server of this configuration that is not ready: the test holds it back by the name `test`.
    pub(super) async fn held(yaml: &str) -> Self {
        Self::held_with_files(yaml, None).await
    }

    /// The same, compared with another configuration.
    async fn held_with_files(yaml: &str, shadow: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("modgud.yaml");
        fs::write(&file, yaml).unwrap();
        let environment = Environment::fixed([("JWT_PUBLIC_KEY_RSA_BIFROST", &KEY.public_pem().unwrap())]);
        let (grpc, admin) = ("127.0.0.1:0".parse().ok(), "127.0.0.1:0".parse().ok());
        let overrides = Overrides { grpc, admin, ..Overrides::default() };
        let loaded = load(Some(&file), &overrides, &environment).unwrap();
        let clock = Clock::Manual(ManualClock::new(Timestamp::from_secs(crate::support::NOW)));
        let app = App::bind(loaded.config, clock.clone()).await.unwrap();
        if let Some(shadow) = shadow {
            fs::write(&file, shadow).unwrap();
            let origin = ConfigSource { file: Some(file), overrides: Overrides::default(), environment };
            let (loaded, watched) = origin.load();
            let loaded = loaded.unwrap();
            let reloader = Reloader::new(origin, &loaded.config, watched);
            let (_, asked) = mpsc::channel(1);
            shadow_config::start(loaded, reloader, asked, clock, &app.live().checks).unwrap();
        }
        let readiness = app.readiness().clone();
        let held = readiness.register("test");
        let addresses = app.addresses().clone();
        let (stop, stopped) = mpsc::channel(2);
        Self { addresses, stop, held: Some(held), readiness, ended: tokio::spawn(app.run(stopped)) }
    }

    /// Starts a server of this configuration, and waits until it is ready.
    pub(super) async fn start(yaml: &str) -> Self {
        Self::start_with_files(yaml, None).await
    }

    /// The same, compared with another configuration.
    pub(super) async fn start_with_files(yaml: &str, shadow: Option<&str>) -> Self {
        let mut running = Self::held_with_files(yaml, shadow).await;
        running.ready();
        Watched::new(&running.channel().await, "").await.until(ServingStatus::Serving).await;
        running
    }

    /// Holds it back no longer.
    pub(super) fn ready(&mut self) {
        self.held = None;
    }

    /// A channel to the gRPC services.
    pub(super) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.addresses.grpc)).unwrap().connect().await.unwrap()
    }

    /// Drops the sender of `stop`, and waits until the server has left.
    pub(super) async fn abandoned(mut self) {
        self.stop = mpsc::channel(1).0;
        self.left().await;
    }

    /// Waits until the server has left, which it must do without a fault.
    pub(super) async fn left(self) {
        let left = timeout(PATIENCE, self.ended).await.unwrap_or_else(|_| panic!("it does not leave"));
        left.unwrap().unwrap();
    }
}

/// What health says about a name.
pub(super) async fn health(channel: &Channel, service: &str) -> Result<ServingStatus, tonic::Code> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(channel.clone()).check(request).await;
    answer.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

/// Follows what health says about a name.
pub(super) struct Watched {
    answers: tonic::Streaming<HealthCheckResponse>,
    last: Option<ServingStatus>,
}

impl Watched {
    pub(super) async fn new(channel: &Channel, service: &str) -> Self {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answers = HealthClient::new(channel.clone()).watch(request).await.unwrap().into_inner();
        Self { answers, last: None }
    }

    /// The next status that is another one; `None` when there will be none.
    pub(super) async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            let answer = timeout(PATIENCE, self.answers.message()).await;
            let answer = answer.unwrap_or_else(|_| panic!("health says nothing more"));
            let status = answer.unwrap().map(|answer| answer.status());
            if status != self.last {
                self.last = status;
                return status;
            }
        }
    }

    /// Waits for this status.
    pub(super) async fn until(&mut self, wanted: ServingStatus) {
        while self.next().await.unwrap_or_else(|| panic!("it ended before {wanted:?}")) != wanted {}
    }
}
