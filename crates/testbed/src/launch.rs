//! Starts the processes of a testbed, each on a free port, and finds its address.

use super::http::Exchange;
use super::{FREE, Process, Programs, TestbedError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// The sample module's source.
const MODULE: &str = include_str!("../../../examples/module/module.py");

/// The names of the files.
const MODULE_PY: &str = "module.py";
const MODGUD_YAML: &str = "modgud.yaml";
pub(super) const ENVOY_YAML: &str = "envoy.yaml";
const ENVOY_ADMIN: &str = "envoy.admin";

/// Time until a process must report that it serves.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The inputs for starting a process, at first and again.
#[derive(Debug)]
pub(super) struct Launch {
    programs: Programs,
    public_pem: String,
    /// Reserves modgud's port while modgud is down: bound, never listening, so that connections are refused.
    port: TcpSocket,
    /// The port of modgud's page in the same way; `None` without one.
    page: Option<TcpSocket>,
    /// Holds the files, and removes them on drop.
    folder: TempDir,
}

/// The sample services, each with its address.
pub(super) struct Modules {
    pub(super) crm: (Process, SocketAddr),
    pub(super) documents: (Process, SocketAddr),
    pub(super) core: (Process, SocketAddr),
}

impl Modules {
    pub(super) fn addresses(&self) -> [(&'static str, SocketAddr); 3] {
        [("crm", self.crm.1), ("documents", self.documents.1), ("core", self.core.1)]
    }
}

impl Launch {
    pub(super) fn new(programs: &Programs, public_pem: String) -> Result<Self, TestbedError> {
        let folder = tempfile::Builder::new().prefix("modgud-").tempdir()?;
        std::fs::write(folder.path().join(MODULE_PY), MODULE)?;
        Ok(Self { programs: programs.clone(), public_pem, port: free_port()?, page: None, folder })
    }

    /// Lets modgud serve its page, and returns the address.
    pub(super) fn serve_page(&mut self) -> Result<SocketAddr, TestbedError> {
        Ok(self.page.insert(free_port()?).local_addr()?)
    }

    /// Writes modgud's configuration, if there is one, with the addresses of services by name.
    pub(super) fn configure(&self, config: Option<&str>, services: &[(&str, SocketAddr)]) -> Result<(), TestbedError> {
        let Some(config) = config else { return Ok(()) };
        let mut text = config.to_owned();
        for (name, address) in services {
            text = text.replace(&format!("{{{name}}}"), &address.to_string());
        }
        Ok(std::fs::write(self.file(MODGUD_YAML), text)?)
    }

    /// Returns the output of `modgud envoy` with further arguments, on free ports and for this modgud.
    pub(super) async fn written(&self, modgud: SocketAddr, arguments: &[String]) -> Result<String, TestbedError> {
        let mut command = Command::new(&self.programs.modgud);
        command.arg("envoy").arg("--config").arg(self.file(MODGUD_YAML)).arg("--modgud").arg(modgud.to_string());
        command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(arguments).kill_on_drop(true);
        let output = command.output().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(TestbedError::NotWritten(text(&output.stderr)))
        }
    }

    /// Returns the path of a file in the testbed's folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts modgud; returns the addresses of its checks and of its admin interface.
    pub(super) async fn modgud(&self) -> Result<(Process, (SocketAddr, SocketAddr)), TestbedError> {
        let grpc = self.port.local_addr()?.to_string();
        let mut command = Command::new(&self.programs.modgud);
        command.args(["serve", "--grpc", &grpc, "--admin", "127.0.0.1:0"]);
        if let Some(page) = &self.page {
            command.args(["--ui", &page.local_addr()?.to_string()]);
        }
        command.env("JWT_PUBLIC_KEY_RSA_BIFROST", &self.public_pem);
        let config = self.file(MODGUD_YAML);
        if config.exists() {
            command.arg("--config").arg(config);
        }
        start_modgud(command).await
    }

    /// Starts the core service and the two modules. They verify minted tokens if `minted` is the address of modgud's JWKS, and else
    /// BiFrost's tokens.
    pub(super) async fn modules(&self, minted: Option<SocketAddr>) -> Result<Modules, TestbedError> {
        let module = |name| self.module(name, minted);
        let (crm, documents, core) = tokio::try_join!(module("crm"), module("documents"), module("core"))?;
        Ok(Modules { crm, documents, core })
    }

    async fn module(&self, name: &str, minted: Option<SocketAddr>) -> Result<(Process, SocketAddr), TestbedError> {
        let mut command = Command::new(&self.programs.python);
        command.arg(self.file(MODULE_PY)).args(["--name", name, "--port", "0"]);
        match minted {
            None => command.env("JWT_PUBLIC_KEY_RSA_BIFROST", &self.public_pem),
            Some(modgud) => command.env("MODGUD_JWKS", format!("http://{modgud}/.well-known/jwks.json")),
        };
        start_module(name, command).await
    }

    /// Starts Envoy; returns the addresses of its admin interface and of its listener.
    pub(super) async fn envoy(&self) -> Result<(Process, SocketAddr, SocketAddr), TestbedError> {
        start_envoy(&self.programs, self.folder.path()).await
    }
}

/// Reserves a port for modgud, also for a restart.
fn free_port() -> Result<TcpSocket, TestbedError> {
    let port = TcpSocket::new_v4()?;
    port.set_reuseaddr(true)?; // lets modgud listen there all the same
    port.bind(FREE)?;
    Ok(port)
}

/// Starts Envoy with `envoy.yaml` in this folder; returns the addresses of its admin interface and of its listener.
///
/// # Errors
/// [`TestbedError`] if it does not start to serve.
pub async fn start_envoy(
    programs: &Programs,
    folder: &Path,
) -> Result<(Process, SocketAddr, SocketAddr), TestbedError> {
    let mut command = Command::new(&programs.envoy);
    let address = folder.join(ENVOY_ADMIN);
    command.arg("--config-path").arg(folder.join(ENVOY_YAML)).arg("--admin-address-path").arg(&address);
    command.args(["--concurrency", "1", "--use-dynamic-base-id", "--disable-hot-restart"]);
    let mut envoy = Process::start("Envoy", command)?;
    // Envoy listens soon after this line. It has written the address of its admin interface long before.
    envoy.wait_for(START_TIMEOUT, |line| line.contains("starting workers").then_some(())).await?;
    let admin = std::fs::read_to_string(address)?;
    let admin = admin.trim().parse().map_err(|_| TestbedError::NoListener)?;
    timeout(START_TIMEOUT, listening_workers(admin)).await.map_err(|_| TestbedError::NoListener)??;
    let listeners = Exchange::get(admin, "/listeners?format=json").await?;
    Ok((envoy, admin, gateway(&listeners.body).ok_or(TestbedError::NoListener)?))
}

/// Starts a sample module with this command; returns its address.
///
/// # Errors
/// [`TestbedError`] if it does not start to serve.
pub async fn start_module(name: &str, command: Command) -> Result<(Process, SocketAddr), TestbedError> {
    let mut module = Process::start(name, command)?;
    let address = module.wait_for(START_TIMEOUT, listening).await?;
    Ok((module, address))
}

/// Starts modgud with this command; returns the addresses of its checks and of its admin interface.
///
/// # Errors
/// [`TestbedError`] if it does not start to serve.
pub async fn start_modgud(command: Command) -> Result<(Process, (SocketAddr, SocketAddr)), TestbedError> {
    let mut modgud = Process::start("modgud", command)?;
    let addresses = modgud.wait_for(START_TIMEOUT, serving).await?;
    Ok((modgud, addresses))
}

/// Waits until Envoy's workers accept connections.
async fn listening_workers(admin: SocketAddr) -> Result<(), TestbedError> {
    const POLL_INTERVAL: Duration = Duration::from_millis(10);
    loop {
        let stats = Exchange::get(admin, "/stats?filter=^listener_manager.workers_started$").await?;
        if stats.body.trim_ascii_end().ends_with(b": 1") {
            return Ok(());
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Parses the address in a module's line `NAME listening on HOST:PORT`.
fn listening(line: &str) -> Option<SocketAddr> {
    line.split_once(" listening on ")?.1.trim().parse().ok()
}

/// Parses the addresses in modgud's log line `serving`.
fn serving(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| event.get(name)?.as_str()?.parse().ok();
    (event.get("message")? == "serving").then_some((address("grpc")?, address("admin")?))
}

/// Parses the first listener's address in Envoy's response to `/listeners?format=json`.
fn gateway(json: &[u8]) -> Option<SocketAddr> {
    let listeners: serde_json::Value = serde_json::from_slice(json).ok()?;
    let socket = listeners.pointer("/listener_statuses/0/local_address/socket_address")?;
    let ip = socket.get("address")?.as_str()?.parse().ok()?;
    let port = socket.get("port_value")?.as_u64()?.try_into().ok()?;
    Some(SocketAddr::new(ip, port))
}
