//! `modgud keygen`: generates a key pair, or a shared secret, for development and for `mint`.

use super::{Exit, print_error, print_line};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use modgud_core::jose::{Algorithm, KeyType, SigningKey};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Makes a key pair for development and for `mint`: a private key that signs tokens, and the public key with which modgud
/// and modules verify them.
///
/// RSA keys have 2048 bits. For HS256, HS384 and HS512 it makes one secret, which does both. Existing files are not
/// overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  modgud keygen --private dev.key.pem --public dev.pub.pem\n  \
    JWT_PUBLIC_KEY_RSA_BIFROST=\"$(cat dev.pub.pem)\" modgud serve\n  \
    modgud keygen --private bifrost.key --public bifrost.pub.pem      (`key` of a `mint`, and the key of its modules)\n  \
    modgud keygen --algorithm ES256\n  \
    modgud keygen --algorithm HS256 --private dev.secret")]
pub(super) struct Args {
    /// The algorithm of the key
    #[arg(long, value_name = "ALGORITHM", default_value = "RS256", value_parser = algorithm())]
    algorithm: Algorithm,
    /// The file to write the private key to (PKCS#8 PEM, or the secret as one line of text; readable by you alone)
    /// [default: modgud-dev.key.pem, for a secret modgud-dev.secret]
    #[arg(long, value_name = "FILE")]
    private: Option<PathBuf>,
    /// The file to write the public key to (SPKI PEM) [default: modgud-dev.pub.pem; a secret has none]
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
}

/// Returns a parser of algorithm names.
pub(super) fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    let names = PossibleValuesParser::new(Algorithm::ALL.iter().map(|algorithm| algorithm.name()));
    names.try_map(|name| Algorithm::parse(&name).ok_or("no such algorithm"))
}

pub(super) fn run(args: Args) -> Exit {
    let Args { algorithm, private, public } = args;
    let made = match algorithm.key_type() {
        KeyType::Hmac => secret(algorithm, private, public.as_deref()),
        KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => {
            pair(algorithm, private, public)
        }
    };
    match made {
        Ok(()) => Exit::Done,
        Err(error) => print_error(error),
    }
}

fn pair(algorithm: Algorithm, private: Option<PathBuf>, public: Option<PathBuf>) -> Result<(), String> {
    let private = private.unwrap_or_else(|| "modgud-dev.key.pem".into());
    let public = public.unwrap_or_else(|| "modgud-dev.pub.pem".into());
    let key = SigningKey::generate(algorithm).map_err(|error| error.to_string())?;
    let private_pem = key.private_text().map_err(|error| error.to_string())?;
    let public_pem = key.public_pem().map_err(|error| error.to_string())?;
    write_new(&private, 0o600, private_pem.expose_secret())?;
    write_new(&public, 0o644, &public_pem).inspect_err(|_| {
        // Half a pair is useless, and would block the next attempt. If removal fails, the reported error is sufficient.
        let _ = std::fs::remove_file(&private);
    })?;
    print_line(format_args!("{}: the private key; it signs, keep it secret", private.display()));
    let (of_bifrost, named) = match algorithm {
        Algorithm::Rs256 => (" (profile bifrost: JWT_PUBLIC_KEY_RSA_BIFROST)", String::new()),
        other => ("", format!(" with {} in `algorithms`", other.name())),
    };
    print_line(format_args!(
        "{}: the public key; add it to `keys` of an authenticator{named}{of_bifrost}",
        public.display()
    ));
    next(algorithm, &private);
    Ok(())
}

fn secret(algorithm: Algorithm, private: Option<PathBuf>, public: Option<&Path>) -> Result<(), String> {
    if public.is_some() {
        return Err(format!("{} has no public key; remove --public", algorithm.name()));
    }
    let private = private.unwrap_or_else(|| "modgud-dev.secret".into());
    let key = SigningKey::generate(algorithm).map_err(|error| error.to_string())?;
    let text = key.private_text().map_err(|error| error.to_string())?;
    // No line end: every byte of the file is part of the secret, for every reader.
    write_new(&private, 0o600, text.expose_secret())?;
    print_line(format_args!(
        "{}: the secret; it signs and verifies, share it with the verifier only",
        private.display()
    ));
    next(algorithm, &private);
    Ok(())
}

/// Prints the command that signs with the key; it needs the algorithm if the key doesn't imply it.
fn next(algorithm: Algorithm, private: &Path) {
    let usual = algorithm.key_type().algorithms().next();
    let flag = if usual == Some(algorithm) { String::new() } else { format!(" --algorithm {}", algorithm.name()) };
    print_line(format_args!("next: modgud token mint --key {}{flag}", private.display()));
}

/// Writes a new file; an existing one is an error.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    let write = || -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} exists already, and is not overwritten; use another file", path.display())
        }
        _ => format!("{} can't be written: {error}", path.display()),
    })
}
