//! A whole gateway on this machine, on free loopback ports: a fresh key, modgud, the sample modules and a real Envoy with the
//! sample configuration. For the demo and for tests. Everything runs as a process of its own, and ends with its owner.

pub mod http;
mod launch;
mod process;

pub use process::Process;

use http::HttpError;
use launch::{ENVOY_YAML, Launch, Modules};
use modgud::envoy::bootstrap::{Endpoints, sample};
use modgud_core::jose::{Algorithm, SigningError, SigningKey};
use rustix::process::Signal;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Any free loopback port.
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The programs that a testbed is made of.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The program `modgud`.
    pub modgud: PathBuf,
    /// Envoy 1.40.
    pub envoy: PathBuf,
    /// Python 3 with `PyJWT`.
    pub python: PathBuf,
}

/// Why there is no testbed.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
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
        /// What it is in the testbed.
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
    /// Envoy does not say where it listens.
    #[error("Envoy does not say where it listens")]
    NoListener,
    /// `modgud envoy` fails.
    #[error("`modgud envoy` writes no configuration: {0}")]
    NotWritten(String),
}

/// How a testbed differs from what users start from. The default is: not at all.
#[derive(Debug, Default)]
pub struct Setup {
    /// A configuration file for modgud, laid over the profile `bifrost`. `{crm}`, `{documents}` and `{core}` in it stand for the
    /// addresses of the sample modules.
    pub config: Option<&'static str>,
    /// Where Envoy's configuration comes from.
    pub envoy: EnvoyYaml,
    /// A change to Envoy's configuration.
    pub edit: Option<fn(&str) -> String>,
    /// What the modules verify.
    pub modules: Verified,
}

/// Whose tokens the sample modules verify.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// Those of `BiFrost`, after `JWT`, with its public key.
    #[default]
    Bifrost,
    /// Those that modgud mints, after `Bearer`, with the keys that it publishes: issuer `modgud`, audience `modules`.
    Minted,
}

/// Where Envoy's configuration comes from.
#[derive(Debug, Default, Clone, Copy)]
pub enum EnvoyYaml {
    /// The sample, with its addresses replaced.
    #[default]
    Sample,
    /// `modgud envoy` writes it from modgud's configuration.
    Written,
}

/// A gateway that runs.
#[derive(Debug)]
pub struct Testbed {
    /// Where clients are served, by Envoy.
    pub gateway: SocketAddr,
    /// Where Envoy tells about itself.
    pub envoy_admin: SocketAddr,
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
    modules: [Process; 3],
    launch: Launch,
}

impl Testbed {
    /// Starts everything and waits until it serves. `progress` is told what is being started.
    ///
    /// # Errors
    /// [`TestbedError`]; whatever had been started is ended.
    pub async fn start(
        programs: &Programs,
        setup: &Setup,
        mut progress: impl FnMut(&str),
    ) -> Result<Self, TestbedError> {
        progress("a fresh RSA key, as BiFrost would hold it");
        let key = SigningKey::generate(Algorithm::Rs256)?;
        let launch = Launch::new(programs, key.public_pem()?)?;

        progress(match setup.config {
            None => "modgud, with nothing but JWT_PUBLIC_KEY_RSA_BIFROST set",
            Some(_) => "modgud, with a configuration file",
        });
        // Who verifies BiFrost's tokens can be named in modgud's configuration; who verifies modgud's has to know where it serves them.
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
            EnvoyYaml::Written => launch.written(modgud_grpc).await?,
        };
        std::fs::write(launch.file(ENVOY_YAML), edit(&yaml))?;
        let (envoy, envoy_admin, gateway) = launch.envoy().await?;
        let modules = [modules.crm.0, modules.documents.0, modules.core.0];
        Ok(Self { gateway, envoy_admin, modgud_grpc, modgud_admin, key, modgud, envoy, modules, launch })
    }

    /// Kills modgud, as an out-of-memory killer would, and waits until it is gone.
    pub async fn kill_modgud(&mut self) {
        self.modgud.signal(Signal::KILL);
        self.modgud.ended().await;
    }

    /// Starts modgud once more, where it was before. The one before has to be gone.
    ///
    /// # Errors
    /// [`TestbedError`] when it does not come up.
    pub async fn start_modgud(&mut self) -> Result<(), TestbedError> {
        (self.modgud, (self.modgud_grpc, self.modgud_admin)) = self.launch.modgud().await?;
        Ok(())
    }

    /// Puts a new Envoy in the place of the present one: it knows nothing of what happened before, and listens elsewhere.
    ///
    /// # Errors
    /// [`TestbedError`] when it does not come up.
    pub async fn restart_envoy(&mut self) -> Result<(), TestbedError> {
        (self.envoy, self.envoy_admin, self.gateway) = self.launch.envoy().await?;
        Ok(())
    }

    /// Ends every process, and waits until they are gone.
    pub async fn stop(self) {
        let Self { modgud, envoy, modules, launch, .. } = self;
        envoy.end().await;
        modgud.signal(Signal::INT); // nobody asks any more: no drain
        modgud.end().await;
        for module in modules {
            module.end().await;
        }
        drop(launch);
    }
}
