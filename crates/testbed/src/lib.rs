//! A complete gateway on this machine, on free loopback ports, for the demo and for tests. It has a fresh key, modgud, the sample modules,
//! and a real Envoy with the sample configuration. Each runs as a process of its own, and ends with its owner.

pub mod http;
pub mod idp;
mod launch;
mod process;
mod sample;

pub use launch::{start_envoy, start_modgud, start_module};
pub use process::Process;
pub use sample::SAMPLE;

use http::HttpError;
use launch::{ENVOY_YAML, Launch, Modules};
use modgud_core::jose::{Algorithm, SigningError, SigningKey};
use rustix::process::Signal;
use sample::{Endpoints, sample};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Any free loopback port.
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The programs of a testbed.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The program `modgud`.
    pub modgud: PathBuf,
    /// Envoy 1.40.
    pub envoy: PathBuf,
    /// Python 3 with `PyJWT`.
    pub python: PathBuf,
}

/// A failure of a testbed.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// A program can't be started.
    #[error("{program} can't be started: {error}")]
    Start {
        /// The program.
        program: String,
        /// The system's error.
        error: io::Error,
    },
    /// A program ended, or was silent for too long, before it served.
    #[error("{name} did not start; its output:\n{output}")]
    NotUp {
        /// Its name in the testbed.
        name: String,
        /// Its last lines.
        output: String,
    },
    /// A file can't be written or read.
    #[error("the testbed's folder can't be used: {0}")]
    Folder(#[from] io::Error),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] SigningError),
    /// Envoy's admin interface does not answer as expected.
    #[error("Envoy's admin interface: {0}")]
    Http(#[from] HttpError),
    /// Envoy does not report its listener.
    #[error("Envoy reports no listener")]
    NoListener,
    /// `modgud envoy` fails.
    #[error("`modgud envoy` failed: {0}")]
    NotWritten(String),
}

/// The difference of a testbed from what users start with; none by default.
#[derive(Debug, Default)]
pub struct Setup {
    /// A configuration file for modgud, merged on the profile `bifrost`. `{crm}`, `{documents}` and `{core}` in it are replaced by the
    /// addresses of the sample modules.
    pub config: Option<&'static str>,
    /// The origin of Envoy's configuration.
    pub envoy: EnvoyYaml,
    /// Further arguments of `modgud envoy`, with [`EnvoyYaml::Written`].
    pub arguments: Vec<String>,
    /// A change to Envoy's configuration.
    pub edit: Option<fn(&str) -> String>,
    /// The tokens that the modules verify.
    pub modules: Verified,
    /// True if modgud serves its page.
    pub page: bool,
    /// The private key, as PEM, of the key that modgud and the modules trust; by default a fresh one.
    pub private_key: Option<String>,
}

/// The tokens that the sample modules verify.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// Tokens of `BiFrost`, after `JWT`, with its public key.
    #[default]
    Bifrost,
    /// Minted tokens, after `Bearer`, with modgud's JWKS: issuer `modgud`, audience `modules`.
    Minted,
}

/// The origin of Envoy's configuration.
#[derive(Debug, Default, Clone, Copy)]
pub enum EnvoyYaml {
    /// The sample, with its addresses replaced.
    #[default]
    Sample,
    /// Written by `modgud envoy` from modgud's configuration.
    Written,
}

/// A running gateway.
#[derive(Debug)]
pub struct Testbed {
    /// The address where Envoy serves clients.
    pub gateway: SocketAddr,
    /// The address of Envoy's admin interface.
    pub envoy_admin: SocketAddr,
    /// The address where modgud serves checks.
    pub modgud_grpc: SocketAddr,
    /// The address where modgud serves probes and metrics.
    pub modgud_admin: SocketAddr,
    /// The address where modgud serves its page; `None` without one.
    pub modgud_page: Option<SocketAddr>,
    /// The key that modgud and the modules trust.
    pub key: SigningKey,
    /// modgud itself.
    pub modgud: Process,
    /// Envoy.
    pub envoy: Process,
    modules: [Process; 3],
    launch: Launch,
}

impl Testbed {
    /// Starts everything and waits until it serves. `progress` receives the name of what is being started.
    ///
    /// # Errors
    /// [`TestbedError`]; every started process is ended.
    pub async fn start(
        programs: &Programs,
        setup: &Setup,
        mut progress: impl FnMut(&str),
    ) -> Result<Self, TestbedError> {
        progress("a fresh RSA key, as BiFrost would hold it");
        let key = match &setup.private_key {
            Some(pem) => SigningKey::from_pem(pem)?,
            None => SigningKey::generate(Algorithm::Rs256)?,
        };
        let mut launch = Launch::new(programs, key.public_pem()?)?;
        let modgud_page = if setup.page { Some(launch.serve_page()?) } else { None };

        progress(match setup.config {
            None => "modgud, with nothing but JWT_PUBLIC_KEY_RSA_BIFROST set",
            Some(_) => "modgud, with a configuration file",
        });
        // modgud's configuration can name the modules that verify BiFrost's tokens. Those that verify minted tokens need modgud's address
        // first.
        let early = match setup.modules {
            Verified::Bifrost => Some(launch.modules(None).await?),
            Verified::Minted => None,
        };
        let addresses = early.as_ref().map(Modules::addresses);
        launch.configure(setup.config, addresses.as_ref().map_or(&[], |all| all.as_slice()))?;
        let (modgud, (modgud_grpc, modgud_admin)) = launch.modgud().await?;
        let modules = match early {
            Some(modules) => modules,
            None => launch.modules(Some(modgud_admin)).await?,
        };
        progress("the core service and two modules (Python, PyJWT)");

        progress("Envoy 1.40 with deploy/envoy.yaml");
        let endpoints = Endpoints {
            listener: FREE,
            admin: FREE,
            modgud: modgud_grpc,
            crm: modules.crm.1,
            documents: modules.documents.1,
            core: modules.core.1,
        };
        let edit = setup.edit.unwrap_or(str::to_owned);
        let yaml = match setup.envoy {
            EnvoyYaml::Sample => sample(&endpoints),
            EnvoyYaml::Written => launch.written(modgud_grpc, &setup.arguments).await?,
        };
        std::fs::write(launch.file(ENVOY_YAML), edit(&yaml))?;
        let (envoy, envoy_admin, gateway) = launch.envoy().await?;
        let modules = [modules.crm.0, modules.documents.0, modules.core.0];
        Ok(Self { gateway, envoy_admin, modgud_grpc, modgud_admin, modgud_page, key, modgud, envoy, modules, launch })
    }

    /// Replaces modgud's configuration file, and signals modgud to read it. modgud must have been started with one.
    ///
    /// # Errors
    /// [`TestbedError::Folder`] if the file can't be written.
    pub fn reload_modgud(&self, config: &str) -> Result<(), TestbedError> {
        self.launch.configure(Some(config), &[])?;
        self.modgud.signal(Signal::HUP);
        Ok(())
    }

    /// Kills modgud, as an out-of-memory killer would, and waits until it is gone.
    pub async fn kill_modgud(&mut self) {
        self.modgud.signal(Signal::KILL);
        self.modgud.ended().await;
    }

    /// Starts modgud again, at the same address. The previous process has to be gone.
    ///
    /// # Errors
    /// [`TestbedError`] if it does not start to serve.
    pub async fn start_modgud(&mut self) -> Result<(), TestbedError> {
        (self.modgud, (self.modgud_grpc, self.modgud_admin)) = self.launch.modgud().await?;
        Ok(())
    }

    /// Replaces Envoy with a new process: it has no state from before, and listens elsewhere.
    ///
    /// # Errors
    /// [`TestbedError`] if it does not start to serve.
    pub async fn restart_envoy(&mut self) -> Result<(), TestbedError> {
        (self.envoy, self.envoy_admin, self.gateway) = self.launch.envoy().await?;
        Ok(())
    }

    /// Ends every process, and waits until they are gone.
    pub async fn stop(self) {
        let Self { modgud, envoy, modules, launch, .. } = self;
        envoy.end().await;
        modgud.signal(Signal::INT); // no client is left: no drain
        modgud.end().await;
        for module in modules {
            module.end().await;
        }
        drop(launch);
    }
}
