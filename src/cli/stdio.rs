//! `modgud stdio`: an API gateway's messages, as JSON values on standard input and output, decided by the server's
//! evaluation.

mod gateway;
mod json_stream;
mod message;

use super::{Exit, print_error};
use crate::clock::Clock;
use crate::config::{ConfigError, Environment, ProfileName};
use gateway::{Gateway, InitError, Service, Services};
use json_stream::{JsonStream, StreamError};
use message::Message;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// Answers `init` and `api_request` messages on standard input, in order, on standard output.
///
/// `init` brings the public key (PEM) that verifies tokens. `api_request` is decided like a request of Envoy; the reply
/// names its service and caller. A line may hold several values, and a value may span lines. Anything else is reported
/// on standard error, and reading goes on at the next message.
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

#[derive(Debug, thiserror::Error)]
enum StdioError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("standard input can't be read: {0}")]
    Read(io::Error),
    #[error("standard output can't be written: {0}")]
    Write(io::Error),
}

pub(super) fn run(args: Args, environment: Environment) -> Exit {
    let Args { config, profile, services } = args;
    let services = if services.is_empty() { Services::usual() } else { Services::new(services) };
    let served = Gateway::new(config, profile, environment, services).map_err(StdioError::from).and_then(|gateway| {
        serve(gateway, &mut io::stdin().lock(), &mut io::stdout().lock(), &mut io::stderr().lock())
    });
    match served {
        Ok(()) => Exit::Done,
        Err(error) => print_error(error),
    }
}

fn serve(
    mut gateway: Gateway,
    input: &mut impl Read,
    output: &mut impl Write,
    errors: &mut impl Write,
) -> Result<(), StdioError> {
    /// Size of one read.
    const PIECE: usize = 64 * 1024;
    let mut values = JsonStream::default();
    let mut piece = vec![0; PIECE];
    loop {
        let read = match input.read(&mut piece) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(StdioError::Read(error)),
        };
        if read == 0 {
            values.end();
        } else {
            values.push(piece.get(..read).unwrap_or_default());
        }
        while let Some(value) = values.next::<Message>() {
            match value {
                Ok(message) => {
                    let (reply, init_error) = gateway.answer(message, Clock::System.now());
                    if let Some(InitError { id, error }) = init_error {
                        // A closed standard error is no reason to stop.
                        let _ = writeln!(
                            errors,
                            "modgud: the key of message {id} is invalid, so all tokens are rejected: {error}"
                        );
                    }
                    let mut line = reply.line();
                    line.push(b'\n');
                    // A client that waits for this reply must get it now.
                    output.write_all(&line).and_then(|()| output.flush()).map_err(StdioError::Write)?;
                }
                Err(StreamError { line, kind }) => {
                    let _ = writeln!(errors, "modgud: line {line} of the input: {kind}");
                }
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}
