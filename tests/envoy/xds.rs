//! Envoy from the files of `modgud envoy --xds`: it decides as with the one file, and takes changed files without a restart and without
//! losing a request, also in a folder that Kubernetes replaces as a whole.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign};
use super::{PATIENCE, ask, programs, testbed, until};
use crate::cli::process::run_in;
use modgud_testbed::http::Exchange;
use modgud_testbed::{Process, Setup, Testbed, start_envoy};
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A modgud with its modules; the Envoy of the testbed itself is not used.
async fn started() -> (Testbed, String) {
    let testbed = testbed(Setup::default()).await;
    let token = jwt(&sign(&testbed.key, &claims()));
    (testbed, token)
}

/// The address of a sample module, as Envoy's admin interface names it.
async fn module(testbed: &Testbed, name: &str) -> String {
    let clusters = Exchange::get(testbed.envoy_admin, "/clusters").await.unwrap();
    let text = String::from_utf8(clusters.body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}::127.0.0.1:"))).unwrap();
    format!("127.0.0.1:{}", line.split_once("::").unwrap().0)
}

/// Envoy's listener, the modules, and `server` of modgud's configuration.
type Inputs<'i> = (&'i str, &'i [&'i str], &'i str);

/// An address whose port was free a moment ago. Envoy would listen elsewhere after each change of a listener with port 0.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Writes modgud's configuration with these modules, and from it the files of Envoy. Returns what the command says.
async fn write(folder: &Path, testbed: &Testbed, (listen, modules, server): Inputs<'_>, xds: &[&str]) -> String {
    let mut yaml = format!("profile: bifrost\nserver: {server}\nmodules:\n");
    for name in modules {
        let upstream = module(testbed, name).await;
        writeln!(yaml, "  - {{ name: {name}, prefix: /{name}, upstream: '{upstream}' }}").unwrap();
    }
    fs::write(folder.join("modgud.yaml"), yaml).unwrap();
    let modgud = testbed.modgud_grpc.to_string();
    let own = ["envoy", "--config", "modgud.yaml", "--modgud", &modgud, "--listen", listen, "--admin", "127.0.0.1:0"];
    let output = run_in(folder, &[], &[own.as_slice(), xds].concat()).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    output.out
}

/// Starts Envoy with the bootstrap of this folder. The testbed looks for `envoy.yaml`.
async fn envoy(folder: &Path) -> (Process, SocketAddr, SocketAddr) {
    fs::copy(folder.join("bootstrap.yaml"), folder.join("envoy.yaml")).unwrap();
    start_envoy(&programs(), folder).await.unwrap()
}

/// Sends requests on a kept connection and on new ones until the end, and counts those that are answered with 200. Any other answer, a
/// closed connection too, fails the test.
struct Load {
    end: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(gateway: SocketAddr, token: &str) -> Self {
        let (end, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        let (ended, count, line) = (end.clone(), answered.clone(), token.to_owned());
        clients.spawn(async move {
            let mut connection = TcpStream::connect(gateway).await.unwrap();
            while !ended.load(Ordering::Relaxed) {
                let response = kept(&mut connection, &line).await;
                assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
                count.fetch_add(1, Ordering::Relaxed);
                if response.to_ascii_lowercase().contains("\r\nconnection: close\r\n") {
                    connection = TcpStream::connect(gateway).await.unwrap();
                }
            }
        });
        let (ended, count, line) = (end.clone(), answered.clone(), token.to_owned());
        clients.spawn(async move {
            while !ended.load(Ordering::Relaxed) {
                let answer = ask(gateway, "GET", "/crm/", std::slice::from_ref(&line)).await;
                assert_eq!(answer.status, 200);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { end, answered, clients }
    }

    /// Waits until some more requests are answered.
    async fn goes_on(&self) {
        let goal = self.answered.load(Ordering::Relaxed) + 10;
        let more = async {
            while self.answered.load(Ordering::Relaxed) < goal {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, more).await.expect("requests are answered");
    }

    async fn end(self) -> usize {
        self.goes_on().await;
        self.end.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
        self.answered.load(Ordering::Relaxed)
    }
}

/// One request on a connection that stays open. Returns the whole response.
async fn kept(connection: &mut TcpStream, line: &str) -> String {
    let request = format!("GET /crm/ HTTP/1.1\r\nHost: api.example.com\r\n{line}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let complete = |received: &[u8]| {
        let text = String::from_utf8_lossy(received).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let is_whole = length.map_or_else(|| body.ends_with("0\r\n\r\n"), |length: usize| body.len() >= length);
        is_whole.then_some(text)
    };
    loop {
        if let Some(response) = complete(&received) {
            return response;
        }
        assert!(connection.read_buf(&mut received).await.unwrap() > 0, "the connection was closed");
    }
}

async fn stat(admin: SocketAddr, name: &str) -> u64 {
    let stats = Exchange::get(admin, &format!("/stats?filter=^{}$", name.replace('.', "\\."))).await.unwrap();
    let text = String::from_utf8(stats.body).unwrap();
    text.trim().rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{name}: {text}"))
}

async fn until_stat(admin: SocketAddr, name: &str, least: u64) {
    let reached = async { while stat(admin, name).await < least {} };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{name} never is {least}"));
}

#[tokio::test]
async fn a_changed_file_needs_no_restart_and_loses_no_request() {
    let (testbed, token) = started().await;
    let (folder, listen) = (tempfile::tempdir().unwrap(), free_address());
    let files = folder.path().join("envoy");
    let xds = ["--xds", "envoy"];
    let said = write(folder.path(), &testbed, (&listen, &["crm"], "{}"), &xds).await;
    let start = format!("start Envoy: envoy --config-path {}/bootstrap.yaml\n", files.display());
    assert_eq!(said, format!("envoy: wrote clusters.yaml, routes.yaml, listeners.yaml, bootstrap.yaml; {start}"));
    let (process, admin, gateway) = envoy(&files).await;

    // As with the one file.
    let good = [token.clone(), "x-core-user-uuid: spoofed".to_owned(), "X-Username: spoofed".to_owned()];
    let seen = Seen::of(&ask(gateway, "GET", "/crm/a/", &good).await);
    assert_eq!((seen.module.as_str(), seen.path.as_str()), ("crm", "/a/"));
    assert!(seen.identity().iter().all(|(_, value)| *value != "spoofed"), "{:?}", seen.identity());
    for (path, lines, status) in [
        ("/crm/", &[][..], 401),
        ("/crm/", &["Authorization: JWT a.b.c".to_owned()], 401),
        ("/crm/%2fa", &good, 400),
        ("/crm/", &[token.clone(), "x_username: spoofed".to_owned()], 400),
        ("/documents/", &good, 404),
    ] {
        assert_eq!(ask(gateway, "GET", path, lines).await.status, status, "{path}");
    }

    // Another module: the routes and clusters change.
    let load = Load::start(gateway, &token);
    load.goes_on().await;
    let said = write(folder.path(), &testbed, (&listen, &["crm", "documents"], "{}"), &xds).await;
    assert!(said.ends_with("; a running Envoy reads them now, without a restart\n"), "{said}");
    until(gateway, "/documents/", &good, 200).await;
    assert_eq!(stat(admin, "listener_manager.listener_modified").await, 0);
    load.goes_on().await;

    // Another deadline: the listener changes, and its connections are drained.
    write(folder.path(), &testbed, (&listen, &["crm", "documents"], "{ deadline: 200ms }"), &xds).await;
    until_stat(admin, "listener_manager.listener_modified", 1).await;
    load.goes_on().await;

    // Envoy rejects a listener that is wrong, and half a file, and goes on with the one before.
    let listeners = fs::read_to_string(files.join("listeners.yaml")).unwrap();
    let wrong = listeners.replacen("safe_regex: { regex: \"", "safe_regex: { regex: \"(", 1);
    assert_ne!(wrong, listeners);
    for (rejected, broken) in (1..).zip([wrong.as_str(), listeners.split_at(listeners.len() / 2).0]) {
        fs::write(files.join("broken"), broken).unwrap();
        fs::rename(files.join("broken"), files.join("listeners.yaml")).unwrap();
        until_stat(admin, "listener_manager.lds.update_rejected", rejected).await;
    }
    load.goes_on().await;

    assert!(load.end().await >= 50);
    process.end().await;
    testbed.stop().await;
}

/// Kubernetes writes a volume's files into a new folder, and renames a symbolic link to it.
#[tokio::test]
async fn a_volume_of_kubernetes_is_read_again() {
    let (testbed, token) = started().await;
    let (folder, listen) = (tempfile::tempdir().unwrap(), free_address());
    let mount = folder.path().join("mount");
    fs::create_dir(&mount).unwrap();
    let path = mount.to_str().unwrap();
    let replace = |version: &str| {
        std::os::unix::fs::symlink(version, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    write(folder.path(), &testbed, (&listen, &["crm"], "{}"), &["--xds", "mount/..1", "--xds-path", path]).await;
    replace("..1");
    for name in ["bootstrap.yaml", "listeners.yaml", "routes.yaml", "clusters.yaml"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), mount.join(name)).unwrap();
    }
    let (process, _, gateway) = envoy(&mount).await;
    let good = [token.clone()];
    assert_eq!(ask(gateway, "GET", "/crm/", &good).await.status, 200);
    assert_eq!(ask(gateway, "GET", "/documents/", &good).await.status, 404);
    let load = Load::start(gateway, &token);
    write(folder.path(), &testbed, (&listen, &["crm", "documents"], "{}"), &["--xds", "mount/..2", "--xds-path", path])
        .await;
    load.goes_on().await;
    assert_eq!(ask(gateway, "GET", "/documents/", &good).await.status, 404);
    replace("..2");
    until(gateway, "/documents/", &good, 200).await;
    load.end().await;
    process.end().await;
    testbed.stop().await;
}

/// The parts are those of the one file, and the bootstrap is valid. Envoy does not read the other files in that mode.
#[tokio::test]
async fn the_files_have_the_content_of_the_one_file() {
    let (testbed, _) = started().await;
    let (folder, listen) = (tempfile::tempdir().unwrap(), free_address());
    write(folder.path(), &testbed, (&listen, &["crm", "documents"], "{}"), &["--xds", "envoy"]).await;
    let whole = write(folder.path(), &testbed, (&listen, &["crm", "documents"], "{}"), &[]).await;
    let significant = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| line.trim_start_matches("- ").to_owned()).collect()
    };
    let mut rest = significant(&whole);
    let mut own = Vec::new();
    for name in ["bootstrap", "listeners", "routes", "clusters"] {
        let text = fs::read_to_string(folder.path().join(format!("envoy/{name}.yaml"))).unwrap();
        for line in significant(&text) {
            match rest.iter().position(|other| *other == line) {
                Some(at) => drop(rest.remove(at)),
                None => own.push(line),
            }
        }
    }
    assert_eq!(rest, ["static_resources:", "listeners:", "route_config:", "clusters:"]);
    let added = |line: &String| {
        [
            "\"@type\":",
            "node:",
            "resource",
            "dynamic_",
            "lds_",
            "cds_",
            "path_",
            "rds:",
            "route_config_name:",
            "config_source:",
        ]
        .iter()
        .any(|start| line.starts_with(start))
    };
    assert!(own.iter().all(added), "{own:#?}");

    let mut command = Command::new(programs().envoy);
    command.args(["--mode", "validate", "--config-path"]).arg(folder.path().join("envoy/bootstrap.yaml"));
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    testbed.stop().await;
}

#[tokio::test]
async fn a_folder_that_can_not_be_used_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), "{ profile: bifrost, core: { upstream: 'core:1' } }").unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (arguments, code, said) in [
        (&["--xds", "file"][..], 1, "modgud: file: File exists (os error 17); name a folder that can be written\n"),
        (&["--xds-path", "/etc/envoy"], 2, "--xds <FOLDER>"),
        (&["--xds", "envoy", "--xds-path", "etc"], 2, "write an absolute path, such as `/etc/envoy`"),
    ] {
        let arguments = [["envoy", "--config", "modgud.yaml"].as_slice(), arguments].concat();
        let output = run_in(folder.path(), &[], &arguments).await;
        assert_eq!((output.code, output.out.as_str()), (Some(code), ""), "{arguments:?}: {}", output.err);
        assert!(output.err.contains(said), "{arguments:?}: {}", output.err);
    }
}
