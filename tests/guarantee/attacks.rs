//! One client of the gRPC port attacks, and another one's checks are answered: nearly all of them right, and modgud's memory stays bounded.
//! Each attack takes a few seconds; `make attack` makes them for longer, by the variable below.

mod connections;
mod memory;
mod resets;

use crate::cli::process::Serving;
use crate::decisions::answer::Answer;
use crate::guarantee::frames::Connection;
use crate::services::connections::memory as resident;
use crate::support::{Encoding, KEY, check, claims};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest};
use std::io::Write;
use std::time::{Duration, Instant};
use std::{env, fs};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;
use tokio::time::{Interval, interval, timeout};
use tonic::transport::{Channel, Endpoint};

/// The variable that says for how many seconds each attack is made.
const SECONDS: &str = "MODGUD_TEST_ATTACK_SECONDS";
/// The same without it.
const FEW_SECONDS: u64 = 4;
/// The most memory that an attack may cost.
const MAX_GROWTH: u64 = 256 << 20;
/// How long the victim waits for one answer. What is measured is whether it is right: the machine may be busy with the attack itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// The fewest checks that a measurement consists of.
const LEAST_CHECKS: u64 = 25;
/// How long a measurement may take, in addition to the variable's time.
const MAX_TIME: Duration = Duration::from_secs(180);
/// One attack at a time.
static ONE: Mutex<()> = Mutex::const_new(());

/// How the victim connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// By a connection from before the attack.
    Connected,
    /// By a new connection for each check.
    Newcomer,
}

/// A server that is attacked.
struct Bench {
    serving: Serving,
    /// Its memory before the attack.
    idle: u64,
    /// When an attacker may come back whose connection was closed.
    turns: Mutex<Interval>,
    _one: MutexGuard<'static, ()>,
    _folder: TempDir,
}

impl Bench {
    /// A server with these keys under `server`.
    async fn start(server: &str) -> Self {
        let one = ONE.lock().await;
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("modgud.yaml"), format!("profile: bifrost\nserver: {{ {server} }}\n")).unwrap();
        let serving = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &["--config", "modgud.yaml"]).await;
        let idle = resident(serving.id());
        let turns = Mutex::new(interval(Duration::from_millis(100)));
        Self { serving, idle, turns, _one: one, _folder: folder }
    }

    /// Waits until an attacker may come back: ten do in a second, or the attack would be one on the machine.
    async fn turn(&self) {
        self.turns.lock().await.tick().await;
    }

    /// Connects with these settings of HTTP/2 (RFC 9113 §6.5). `None` if the server closes the connection before it has answered.
    async fn connect(&self, settings: &[u8]) -> Option<Connection> {
        let stream = TcpStream::connect(self.serving.grpc.to_string()).await.ok()?;
        Connection::try_with_settings(stream, settings).await.ok()
    }

    async fn client(&self) -> Option<AuthorizationClient<Channel>> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.serving.grpc)).unwrap();
        endpoint.connect().await.ok().map(AuthorizationClient::new)
    }

    /// Attacks while a victim sends checks, for the variable's time, and asserts the victim's latency and the memory.
    #[expect(clippy::disallowed_methods, reason = "the Makefile says in the environment for how long")]
    async fn measure(&self, name: &str, victim: Victim, attacks: JoinSet<()>) {
        let seconds = env::var(SECONDS).ok().and_then(|text| text.parse().ok()).unwrap_or(FEW_SECONDS);
        let (began, span) = (Instant::now(), Duration::from_secs(seconds));
        let (mut right, mut all, mut most) = (0_u64, 0_u64, 0);
        let mut connected = None;
        let mut wrong = Vec::new();
        let mut reported = began;
        let mut pace = interval(Duration::from_millis(2));
        while began.elapsed() < span || all < LEAST_CHECKS {
            pace.tick().await;
            if victim == Victim::Newcomer {
                connected = None;
            }
            all += 1;
            match timeout(PATIENCE, self.ask(&mut connected)).await.unwrap_or_else(|_| Err("no answer".to_owned())) {
                Ok(()) => right += 1,
                Err(error) => {
                    connected = None;
                    wrong.push(error);
                }
            }
            most = most.max(resident(self.serving.id()).saturating_sub(self.idle));
            if reported.elapsed() > Duration::from_secs(5) {
                reported = Instant::now();
                // Past the test harness, which holds back what a test prints: it takes long.
                let line =
                    format!("{name}: {} s, {right} of {all} right, {} MiB more", began.elapsed().as_secs(), most >> 20);
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            assert!(began.elapsed() < span + MAX_TIME, "{name}: {right} of {all} right, {wrong:?}");
        }
        drop(attacks);
        wrong.truncate(5);
        assert!(right * 100 >= all * 99, "{name}: {right} of {all} checks are right; {wrong:?}");
        assert!(most <= MAX_GROWTH, "{name}: {} MiB more than before", most >> 20);
    }

    /// One check of the victim.
    async fn ask(&self, connected: &mut Option<AuthorizationClient<Channel>>) -> Result<(), String> {
        if connected.is_none() {
            *connected = self.client().await;
        }
        let client = connected.as_mut().ok_or("no connection")?;
        let response = client.check(good()).await.map_err(|status| status.to_string())?;
        let answer = Answer::read(response.into_inner())?;
        match &answer {
            Answer::Allow { set, .. } if set.get("x-username").is_some_and(|name| name == "admin") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
}

/// A check that is let through whenever it is.
fn good() -> CheckRequest {
    let mut claims = claims();
    for (_, value) in claims.iter_mut().filter(|(name, _)| name == "exp") {
        *value = 4_000_000_000_u64.into();
    }
    let value = format!("JWT {}", KEY.sign(&claims).unwrap());
    check(Encoding::Raw, "GET", "/crm/", &[("authorization", value.as_bytes())])
}

/// Streams of a client: odd numbers (RFC 9113 §5.1.1).
fn streams(from: u32, count: u32) -> impl Iterator<Item = u32> {
    (from..from + 2 * count).step_by(2)
}
