//! `modgud correlation`: the worker's side of identity correlations.

use super::{Exit, input, print_error, print_line};
use crate::clock::Clock;
use modgud_core::upstream::{CorrelationField, IdentityCorrelation, ReadError, SigningSecret, VerifyError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Verifies identity correlations, as workers do.
#[derive(clap::Subcommand)]
#[command(
    after_help = "Example:\n  modgud correlation verify --key identity.key --process-instance 4711 correlation.json"
)]
pub(super) enum Command {
    Verify(Verify),
}

/// Verifies a correlation, and prints it.
///
/// Exit code 0: it was signed with this key and, if a process instance is given, for that one. 1: it was not, or it is
/// malformed.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud correlation verify --key identity.key --process-instance 4711 correlation.json\n  \
    echo \"$CORRELATION\" | modgud correlation verify --key identity.key --max-age 1h -"
)]
pub(super) struct Verify {
    /// The file of the secret; whitespace around it is ignored
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The expected process instance
    #[arg(long, value_name = "ID")]
    process_instance: Option<String>,
    /// The maximum age; unlimited by default
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,
    /// The file of the correlation (JSON); `-` reads standard input
    #[arg(value_name = "FILE")]
    correlation: PathBuf,
}

#[derive(Debug, thiserror::Error)]
enum VerifyCommandError {
    #[error("{file} can't be read: {error}")]
    Unreadable { file: String, error: io::Error },
    #[error("{0} contains no secret")]
    NoSecret(String),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("the correlation is valid, but belongs to another process instance")]
    Instance,
    #[error("the correlation is valid, but older than {}", humantime::format_duration(*.0))]
    Age(Duration),
    #[error("the correlation is valid, but its time is in the future")]
    Future,
}

/// Maximum clock skew between the signer and this machine; a correlation from further in the future is rejected.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

pub(super) fn run(command: Command) -> Exit {
    let Command::Verify(verify) = command;
    match verify.run() {
        Ok(correlation) => {
            print_line(correlation.to_json());
            Exit::Done
        }
        Err(error) => print_error(error),
    }
}

impl Verify {
    fn run(self) -> Result<IdentityCorrelation, VerifyCommandError> {
        let Self { key, process_instance, max_age, correlation } = self;
        let secret = read(&key)?;
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(VerifyCommandError::NoSecret(key.display().to_string()));
        }
        let correlation = IdentityCorrelation::from_json(read(&correlation)?.as_bytes())?;
        correlation.verify(&SigningSecret::new(secret))?;
        let instance = correlation.instance.as_ref().map(CorrelationField::as_str);
        if process_instance.as_deref().is_some_and(|expected| instance != Some(expected)) {
            return Err(VerifyCommandError::Instance);
        }
        let now = Clock::System.now();
        if let Some(most) = max_age {
            if correlation.issued_at > now.plus(MAX_CLOCK_SKEW) {
                return Err(VerifyCommandError::Future);
            }
            if correlation.issued_at.plus(most) < now {
                return Err(VerifyCommandError::Age(most));
            }
        }
        Ok(correlation)
    }
}

fn read(file: &Path) -> Result<String, VerifyCommandError> {
    let (name, text) = input::read(file);
    text.map_err(|error| VerifyCommandError::Unreadable { file: name, error })
}
