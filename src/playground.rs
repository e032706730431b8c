//! A whole gateway on this machine, on free loopback ports: a fresh key, modgud, the sample modules and a real Envoy with the
//! sample configuration. For `modgud demo` and for tests. Everything runs as a process of its own, and ends with its owner.

pub mod http;
mod process;

pub use process::Process;

use crate::envoy::bootstrap::{Endpoints, sample};
use crate::jose::{SigningFault, SigningKey};
use http::{Exchange, HttpError};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// The sample module's source.
const MODULE: &str = include_str!("../examples/module/module.py");

/// How long a process may take to say that it serves.
const START: Duration = Duration::from_secs(30);

/// Any free loopback port.
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The programs that a playground is made of.
#[derive(Debug, Clone)]
pub struct Programs {
    /// This very program.
    pub modgud: PathBuf,
    /// Envoy 1.40.
    pub envoy: PathBuf,
    /// Python 3 with `PyJWT`.
    pub python: PathBuf,
}

/// Why there is no playground.
#[derive(Debug, thiserror::Error)]
pub enum PlaygroundError {
    /// A program can't be started.
    #[error("{program} can't be started: {error}")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        error: io::Error,
    },
    /// A program ended, or said nothing for too long, before it served.
    #[error("{name} did not come up; it said:\n{output}")]
    NotUp {
        /// What it is in the playground.
        name: String,
        /// Its last lines.
        output: String,
    },
    /// A file can't be written or read.
    #[error("the playground's folder can't be used: {0}")]
    Folder(#[from] io::Error),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] SigningFault),
    /// Envoy's admin interface does not answer as expected.
    #[error("Envoy's admin interface: {0}")]
    Http(#[from] HttpError),
    /// Envoy does not say where it listens.
    #[error("Envoy does not say where it listens")]
    NoListener,
}

/// A gateway that runs.
#[derive(Debug)]
pub struct Playground {
    /// Where clients are served, by Envoy.
    pub gateway: SocketAddr,
    /// Where modgud serves checks.
    pub modgud_grpc: SocketAddr,
    /// Where modgud serves probes and metrics.
    pub modgud_admin: SocketAddr,
    /// The key that modgud and the modules trust.
    pub key: SigningKey,
    /// modgud itself.
    pub modgud: Process,
    /// Envoy.
    pub envoy: Process,
    modules: Vec<Process>,
    /// Holds the files, and removes them.
    folder: TempDir,
}

impl Playground {
    /// Starts everything and waits until it serves. `progress` is told what is being started. `edit` may change Envoy's
    /// configuration.
    ///
    /// # Errors
    /// [`PlaygroundError`]; whatever had been started is ended.
    pub async fn start(
        programs: &Programs,
        mut progress: impl FnMut(&str),
        edit: impl FnOnce(String) -> String,
    ) -> Result<Self, PlaygroundError> {
        let folder = tempfile::Builder::new().prefix("modgud-").tempdir()?;
        progress("a fresh RSA key, as BiFrost would hold it");
        let key = SigningKey::generate()?;
        let public_pem = key.public_pem()?;

        progress("modgud, with nothing but JWT_PUBLIC_KEY_RSA_BIFROST set");
        let (modgud, (modgud_grpc, modgud_admin)) = start_modgud(programs, &public_pem).await?;

        progress("the core service and two modules (Python, PyJWT)");
        let script = folder.path().join("module.py");
        std::fs::write(&script, MODULE)?;
        let mut modules = Vec::new();
        let mut addresses = Vec::new();
        for name in ["crm", "documents", "core"] {
            let mut command = tokio::process::Command::new(&programs.python);
            command.arg(&script).args(["--name", name, "--port", "0"]).env("JWT_PUBLIC_KEY_RSA_BIFROST", &public_pem);
            let mut module = Process::start(name, command)?;
            addresses.push(module.wait_for(START, listening).await?);
            modules.push(module);
        }
        let [crm, documents, core] = addresses.as_slice() else { return Err(PlaygroundError::NoListener) };

        progress("Envoy 1.40 with deploy/envoy.yaml");
        let endpoints = Endpoints {
            listener: FREE,
            admin: FREE,
            modgud: modgud_grpc,
            crm: *crm,
            documents: *documents,
            core: *core,
        };
        let yaml = folder.path().join("envoy.yaml");
        std::fs::write(&yaml, edit(sample(&endpoints)))?;
        let (envoy, gateway) = start_envoy(programs, &folder, &yaml).await?;
        Ok(Self { gateway, modgud_grpc, modgud_admin, key, modgud, envoy, modules, folder })
    }

    /// Ends every process, and waits until they are gone.
    pub async fn stop(self) {
        let Self { modgud, envoy, modules, folder, .. } = self;
        envoy.end().await;
        modgud.end().await;
        for module in modules {
            module.end().await;
        }
        drop(folder);
    }
}

async fn start_modgud(
    programs: &Programs,
    public_pem: &str,
) -> Result<(Process, (SocketAddr, SocketAddr)), PlaygroundError> {
    let mut command = tokio::process::Command::new(&programs.modgud);
    command
        .args(["serve", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .env("JWT_PUBLIC_KEY_RSA_BIFROST", public_pem);
    let mut modgud = Process::start("modgud", command)?;
    let addresses = modgud.wait_for(START, serving).await?;
    Ok((modgud, addresses))
}

async fn start_envoy(
    programs: &Programs,
    folder: &TempDir,
    yaml: &std::path::Path,
) -> Result<(Process, SocketAddr), PlaygroundError> {
    let admin_file = folder.path().join("envoy.admin");
    let mut command = tokio::process::Command::new(&programs.envoy);
    command.arg("--config-path").arg(yaml).arg("--admin-address-path").arg(&admin_file).args([
        "--concurrency",
        "1",
        "--use-dynamic-base-id",
        "--disable-hot-restart",
    ]);
    let mut envoy = Process::start("Envoy", command)?;
    // Workers accept connections from here on; the file with the admin address was written before.
    envoy.wait_for(START, |line| line.contains("starting main dispatch loop").then_some(())).await?;
    let admin = std::fs::read_to_string(&admin_file)?.trim().parse().map_err(|_| PlaygroundError::NoListener)?;
    let listeners = Exchange::get(admin, "/listeners?format=json").await?;
    Ok((envoy, gateway(&listeners.body).ok_or(PlaygroundError::NoListener)?))
}

/// The address in a module's line `NAME listening on HOST:PORT`.
fn listening(line: &str) -> Option<SocketAddr> {
    line.split_once(" listening on ")?.1.trim().parse().ok()
}

/// The addresses in modgud's log line `serving`.
fn serving(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| event.get(name)?.as_str()?.parse().ok();
    (event.get("message")? == "serving").then_some((address("grpc")?, address("admin")?))
}

/// The first listener's address in Envoy's answer to `/listeners?format=json`.
fn gateway(json: &[u8]) -> Option<SocketAddr> {
    let listeners: serde_json::Value = serde_json::from_slice(json).ok()?;
    let socket = listeners.pointer("/listener_statuses/0/local_address/socket_address")?;
    let ip = socket.get("address")?.as_str()?.parse().ok()?;
    let port = socket.get("port_value")?.as_u64()?.try_into().ok()?;
    Some(SocketAddr::new(ip, port))
}
