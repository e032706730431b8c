//! The file on disk, and the configuration that is active.

use super::{Examined, doctor, doctor_at, free};
use crate::cli::process::{KEY_VARIABLE, Serving};
use crate::support::KEY;
use rustix::process::Signal;
use std::fs;
use tempfile::TempDir;

/// A modgud with a file in a folder.
struct Running {
    folder: TempDir,
    yaml: String,
    serving: Serving,
}

impl Running {
    async fn start(more: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let (grpc, admin) = (free(), free());
        let yaml = format!("profile: bifrost\nserver: {{ grpc: '{grpc}', admin: '{admin}' }}\n{more}");
        fs::write(folder.path().join("modgud.yaml"), &yaml).unwrap();
        let arguments = [&["--config", "modgud.yaml"], arguments].concat();
        let serving = Serving::start_at(folder.path(), &KEY.public_pem().unwrap(), &arguments).await;
        Self { folder, yaml, serving }
    }

    async fn doctor(&self, arguments: &[&str]) -> Examined {
        let key = KEY.public_pem().unwrap();
        let arguments = [&["--config", "modgud.yaml"], arguments].concat();
        doctor(self.folder.path(), &[(KEY_VARIABLE, &key)], &arguments).await
    }
}

#[tokio::test]
async fn the_active_file_is_recognized_and_its_addresses_are_used() {
    let running = Running::start("", &[]).await;
    let examined = running.doctor(&[]).await;
    examined.expect(0, &[], &[], &[]);
    assert!(examined.seen("configuration").starts_with("modgud.yaml on profile bifrost: hash "), "{}", examined.text);
    running.serving.end(Signal::INT).await;
}

#[tokio::test]
async fn the_options_of_serve_are_part_of_the_configuration() {
    let (grpc, admin) = (free().to_string(), free().to_string());
    let running = Running::start("", &["--grpc", &grpc, "--admin", &admin]).await;
    running.doctor(&["--grpc", &grpc, "--admin", &admin]).await.expect(0, &[], &[], &[]);
    running.serving.end(Signal::INT).await;
}

#[tokio::test]
async fn a_bad_file_on_disk_is_a_problem_although_the_last_good_one_serves() {
    let mut running = Running::start("", &[]).await;
    fs::write(running.folder.path().join("modgud.yaml"), format!("{}rules: [{{ nmae: a }}]\n", running.yaml)).unwrap();
    running.serving.wait_for("configuration rejected").await;
    let (admin, grpc) = (running.serving.admin.to_string(), running.serving.grpc.to_string());
    let examined = running.doctor(&["--admin", &admin, "--grpc", &grpc]).await;
    examined.expect(1, &["configuration-invalid", "reload-rejected"], &[], &[]);
    assert!(examined.seen("configuration-invalid").contains("modgud.yaml:3:"), "{}", examined.text);
    assert!(examined.seen("reload-rejected").contains("rejected reloads: 1"), "{}", examined.text);
    examined.seen("probe");
    running.serving.end(Signal::INT).await;
}

/// A hanging file system is like a FIFO without a writer.
#[tokio::test]
async fn a_file_that_does_not_answer_leaves_the_configuration_out() {
    let running = Running::start("", &[]).await;
    let fifo = running.folder.path().join("hangs.yaml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let (admin, grpc) = (running.serving.admin.to_string(), running.serving.grpc.to_string());
    let arguments = ["--config", "hangs.yaml", "--admin", &admin, "--grpc", &grpc];
    let examined = doctor(running.folder.path(), &[], &arguments).await;
    examined.expect(4, &[], &[], &["not-examined"]);
    assert!(examined.seen("not-examined").contains("not read within 5 s"), "{}", examined.text);
    examined.seen("probe");
    running.serving.end(Signal::INT).await;
}

#[tokio::test]
async fn the_addresses_of_two_modguds_are_recognized() {
    let (one, other) = (Running::start("", &[]).await, Running::start("", &[]).await);
    let (admin, grpc) = (one.serving.admin.to_string(), other.serving.grpc.to_string());
    doctor_at(&admin, &grpc, &[]).await.expect(4, &[], &[], &["checks-elsewhere"]);
    one.serving.end(Signal::INT).await;
    other.serving.end(Signal::INT).await;
}

#[tokio::test]
async fn another_file_than_the_active_one_is_a_problem() {
    let running = Running::start("", &[]).await;
    fs::write(running.folder.path().join("other.yaml"), format!("{}fallback: denied\n", running.yaml)).unwrap();
    let key = KEY.public_pem().unwrap();
    let examined = doctor(running.folder.path(), &[(KEY_VARIABLE, &key)], &["--config", "other.yaml"]).await;
    examined.expect(1, &["configuration-differs"], &[], &[]);
    running.serving.end(Signal::INT).await;
}

#[tokio::test]
async fn without_modgud_s_environment_its_keys_are_undecided() {
    let running = Running::start("", &[]).await;
    let examined = doctor(running.folder.path(), &[], &["--config", "modgud.yaml"]).await;
    examined.expect(4, &[], &[], &["keys-unreadable-here"]);
    assert!(examined.seen("keys-unreadable-here").contains(KEY_VARIABLE), "{}", examined.text);
    running.serving.end(Signal::INT).await;
}

#[tokio::test]
async fn warnings_and_rules_that_open_the_probed_path_are_listed() {
    let open =
        "rules: [{ name: all, match: { paths: ['/open/{*rest}'] }, access: public }]\nrequest: { scheme: https }\n";
    let running = Running::start(open, &[]).await;
    let examined = running.doctor(&["--path", "/open/a"]).await;
    assert!(examined.codes("warning").contains("probe-open"), "{}", examined.text);
    assert!(examined.seen("probe-open").contains("allowed by rule `all`"), "{}", examined.text);
    // Without the configuration, nobody knows that it is meant.
    let (admin, grpc) = (running.serving.admin.to_string(), running.serving.grpc.to_string());
    let examined = doctor_at(&admin, &grpc, &["--path", "/open/a"]).await;
    assert!(examined.codes("problem").contains("probe-allowed"), "{}", examined.text);
    running.serving.end(Signal::INT).await;
}
