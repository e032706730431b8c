//! `modgud correlation`: the side of services and workers of identity correlations.

use super::{Exit, input, print_error, print_line};
use crate::clock::Clock;
use modgud_core::jose::KeyError;
use modgud_core::time::Timestamp;
use modgud_core::upstream::{
    CorrelationField, IdentityCorrelation, MAX_CLOCK_SKEW, ReadError, SignError, SigningSecret, VerifyError,
};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Verifies and signs identity correlations, as workers do.
#[derive(clap::Subcommand)]
#[command(
    after_help = "Example:\n  modgud correlation verify --key identity.key --process-instance 4711 correlation.json\n  \
    modgud correlation sign --key identity.key --process-instance 4711 correlation.json"
)]
pub(super) enum Command {
    Verify(Verify),
    Sign(Sign),
}

/// Signs a correlation for a process instance, and prints it.
///
/// For a service that starts a process: modgud sent it a correlation without a signature, and now the process has an id.
/// Sign only what modgud sent, and only for the process that the same request started. Exit code 1: the correlation is
/// signed already, names another process instance, has a time in the future, is too old, or is malformed.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud correlation sign --key identity.key --process-instance 4711 correlation.json\n  \
    echo \"$CORRELATION\" | modgud correlation sign --key identity.key --process-instance 4711 --max-age 1m -"
)]
pub(super) struct Sign {
    /// The file of the secret; whitespace around it is ignored
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The process instance to sign for
    #[arg(long, value_name = "ID")]
    process_instance: String,
    /// The maximum age; unlimited by default
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,
    /// The file of the correlation (JSON); `-` reads standard input
    #[arg(value_name = "FILE")]
    correlation: PathBuf,
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
enum CommandError {
    #[error("{file} can't be read: {error}")]
    Unreadable { file: String, error: io::Error },
    #[error("{0} contains no secret")]
    NoSecret(String),
    #[error("{file} does not hold a usable key: {error}")]
    Unusable { file: String, error: KeyError },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the correlation's time is in the future")]
    UnsignedFuture,
    #[error("the correlation is older than {}", humantime::format_duration(*.0))]
    UnsignedAge(Duration),
    #[error("the correlation is valid, but belongs to another process instance")]
    Instance,
    #[error("the correlation is valid, but older than {}", humantime::format_duration(*.0))]
    Age(Duration),
    #[error("the correlation is valid, but its time is in the future")]
    Future,
}

pub(super) fn run(command: Command) -> Exit {
    let done = match command {
        Command::Verify(verify) => verify.run(),
        Command::Sign(sign) => sign.run(),
    };
    match done {
        Ok(correlation) => {
            print_line(correlation.to_json());
            Exit::Done
        }
        Err(error) => print_error(error),
    }
}

impl Verify {
    fn run(self) -> Result<IdentityCorrelation, CommandError> {
        let Self { key, process_instance, max_age, correlation } = self;
        let secret = secret(&key)?;
        let correlation = IdentityCorrelation::from_json(read(&correlation)?.as_bytes())?;
        correlation.verify(&secret)?;
        let instance = correlation.instance.as_ref().map(CorrelationField::as_str);
        if process_instance.as_deref().is_some_and(|expected| instance != Some(expected)) {
            return Err(CommandError::Instance);
        }
        let now = Clock::System.now();
        if let Some(most) = max_age {
            if is_future(&correlation, now) {
                return Err(CommandError::Future);
            }
            if correlation.issued_at.plus(most) < now {
                return Err(CommandError::Age(most));
            }
        }
        Ok(correlation)
    }
}

impl Sign {
    fn run(self) -> Result<IdentityCorrelation, CommandError> {
        let Self { key, process_instance, max_age, correlation } = self;
        let secret = secret(&key)?;
        let correlation = IdentityCorrelation::from_json(read(&correlation)?.as_bytes())?;
        let now = Clock::System.now();
        // Signed, it would outlive every `--max-age`.
        if is_future(&correlation, now) {
            return Err(CommandError::UnsignedFuture);
        }
        if let Some(most) = max_age.filter(|most| correlation.issued_at.plus(*most) < now) {
            return Err(CommandError::UnsignedAge(most));
        }
        Ok(correlation.sign_for(&process_instance, &secret)?)
    }
}

fn is_future(correlation: &IdentityCorrelation, now: Timestamp) -> bool {
    correlation.issued_at > now.plus(MAX_CLOCK_SKEW)
}

fn secret(key: &Path) -> Result<SigningSecret, CommandError> {
    let text = read(key)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(CommandError::NoSecret(key.display().to_string()));
    }
    SigningSecret::parse(text).map_err(|error| CommandError::Unusable { file: key.display().to_string(), error })
}

fn read(file: &Path) -> Result<String, CommandError> {
    let (name, text) = input::read(file);
    text.map_err(|error| CommandError::Unreadable { file: name, error })
}
