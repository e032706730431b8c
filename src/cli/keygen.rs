//! `modgud keygen`: a key pair for development.

use super::{Exit, fail, say};
use crate::jose::{Algorithm, SigningKey};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Makes an RSA key pair for development: a private key that signs tokens, and the public key that modgud and modules
/// verify them with.
///
/// Existing files are not overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  modgud keygen --private dev.key.pem --public dev.pub.pem\n  \
    JWT_PUBLIC_KEY_RSA_BIFROST=\"$(cat dev.pub.pem)\" modgud serve")]
pub(super) struct Args {
    /// Where the private key is written (PKCS#8 PEM, readable by you alone)
    #[arg(long, value_name = "FILE", default_value = "modgud-dev.key.pem")]
    private: PathBuf,
    /// Where the public key is written (SPKI PEM)
    #[arg(long, value_name = "FILE", default_value = "modgud-dev.pub.pem")]
    public: PathBuf,
}

pub(super) fn run(args: &Args) -> Exit {
    let Args { private, public } = args;
    let key = match SigningKey::generate(Algorithm::Rs256) {
        Ok(key) => key,
        Err(error) => return fail(error),
    };
    let (private_pem, public_pem) = match (key.private_text(), key.public_pem()) {
        (Ok(private), Ok(public)) => (private, public),
        (Err(error), _) | (_, Err(error)) => return fail(error),
    };
    let written = write_new(private, 0o600, private_pem.expose()).and_then(|()| {
        write_new(public, 0o644, &public_pem).inspect_err(|_| {
            // Half a pair is of no use, and would be in the way of the next try. If it can't be removed, the error that is
            // reported says enough.
            let _ = std::fs::remove_file(private);
        })
    });
    match written {
        Ok(()) => {
            say(format_args!("{}: the private key; it signs, keep it to yourself", private.display()));
            say(format_args!("{}: the public key; set JWT_PUBLIC_KEY_RSA_BIFROST to its text", public.display()));
            say(format_args!("next: modgud token mint --key {}", private.display()));
            Exit::Done
        }
        Err(error) => fail(error),
    }
}

/// Writes a file that must not be there yet.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    let write = || -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{} is there already and is not overwritten; name another file", path.display())
        }
        _ => format!("{} can't be written: {error}", path.display()),
    })
}
