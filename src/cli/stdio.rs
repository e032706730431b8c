//! `modgud stdio`: the messages of an API gateway, as JSON values on standard input and output. The server's own evaluation decides.

mod gateway;
mod json_stream;
mod message;
mod reply;
mod services;

use super::{Exit, fail};
use crate::clock::Clock;
use crate::config::{ConfigError, Environment, ProfileName};
use gateway::{Gateway, InitError};
use json_stream::{Broken, JsonStream};
use message::Message;
use services::{Service, Services};
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// Answers `init` and `api_request` messages on standard input, in order, on standard output.
///
/// `init` brings the public key (PEM) that tokens are verified with; `api_request` is decided as a request that Envoy asks about, and
/// told which service it is for and who asks. JsonStream may stand several on a line or one on many. What is no message is told on
/// standard error, and the next one is read.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud stdio < messages.jsonl\n  modgud stdio --config modgud.yaml --service /api/users=users-service --service /api/bills=billing"
)]
pub(super) struct Args {
    /// The configuration file (YAML), laid over the profile; the key of `init` stands for the variable `JWT_PUBLIC_KEY`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names; `bearer` without a file
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// Which service the requests below a path are for, instead of the usual ones; can be given more than once
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
        Err(error) => fail(error),
    }
}

fn serve(
    mut gateway: Gateway,
    input: &mut impl Read,
    output: &mut impl Write,
    errors: &mut impl Write,
) -> Result<(), StdioError> {
    /// How much is read at once.
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
                    let (reply, noted) = gateway.answer(message, Clock::System.now());
                    if let Some(InitError { id, error }) = noted {
                        // Whoever reads no errors is no reason to stop.
                        let _ = writeln!(
                            errors,
                            "modgud: the key of message {id} can't be used, so that no token is good: {error}"
                        );
                    }
                    let mut line = reply.line();
                    line.push(b'\n');
                    // A reader that waits for the answer gets it now.
                    output.write_all(&line).and_then(|()| output.flush()).map_err(StdioError::Write)?;
                }
                Err(Broken { line, what }) => {
                    let _ = writeln!(errors, "modgud: line {line} of the input: {what}");
                }
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}
