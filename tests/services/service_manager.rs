//! Notifications for a service manager (`sd_notify(3)`), as systemd's `Type=notify-reload` needs them.

use crate::cli::process::{KEY_VARIABLE, Starting};
use crate::support::KEY;
use rustix::process::Signal;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::UnixDatagram;
use tokio::process::Command;
use tokio::time::timeout;

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    fn new(folder: &TempDir) -> Self {
        Self(UnixDatagram::bind(folder.path().join("notify.sock")).unwrap())
    }

    /// The next notification, one line for each state.
    async fn next(&self) -> String {
        let mut buffer = [0; 4_096];
        let received = timeout(Duration::from_secs(60), self.0.recv(&mut buffer)).await;
        let length = received.unwrap_or_else(|_| panic!("no notification")).unwrap();
        String::from_utf8(buffer.get(..length).unwrap().to_vec()).unwrap()
    }

    /// Waits for a notification with this line; none before it has `forbidden`.
    async fn until(&self, line: &str, forbidden: &str) -> String {
        loop {
            let states = self.next().await;
            if states.lines().any(|state| state == line) {
                return states;
            }
            assert!(!states.lines().any(|state| state == forbidden), "{states}");
        }
    }
}

fn start(folder: &TempDir, yaml: &str) -> Starting {
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
    command.current_dir(folder.path()).env_clear().env(KEY_VARIABLE, KEY.public_pem().unwrap());
    command.env("NOTIFY_SOCKET", folder.path().join("notify.sock"));
    command.args(["serve", "--config", "modgud.yaml", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    Starting::by(command)
}

#[tokio::test]
async fn ready_reload_and_stop_are_reported() {
    let folder = TempDir::new().unwrap();
    let manager = Manager::new(&folder);
    let serving = start(&folder, "profile: bifrost\n").serves().await;
    manager.until("READY=1", "RELOADING=1").await;

    serving.signal(Signal::HUP);
    let reloading = manager.next().await;
    let (state, time) = reloading.trim_end().split_once('\n').unwrap();
    assert_eq!(state, "RELOADING=1");
    assert!(time.strip_prefix("MONOTONIC_USEC=").is_some_and(|time| time.parse::<u64>().is_ok()), "{time}");
    assert_eq!(manager.next().await, "READY=1\nSTATUS=ready\n");

    // Not noticed as a change before the signal: the poll waits until the file has settled, and a rejected one is reported once more then.
    fs::write(folder.path().join("modgud.yaml"), "profile: nowhere\n").unwrap();
    serving.signal(Signal::HUP);
    assert!(manager.next().await.starts_with("RELOADING=1\n"));
    assert_eq!(manager.next().await, "READY=1\nSTATUS=ready; the changed configuration was rejected: see the log\n");

    serving.signal(Signal::TERM);
    manager.until("STOPPING=1", "READY=1").await;
    assert_eq!(serving.end(Signal::TERM).await.code, Some(0));
}

/// A unit that waits for modgud waits for keys too. The status says for which.
#[tokio::test]
async fn modgud_without_keys_is_not_ready() {
    let folder = TempDir::new().unwrap();
    let manager = Manager::new(&folder);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let yaml = format!(
        "profile: none\nauthenticators:\n  - name: login\n    from: [{{ header: authorization, schemes: [Bearer] }}]\n    jwt: {{ issuer: a, \
         algorithms: [RS256], audiences: [a], require: [sub], keys: [{{ jwks: {{ url: 'http://{closed}/' }} }}] }}\n"
    );
    let serving = start(&folder, &yaml).serves().await;
    manager.until("STATUS=waiting for: keys of login", "READY=1").await;
    serving.signal(Signal::TERM);
    manager.until("STOPPING=1", "READY=1").await;
    serving.end(Signal::TERM).await;
}
