//! What changes while it is read, and what can't be read to its end.

use super::changing::{Changing, PATIENCE};
use super::files::BY_FILE;
use super::generation::Generation;
use crate::support::{KEY, NOW};
use modgud::clock::{Clock, ManualClock};
use modgud::config::{Environment, Overrides};
use modgud::server::authorizer::Authorizer;
use modgud::server::reload::{ConfigSource, Reloader};
use modgud::server::{CheckHandler, SharedState};
use modgud::telemetry::metrics::Metrics;
use modgud_core::time::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// Makes a pipe: reading it waits until the test writes to it.
pub(super) async fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().await.unwrap();
    assert!(made.success(), "mkfifo: {made}");
}

/// Ends pending reads of a pipe after the test: this process could not end before.
pub(super) struct LetGo(pub(super) PathBuf);

impl Drop for LetGo {
    fn drop(&mut self) {
        // Opened for both, it does not wait for anybody.
        drop(OpenOptions::new().read(true).write(true).open(&self.0));
    }
}

/// Opens a pipe for writing, which is possible once it is read.
pub(super) async fn reader_has_come(path: PathBuf) -> File {
    let opened = spawn_blocking(move || OpenOptions::new().write(true).open(path).unwrap());
    timeout(PATIENCE, opened).await.unwrap_or_else(|_| panic!("nobody reads it")).unwrap()
}

/// What was read partly before a change and partly after is no configuration that anybody has written.
#[tokio::test]
async fn a_change_while_it_is_read_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("modgud.yaml"), folder.path().join("key.pem"));
    pipe(&key).await;
    let _let_go = LetGo(key.clone());
    fs::write(&file, format!("{}{BY_FILE}", Generation(2).yaml())).unwrap();
    let origin =
        ConfigSource { file: Some(file.clone()), overrides: Overrides::default(), environment: Environment::fixed([]) };
    let load = spawn_blocking(move || origin.load());
    let mut writer = reader_has_come(key).await;
    // The configuration has been read, its key has not.
    fs::write(&file, Generation(3).yaml()).unwrap();
    writer.write_all(KEY.public_pem().unwrap().as_bytes()).unwrap();
    drop(writer);
    let (loaded, files) = load.await.unwrap();
    assert!(loaded.is_ok(), "{:?}", loaded.err());
    assert!(files.has_changed());
}

/// A pipe without a writer in place of any followed file is refused at once, as often as it is tried, and what follows it counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipe_in_place_of_a_followed_file() {
    let mut changing = Changing::start(&Generation(1).yaml()).await;
    for name in ["modgud.yaml", "key.pem"] {
        if name == "key.pem" {
            pipe(&changing.path("key.pem")).await;
            changing.rename_over("modgud.yaml", &format!("{}{BY_FILE}", Generation(2).yaml()));
        } else {
            pipe(&changing.path("pipe")).await;
            fs::rename(changing.path("pipe"), changing.path("modgud.yaml")).unwrap();
        }
        changing.refused().await;
        for _ in 0..5 {
            changing.sidecar.reload();
            changing.refused().await;
        }
        changing.serves(1).await;
    }
    changing.rename_over("key.pem", &KEY.public_pem().unwrap());
    changing.accepted().await;
    changing.serves(2).await;
}

/// A file that is longer every time that it is looked at is left to be finished, although each of its states could be loaded.
#[tokio::test(start_paused = true)]
async fn what_is_being_written_is_not_loaded() {
    const OFTEN: Duration = Duration::from_millis(300);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    let write = |millis: usize| {
        fs::write(&file, format!("profile: bifrost\nserver: {{ deadline: {millis}ms }}\n{}", "#".repeat(millis)))
            .unwrap();
    };
    write(1);
    let environment = Environment::fixed([("JWT_PUBLIC_KEY_RSA_BIFROST", &KEY.public_pem().unwrap())]);
    let origin = ConfigSource { file: Some(file.clone()), overrides: Overrides::default(), environment };
    let (loaded, watched) = origin.load();
    let config = loaded.unwrap().config;
    let reloader = Reloader::new(origin, &config, watched);
    let authorizer = Authorizer::new(
        config.snapshot,
        config.key_sources,
        config.introspection_sources,
        Clock::Manual(ManualClock::new(Timestamp::from_secs(NOW))),
    );
    let checks = Arc::new(CheckHandler::new(authorizer, Metrics::default()));
    let (_asking, asked) = mpsc::channel(1);
    tokio::spawn(reloader.run(SharedState::new(Arc::clone(&checks), None), asked));
    // This is not the time of the machine: it goes on when everybody waits.
    sleep(OFTEN).await;
    for millis in 2..=20 {
        write(millis);
        sleep(OFTEN).await;
        assert_eq!(checks.authorizer.snapshot().deadline, Duration::from_millis(1), "while {millis} is written");
    }
    sleep(10 * OFTEN).await;
    assert_eq!(checks.authorizer.snapshot().deadline, Duration::from_millis(20));
}
