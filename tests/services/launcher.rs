//! Starts modgud as a service manager does, by a launcher in Python: with open listeners, and as another user.

use crate::cli::process::{KEY_VARIABLE, Starting};
use crate::support::{KEY, program};
use rustix::process::getuid;
use serde_json::{Value, json};
use std::os::unix::fs::chown;
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;

/// A user and a group that own nothing, for tests that run as root.
const STRANGER: u32 = 65_532;

/// The number that is in the launcher's `LISTEN_PID` unless a test sets another one.
pub(crate) fn sockets(sockets: &Value) -> Value {
    json!({ "sockets": sockets })
}

/// Starts `serve` in a folder by the launcher.
pub(crate) fn launch(folder: &Path, options: &Value, arguments: &[&str]) -> Starting {
    let mut python = Command::new(program("MODGUD_TEST_PYTHON"));
    python.current_dir(folder).env_clear().env(KEY_VARIABLE, KEY.public_pem().unwrap());
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/python/launch.py"));
    python.arg(options.to_string()).args([env!("CARGO_BIN_EXE_modgud"), "serve"]).args(arguments);
    Starting::by(python)
}

/// A folder of a user without privileges, and the options to start as that user with these groups: as the tests' own user, unless that is
/// root. Only root may choose the groups.
pub(crate) fn unprivileged(groups: &[u32]) -> (TempDir, Value) {
    let folder = TempDir::new().unwrap();
    if !getuid().is_root() {
        return (folder, json!({}));
    }
    chown(folder.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    (folder, json!({ "user": STRANGER, "group": STRANGER, "groups": groups }))
}
