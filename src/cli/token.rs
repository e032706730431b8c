//! `modgud token`: tokens for development.

use super::{Exit, fail, say};
use crate::clock::Clock;
use crate::jose::SigningKey;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Makes tokens for development.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  modgud token mint --key modgud-dev.key.pem")]
pub(super) enum Command {
    Mint(Mint),
}

/// Signs a token as BiFrost does, and prints it alone on a line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  TOKEN=$(modgud token mint --key modgud-dev.key.pem --username admin)\n  \
    modgud call 127.0.0.1:9191 --path /crm/ --header \"Authorization: JWT $TOKEN\"")]
pub(super) struct Mint {
    /// The private key (PEM), such as `modgud keygen` makes
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// `iss`
    #[arg(long, default_value = "bifrost")]
    issuer: String,
    /// How long the token is valid, from now
    #[arg(long, value_name = "DURATION", default_value = "10h", value_parser = humantime::parse_duration)]
    lifetime: Duration,
    /// `core_user_uuid`
    #[arg(long, value_name = "ID", default_value = "fd76ce0c-d8be-4aa6-91ed-59e698f6af60")]
    user: String,
    /// `organization_uuid`
    #[arg(long, value_name = "ID", default_value = "70f0d039-e3d9-427e-b161-4e95dbd9e918")]
    organization: String,
    /// `scope`, separated by spaces
    #[arg(long, default_value = "read write")]
    scope: String,
    /// `username`
    #[arg(long, default_value = "admin")]
    username: String,
    /// Another claim, or another value for one above: JSON, or text if it is no JSON; `null` leaves the claim out
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
}

/// `NAME=VALUE`: a claim.
pub(super) fn claim(text: &str) -> Result<(String, Value), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write it as `NAME=VALUE`")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
}

pub(super) fn run(command: Command) -> Exit {
    match command {
        Command::Mint(mint) => match mint.token() {
            Ok(token) => {
                say(token);
                Exit::Done
            }
            Err(error) => fail(error),
        },
    }
}

impl Mint {
    fn token(self) -> Result<String, String> {
        let Self { key, issuer, lifetime, user, organization, scope, username, claims } = self;
        let pem = std::fs::read_to_string(&key).map_err(|error| format!("{} can't be read: {error}", key.display()))?;
        let key = SigningKey::from_pem(&pem).map_err(|fault| format!("{}: {fault}", key.display()))?;
        let now = Clock::System.now();
        let mut all: Vec<(String, Value)> = vec![
            ("iss".into(), issuer.into()),
            ("exp".into(), now.plus(lifetime).as_secs().into()),
            ("iat".into(), now.as_secs().into()),
            ("core_user_uuid".into(), user.into()),
            ("organization_uuid".into(), organization.into()),
            ("scope".into(), scope.into()),
            ("username".into(), username.into()),
        ];
        for (name, value) in claims {
            match all.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => all.push((name, value)),
            }
        }
        all.retain(|(_, value)| !value.is_null());
        key.sign(&all).map_err(|fault| fault.to_string())
    }
}
