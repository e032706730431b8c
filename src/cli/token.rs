//! `modgud token`: signs tokens for development, and inspects tokens.

mod inspect;

use super::{Exit, keygen, print_error, print_line};
use crate::clock::Clock;
use crate::read_limit::read_file_to_limit;
use modgud_core::jose::{Algorithm, KeyId, SigningKey};
use modgud_core::time::Timestamp;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Maximum size of a key file, as in a configuration. A larger file is an error.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// The last time that a token can name, 9999-12-31T23:59:59Z: most readers reject a later one as a date.
const LAST: Timestamp = Timestamp::from_secs(253_402_300_799);

/// Makes tokens for development, and shows the content of a token.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  modgud token mint --key modgud-dev.key.pem\n  \
    modgud token mint --key modgud-dev.key.pem | modgud token inspect -")]
pub(super) enum Command {
    Mint(Mint),
    Inspect(inspect::Inspect),
}

pub(super) fn run(command: Command) -> Exit {
    match command {
        Command::Mint(mint) => self::mint(mint),
        Command::Inspect(inspect) => inspect::run(&inspect),
    }
}

/// Signs a token as BiFrost does, and prints it alone on a line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  TOKEN=$(modgud token mint --key modgud-dev.key.pem --username admin)\n  \
    modgud call 127.0.0.1:9191 --path /crm/ --header \"Authorization: JWT $TOKEN\"\n  \
    modgud token mint --key rsa.key.pem --algorithm PS256 --kid 2024-01 --claim 'roles=[\"admin\"]'")]
pub(super) struct Mint {
    /// The private key (PEM) or the secret, such as `modgud keygen` makes
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The signature algorithm, if the key supports several [default: RS256 for RSA, HS256 for a secret]
    #[arg(long, value_name = "ALGORITHM", value_parser = keygen::algorithm())]
    algorithm: Option<Algorithm>,
    /// `kid`, the key id; by default the header has none
    #[arg(long, value_name = "ID", value_parser = key_id)]
    kid: Option<KeyId>,
    /// `iss`
    #[arg(long, default_value = "bifrost")]
    issuer: String,
    /// The lifetime of the token, from now
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
    /// Another claim, or another value for one above: JSON, or text if it is not JSON; `null` removes the claim
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
}

/// Parses a claim, `NAME=VALUE`.
pub(super) fn claim(text: &str) -> Result<(String, Value), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write it as `NAME=VALUE`")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
}

fn key_id(text: &str) -> Result<KeyId, &'static str> {
    KeyId::new(text).ok_or("write at most 256 bytes")
}

fn mint(mint: Mint) -> Exit {
    match mint.token() {
        Ok(token) => {
            print_line(token);
            Exit::Done
        }
        Err(error) => print_error(error),
    }
}

/// Reads the key in this file. A secret is the whole text without a trailing line end, which editors add.
fn read_key(file: &Path) -> Result<SigningKey, String> {
    let bytes = read_file_to_limit(file, MAX_KEY_BYTES)
        .map_err(|error| format!("{} can't be read: {error}", file.display()))?
        .ok_or_else(|| {
            format!("{} is larger than {} KiB, the limit for a key", file.display(), MAX_KEY_BYTES / 1024)
        })?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8 text", file.display()))?;
    let key = if text.contains("-----BEGIN") {
        SigningKey::from_pem(&text)
    } else {
        let secret = text.strip_suffix('\n').unwrap_or(&text);
        SigningKey::from_secret(secret.strip_suffix('\r').unwrap_or(secret))
    };
    key.map_err(|error| format!("{}: {error}", file.display()))
}

impl Mint {
    fn token(self) -> Result<String, String> {
        let Self { key: file, algorithm, kid, issuer, lifetime, user, organization, scope, username, claims } = self;
        let mut key = read_key(&file)?;
        if let Some(algorithm) = algorithm {
            key = key.with_algorithm(algorithm).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        if let Some(id) = kid {
            key = key.with_id(id);
        }
        let now = Clock::System.now();
        let expires = now.plus(lifetime);
        if expires > LAST {
            return Err(format!(
                "--lifetime: the token would expire after {LAST}, the latest time of a token; use a shorter lifetime"
            ));
        }
        let mut all: Vec<(String, Value)> = vec![
            ("iss".into(), issuer.into()),
            ("exp".into(), expires.as_secs().into()),
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
        key.sign(&all).map_err(|error| error.to_string())
    }
}
