//! The real binary: SIGHUP, what it logs about a change, and what it can't change.

use super::changing::{PATIENCE, Reported};
use super::generation::{Generation, Kind};
use super::races::{pipe, reader_has_come};
use crate::cli::process::{Serving, Starting};
use crate::decisions::answer::Answer;
use crate::support::KEY;
use modgud::envoy::proto::AuthorizationClient;
use modgud_testbed::http::Exchange;
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;
use tokio::time::timeout;

/// `modgud serve --config modgud.yaml`, and the folder in which it was started.
struct Process {
    folder: TempDir,
    serving: Serving,
}

impl Process {
    async fn start(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
        let serving = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &["--config", "modgud.yaml"]).await;
        Self { folder, serving }
    }

    /// Puts a good file in the place of the present one, says so, and waits until it serves.
    async fn accept(&self, file: &str) {
        let before = self.change(Some(file)).await;
        self.until(before, |now| now.accepted > before.accepted).await;
    }

    /// Puts a bad file in the place of the present one, or none, says so, and waits until it is refused.
    async fn refuse(&self, file: Option<&str>) {
        let before = self.change(file).await;
        let now = self.until(before, |now| now.refused > before.refused).await;
        assert_eq!(now.accepted, before.accepted, "it was accepted: {file:?}");
    }

    /// Waits for a report. A slow machine may see a change before the signal, and then report it twice.
    async fn until(&self, mut now: Reported, wanted: impl Fn(Reported) -> bool) -> Reported {
        while !wanted(now) {
            now = now.more(self.serving.admin).await;
        }
        now
    }

    /// Changes the file, and says so; what was reported until then.
    async fn change(&self, file: Option<&str>) -> Reported {
        let at = self.folder.path().join("modgud.yaml");
        match file {
            Some(text) => {
                let adjacent = self.folder.path().join("new.yaml");
                fs::write(&adjacent, text).unwrap();
                fs::rename(adjacent, at).unwrap();
            }
            None => fs::remove_file(at).unwrap(),
        }
        let before = Reported::at(self.serving.admin).await;
        self.serving.signal(Signal::HUP);
        before
    }

    async fn ask(&self, kind: Kind) -> Answer {
        let mut client = AuthorizationClient::connect(format!("http://{}", self.serving.grpc)).await.unwrap();
        Answer::read(client.check(kind.check()).await.unwrap().into_inner()).unwrap()
    }

    /// Ends it, and gives what it has logged, line by line.
    async fn end(self) -> Vec<Value> {
        let output = timeout(PATIENCE, self.serving.end(Signal::TERM)).await.unwrap();
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
        output.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The lines that have this key, as the texts that stand there.
fn texts<'a>(events: &'a [Value], level: &str, key: &str) -> Vec<&'a str> {
    events.iter().filter(|event| event["level"] == level).filter_map(|event| event.get(key)?.as_str()).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    what: String,
    file: Option<String>,
    begins: String,
    names: Vec<String>,
}

#[tokio::test]
async fn a_bad_file_is_logged_with_its_place_and_the_last_good_one_serves() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows: Vec<Row> =
        serde_saphyr::from_str(&fs::read_to_string(root.join("tests/data/reload/refused.yaml")).unwrap()).unwrap();
    let process = Process::start(&Generation(1).yaml()).await;
    fs::copy(root.join("tests/data/cli/keys/rsa-512.pem"), process.folder.path().join("weak.pem")).unwrap();
    for Row { what, file, .. } in &rows {
        process.refuse(file.as_deref()).await;
        for kind in Kind::ALL {
            let answer = process.ask(kind).await;
            assert!(Generation(1).gives(kind, &answer), "{what}: {answer:?}");
        }
    }
    process.accept(&Generation(2).yaml()).await;
    let answer = process.ask(Kind::User).await;
    assert!(Generation(2).gives(Kind::User, &answer), "{answer:?}");

    let events = process.end().await;
    let mut errors = texts(&events, "ERROR", "error");
    // What is reported twice is logged twice.
    errors.dedup();
    assert_eq!(errors.len(), rows.len(), "{errors:#?}");
    for (Row { what, begins, names, .. }, error) in rows.iter().zip(errors) {
        assert!(error.starts_with(begins.as_str()), "{what}: {error}");
        for name in names {
            assert!(error.contains(name), "{what}: `{name}` is not in {error}");
        }
    }
    let served = events.iter().find(|event| event["message"] == "configuration reloaded").unwrap();
    assert_eq!(served["config"], "modgud.yaml on profile bifrost");
}

#[tokio::test]
async fn what_can_not_change_is_named_and_the_rest_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    fs::write(&file, "profile: bifrost\nserver: { grpc: '127.0.0.1:0', admin: '127.0.0.1:0' }\n").unwrap();
    let serving = Serving::start_at(folder.path(), &KEY.public_pem().unwrap(), &["--config", "modgud.yaml"]).await;
    let process = Process { folder, serving };
    let changed = Generation(1)
        .yaml()
        .replace("deadline: 10s", "deadline: 10s, grpc: '127.0.0.1:1', admin: '127.0.0.1:1', drain: 3s")
        .replace("decisions: none", "decisions: none, log: text");
    for _ in 0..2 {
        process.accept(&changed).await;
    }
    for kind in Kind::ALL {
        let answer = process.ask(kind).await;
        assert!(Generation(1).gives(kind, &answer), "{answer:?}");
    }
    // Back to what it was: there is nothing to name.
    process.accept("profile: bifrost\nserver: { grpc: '127.0.0.1:0', admin: '127.0.0.1:0' }\n").await;
    let events = process.end().await;
    let mut named = texts(&events, "WARN", "key");
    let keys = ["server.grpc", "server.admin", "server.drain", "telemetry.log"];
    assert!(named.len() >= 2 * keys.len(), "each time: {named:?}");
    named.truncate(2 * keys.len());
    assert_eq!(named, [keys, keys].concat());
    let last = events.iter().rposition(|event| event["message"] == "configuration reloaded").unwrap();
    assert_eq!(texts(&events[last..], "WARN", "key"), [""; 0]);
}

#[tokio::test]
async fn which_decisions_are_logged_changes_at_once() {
    let with =
        |decisions| format!("profile: bifrost\nserver: {{ deadline: 10s }}\ntelemetry: {{ decisions: {decisions} }}\n");
    let process = Process::start(&with("none")).await;
    process.ask(Kind::User).await;
    process.ask(Kind::Anonymous).await;
    for decisions in ["all", "denied", "none"] {
        process.accept(&with(decisions)).await;
        process.ask(Kind::User).await;
        process.ask(Kind::Anonymous).await;
    }
    let events = process.end().await;
    let mut found = vec![0];
    for event in &events {
        match event["message"].as_str() {
            Some("check") => *found.last_mut().unwrap() += 1,
            Some("configuration reloaded") => found.push(0),
            _ => {}
        }
    }
    // Reported twice, and nothing asked between: the same line twice.
    assert_eq!(found.iter().filter(|count| **count > 0).collect::<Vec<_>>(), [&2, &1]);
    assert_eq!((found.first(), found.last()), (Some(&0), Some(&0)));
}

/// While it drains, it is as good a server as before: it follows changes, and then leaves.
#[tokio::test]
async fn a_change_during_a_drain() {
    let longer = |number| Generation(number).yaml().replace("deadline: 10s", "deadline: 10s, drain: 10m");
    let process = Process::start(&longer(1)).await;
    let client = AuthorizationClient::connect(format!("http://{}", process.serving.grpc)).await.unwrap();
    // While checks come, a drain goes on.
    let traffic = tokio::spawn({
        let mut client = client.clone();
        async move { while client.check(Kind::User.check()).await.is_ok() {} }
    });
    process.serving.signal(Signal::TERM);
    let draining = async { while Exchange::get(process.serving.admin, "/readyz").await.unwrap().status != 503 {} };
    timeout(PATIENCE, draining).await.unwrap();
    process.refuse(Some("")).await;
    process.accept(&longer(2)).await;
    let answer = process.ask(Kind::User).await;
    assert!(Generation(2).gives(Kind::User, &answer), "{answer:?}");
    let ready = Exchange::get(process.serving.admin, "/readyz").await.unwrap();
    assert_eq!(ready.body, b"not ready: draining\n");
    let events = process.end().await;
    traffic.await.unwrap();
    assert_eq!(events.last().unwrap()["message"], "stopped");
}

/// SIGHUP would end a process that does not receive it; while the configuration is loaded for the first time, too.
#[tokio::test]
async fn a_hangup_before_it_serves_does_not_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("modgud.yaml");
    pipe(&path).await;
    let (reader, starting) =
        (reader_has_come(path.clone()), Starting::new(folder.path(), &["--config", "modgud.yaml"]));
    let mut writer = reader.await;
    starting.signal(Signal::HUP);
    // What is loaded because of it is a file, that does not have to be waited for.
    fs::remove_file(&path).unwrap();
    fs::write(&path, Generation(2).yaml()).unwrap();
    writer.write_all(Generation(1).yaml().as_bytes()).unwrap();
    drop(writer);
    let serving = starting.serves().await;
    Reported { accepted: 0, refused: 0 }.more(serving.admin).await;
    let output = serving.end(Signal::TERM).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
}

/// Nothing is served yet: there is nothing to wait for.
#[tokio::test]
async fn a_word_to_leave_before_it_serves_is_heard() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("modgud.yaml");
        pipe(&path).await;
        let (reader, starting) = (reader_has_come(path), Starting::new(folder.path(), &["--config", "modgud.yaml"]));
        let _writer = reader.await;
        starting.signal(signal);
        assert_eq!(starting.ends().await, Some(0), "{signal:?}");
    }
}

/// A pipe would be waited for without end: a followed file is opened only if it is a regular one.
#[tokio::test]
async fn a_pipe_in_place_of_a_followed_file_is_refused() {
    let process = Process::start(&Generation(1).yaml()).await;
    let path = process.folder.path().join("pipe");
    pipe(&path).await;
    fs::rename(path, process.folder.path().join("modgud.yaml")).unwrap();
    let before = Reported::at(process.serving.admin).await;
    process.serving.signal(Signal::HUP);
    let reported = before.more(process.serving.admin).await;
    assert_eq!(reported, Reported { accepted: 0, refused: 1 });
    let events = process.end().await;
    let [error] = texts(&events, "ERROR", "error")[..] else { panic!("{events:#?}") };
    assert!(error.contains("it is no regular file"), "{error}");
}
