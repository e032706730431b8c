//! The file of the log of decisions: opened again after a rename, full, and no file at all.

use super::decision_log::{flood, lines};
use super::log::{serve, traced};
use crate::cli::process::{Serving, serve_in};
use crate::decisions::counters::Counters;
use crate::support::KEY;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

fn yaml(to: &str) -> String {
    format!(
        "profile: bifrost\nserver: {{ deadline: 10s }}\n\
         telemetry: {{ decisions: {{ to: {to}, max_per_second: 1000000 }} }}\n"
    )
}

async fn lost(serving: &Serving) -> [u64; 4] {
    let counters = Counters::at(serving.admin).await;
    ["stdout", "file"]
        .map(|to| {
            ["dropped", "failed"]
                .map(|how| counters.get(&format!("modgud_log_lines_{how}_total{{destination=\"{to}\"}}")))
        })
        .concat()
        .try_into()
        .unwrap()
}

/// As logrotate does it: each line is in one of the files, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_is_lost_or_torn_when_the_file_is_renamed_under_load() {
    const CHECKS: usize = 10_000;
    const ROTATIONS: usize = 8;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("decisions.log");
    let rotated = |number: usize| folder.path().join(format!("decisions.log.{number}"));
    let mut serving = serve(&folder, &yaml("./decisions.log")).await;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o137, 0);
    for number in 0..ROTATIONS {
        let denied = traced("/crm/x", &[]);
        let rotate = async {
            fs::rename(&file, rotated(number)).unwrap();
            serving.signal(Signal::USR1);
        };
        tokio::join!(flood(&serving, &denied, CHECKS / ROTATIONS), rotate);
        serving.wait_for("decision log reopened").await;
        assert!(file.exists());
    }
    assert_eq!(lost(&serving).await, [0; 4]);
    let output = serving.end(Signal::INT).await;
    assert_eq!((output.code, lines(&output.out).len()), (Some(0), 0));
    let texts: Vec<String> =
        (0..ROTATIONS).map(rotated).chain([file]).map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(texts.iter().all(|text| text.is_empty() || text.ends_with('\n')));
    assert_eq!(texts.iter().map(|text| lines(text).len()).sum::<usize>(), CHECKS);
    assert!(texts.iter().filter(|text| !text.is_empty()).count() > 2, "one file has it all");
}

#[tokio::test]
async fn a_file_that_can_not_be_opened_again_stays_in_use() {
    let folder = TempDir::new().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let mut serving = serve(&folder, &yaml("./logs/decisions.log")).await;
    fs::rename(&logs, folder.path().join("gone")).unwrap();
    serving.signal(Signal::USR1);
    serving.wait_for("decision log not reopened; the open file stays in use").await;
    flood(&serving, &traced("/crm/x", &[]), 5).await;
    let output = serving.end(Signal::INT).await.out;
    assert!(output.contains("logs/decisions.log") && output.contains("No such file or directory"), "{output}");
    assert_eq!(lines(&fs::read_to_string(folder.path().join("gone/decisions.log")).unwrap()).len(), 5);
}

/// Checks are answered, and each line that is lost is counted.
#[tokio::test]
async fn a_full_disk_delays_no_check_and_is_counted() {
    let folder = TempDir::new().unwrap();
    symlink("/dev/full", folder.path().join("decisions.log")).unwrap();
    let serving = serve(&folder, &yaml("./decisions.log")).await;
    flood(&serving, &traced("/crm/x", &[]), 200).await;
    let failed = loop {
        let counts = lost(&serving).await;
        if counts[3] >= 200 {
            break counts;
        }
    };
    assert_eq!(failed, [0, 0, 0, 200]);
    assert_eq!(serving.end(Signal::INT).await.code, Some(0));
}

/// A line that the last process did not finish does not swallow the first of this one.
#[tokio::test]
async fn an_old_file_is_continued_on_a_line_of_its_own() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("decisions.log");
    fs::write(&file, "{\"torn").unwrap();
    let serving = serve(&folder, &yaml(file.to_str().unwrap())).await;
    flood(&serving, &traced("/crm/x", &[]), 3).await;
    serving.end(Signal::INT).await;
    let text = fs::read_to_string(&file).unwrap();
    let rest = text.strip_prefix("{\"torn\n").unwrap();
    assert_eq!(lines(rest).len(), 3);
}

#[tokio::test]
async fn what_is_no_file_is_refused_at_the_start() {
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let key = KEY.public_pem().unwrap();
    let at = |path: &Path| format!("modgud: telemetry.decisions.to: the file {} can't be opened: ", path.display());
    for (to, expected) in [
        (
            fifo.as_path(),
            "it is a FIFO or a socket; write the path of a file, or `stdout` and start modgud with a pipe",
        ),
        (folder.path(), "it is a directory; write the path of a file"),
        (&folder.path().join("missing/decisions.log"), "No such file or directory (os error 2)"),
    ] {
        fs::write(folder.path().join("modgud.yaml"), yaml(to.to_str().unwrap())).unwrap();
        let output =
            serve_in(folder.path(), &[(crate::cli::process::KEY_VARIABLE, &key)], &["--config", "modgud.yaml"]).await;
        assert_eq!((output.code, output.err), (Some(1), format!("{}{expected}\n", at(to))));
    }
}

#[tokio::test]
async fn to_standard_output_there_is_nothing_to_open_again_and_a_file_needs_a_restart() {
    let folder = TempDir::new().unwrap();
    let mut serving = serve(&folder, "profile: bifrost\nserver: { deadline: 10s }\n").await;
    serving.signal(Signal::USR1);
    serving.wait_for("SIGUSR1 ignored: decisions go to standard output").await;
    fs::write(folder.path().join("modgud.yaml"), yaml("./decisions.log")).unwrap();
    serving.signal(Signal::HUP);
    serving.wait_for(r#""key":"telemetry.decisions.to""#).await;
    flood(&serving, &traced("/crm/x", &[]), 2).await;
    assert_eq!(lines(&serving.end(Signal::INT).await.out).len(), 2);
    assert!(!folder.path().join("decisions.log").exists());
}
