//! `modgud stdio`: an API gateway's messages, as JSON values on standard input and output, decided by the server's
//! evaluation.

mod denial;
mod errors;
mod gateway;
mod json_stream;
mod members;
mod message;
mod pipeline;
mod reply;
mod service;

use super::{Exit, print_error, runtime};
use crate::config::{ConfigError, Environment, ProfileName};
use crate::telemetry::log;
use errors::Errors;
use gateway::Gateway;
use service::{Service, Services};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinError;

/// Answers `init` and `api_request` messages on standard input, in order, on standard output.
///
/// `init` brings the public key (PEM) that verifies tokens. `api_request` is decided like a request of Envoy, with JWKS
/// and introspection of the configuration; the reply names its service and caller. A message is bare, or the `body` of an
/// envelope with `src` and `dest`; so is its reply. A line may hold several values, and a value may span lines. A wrong
/// message gets a reply with status 400. Without a readable `msg_id` it is reported on standard error.
///
/// Standard error has a line for each denied request: its `msg_id`, the status, the reason code and an explanation. It has
/// no token and no value of a claim. A key that is invalid, or that the configuration does not use, is reported there too.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud stdio < messages.jsonl\n  modgud stdio --config modgud.yaml --service /api/users=users-service --service /api/bills=billing"
)]
pub(super) struct Args {
    /// The configuration file (YAML), merged onto the profile; the key of `init` replaces the variable `JWT_PUBLIC_KEY`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names; `bearer` without a file
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// The service for requests below a path; replaces the default services; can be given more than once
    #[arg(long = "service", value_name = "PATH=NAME")]
    services: Vec<Service>,
}

/// How long the exit waits for the threads of the runtime. A read that waits for input is left behind after it.
const THREAD_EXIT_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
enum StdioError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("standard input can't be read: {0}")]
    Read(io::Error),
    #[error("standard output can't be written: {0}")]
    Write(io::Error),
    #[error("a request can't be decided: {0}")]
    Evaluation(#[from] JoinError),
}

pub(super) fn run(args: Args, environment: Environment) -> Exit {
    let Args { config, profile, services } = args;
    let services = if services.is_empty() { Services::usual() } else { Services::new(services) };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return print_error(error),
    };
    let log = log::start_on_stderr();
    let mut errors = Errors::start();
    let served = runtime.block_on(async {
        let gateway = Gateway::new(config, profile, environment, services).await?;
        pipeline::run(gateway, io::stdin(), &mut io::stdout().lock(), &mut errors).await
    });
    errors.end();
    drop(log);
    runtime.shutdown_timeout(THREAD_EXIT_TIMEOUT);
    match served {
        Ok(()) => Exit::Done,
        Err(error) => print_error(error),
    }
}
