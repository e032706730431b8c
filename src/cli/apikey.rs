//! `modgud apikey`: generates API keys, which are stored as digests only.

mod table;

use super::{Exit, print_error, print_line};
use crate::clock::Clock;
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud_core::authn::ApiKeyDigest;
use serde_json::{Map, Value};
use std::io::{self, Write};
use std::path::PathBuf;

/// Random bytes of a key: 256 bits, which are beyond guessing.
const KEY_BYTES: usize = 32;
/// The prefix of a key: people and scanners of leaked secrets recognize it.
const PREFIX: &str = "mgk_";

/// Makes API keys.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  modgud apikey new --id partner-a")]
pub(super) enum Command {
    New(New),
}

/// Makes an API key. Standard output gets the key alone; the line to store for it goes to standard error, or to --table.
///
/// The key is shown only this once and stored nowhere: give it to the client. The line goes into the table that the
/// configuration names (`api_key: { file: … }`); it holds only the SHA-256 of the key. To rotate, add the line of a new
/// key. Remove the old line when no client uses the old key any more.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modgud apikey new --id partner-a --subject partner --role reader --expires 2027-06-30\n  \
    KEY=$(modgud apikey new --id partner-c --table /etc/modgud/api-keys.yaml)\n  \
    modgud apikey new --id partner-b --subject partner --claim organization_uuid=70f0d039-e3d9-427e-b161-4e95dbd9e918"
)]
pub(super) struct New {
    /// The unique name of the key, for people, logs and revocations
    #[arg(long, value_parser = id)]
    id: String,
    /// The subject: the caller that the key identifies
    #[arg(long)]
    subject: Option<String>,
    /// A role; can be given more than once
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A permission; can be given more than once
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// A claim for identity headers, as a token would have it: JSON, or text if it is not JSON; can be given more than
    /// once
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = super::token::claim)]
    claims: Vec<(String, Value)>,
    /// The time from which the key is rejected: `2027-06-30T12:00:00Z`, or a date, which begins at midnight UTC
    #[arg(long, value_name = "TIME", value_parser = expires)]
    expires: Option<String>,
    /// Append the line to this file (a table of API keys, or a new file), instead of standard error
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

fn id(text: &str) -> Result<String, &'static str> {
    let shown = matches!(text.len(), 1..=128) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if shown { Ok(text.to_owned()) } else { Err("write 1 to 128 visible ASCII characters without a space") }
}

fn expires(text: &str) -> Result<String, String> {
    let at = crate::config::timestamp(text).map_err(|problem| problem.to_string())?;
    if at <= Clock::System.now() {
        return Err("this time is in the past, so no request could use the key; write a later one".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn run(command: Command) -> Exit {
    let Command::New(new) = command;
    let (table, id) = (new.table.clone(), new.id.clone());
    let mut bytes = [0; KEY_BYTES];
    if rand::fill(&mut bytes).is_err() {
        return print_error("the system provides no random numbers");
    }
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let entry = new.entry(&key);
    // The line is stored before the key is shown: a key without its line would be of no use.
    let stored = match &table {
        Some(file) => table::append(file, &id, &entry.to_string()).map_err(|error| error.to_string()),
        // A comment, so that the whole text is YAML too.
        None => write!(io::stderr().lock(), "# a line for the table that `api_key: {{ file: … }}` names:\n- {entry}\n")
            .map_err(|error| format!("standard error can't be written: {error}")),
    };
    if let Err(error) = stored {
        return print_error(error);
    }
    print_line(key);
    Exit::Done
}

impl New {
    /// Returns the entry for the table: JSON, which is YAML too.
    fn entry(self, key: &str) -> Value {
        let Self { id, subject, roles, permissions, claims, expires, table: _ } = self;
        let mut entry = Map::new();
        entry.insert("id".to_owned(), id.into());
        entry.insert("sha256".to_owned(), ApiKeyDigest::of(key).to_string().into());
        let mut put = |name: &str, value: Option<Value>| value.map(|value| entry.insert(name.to_owned(), value));
        put("subject", subject.map(Value::from));
        put("roles", (!roles.is_empty()).then(|| roles.into()));
        put("permissions", (!permissions.is_empty()).then(|| permissions.into()));
        put("claims", (!claims.is_empty()).then(|| Value::Object(claims.into_iter().collect())));
        put("expires", expires.map(Value::from));
        Value::Object(entry)
    }
}
