//! Runs modgud as a process: a command that ends, or a server that is stopped. None outlives its test.

use crate::support::KEY;
use modgud::net::listen_addr::ListenAddr;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// How long a process may take for what it has to do before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The variable that holds the public key.
pub(crate) const KEY_VARIABLE: &str = "JWT_PUBLIC_KEY_RSA_BIFROST";

/// Where `serve` listens in tests.
const FREE_PORTS: [&str; 4] = ["--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

/// The output of a process, and its exit code.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// modgud in this folder, with these variables in its environment and no others.
fn command<V: AsRef<OsStr> + Copy>(folder: &Path, variables: &[(&str, V)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
    command.current_dir(folder).env_clear().envs(variables.iter().copied()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs a command until it ends by itself.
pub(crate) async fn run_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let ended = timeout(PATIENCE, command(folder, variables, arguments).output()).await;
    let output = ended.unwrap_or_else(|_| panic!("modgud {arguments:?} did not end")).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The same with variables that may hold any bytes, and with this text on standard input.
pub(crate) async fn run_with_input(
    folder: &Path,
    variables: &[(&str, &OsStr)],
    arguments: &[&str],
    input: &str,
) -> Output {
    let mut reported = command(folder, variables, arguments);
    let mut child = reported.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let ended = timeout(PATIENCE, async {
        // A command that fails before it has read everything closes its end.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await
    });
    let output = ended.await.unwrap_or_else(|_| panic!("modgud {arguments:?} did not end")).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs a command that needs neither files nor variables.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), &[], arguments).await
}

/// Runs `serve`, which is expected to end by itself.
pub(crate) async fn serve_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    run_in(folder, variables, &[["serve"].as_slice(), &FREE_PORTS, arguments].concat()).await
}

/// A server that does not serve yet.
pub(crate) struct Starting(Child);

impl Starting {
    /// Starts `serve` on free ports.
    pub(crate) fn new(folder: &Path, arguments: &[&str]) -> Self {
        Self::at(folder, &KEY.public_pem().unwrap(), &[FREE_PORTS.as_slice(), arguments].concat())
    }

    fn at(folder: &Path, key: &str, arguments: &[&str]) -> Self {
        let arguments = [["serve"].as_slice(), arguments].concat();
        Self(command(folder, &[(KEY_VARIABLE, key)], &arguments).spawn().unwrap())
    }

    /// Starts `serve` by this command, which has its arguments and variables.
    pub(crate) fn by(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Self(command.spawn().unwrap())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(id(&self.0), signal).unwrap();
    }

    /// Waits until it has ended, before it served, and returns its output.
    pub(crate) async fn output(self) -> Output {
        let ended = timeout(PATIENCE, self.0.wait_with_output()).await;
        let output = ended.unwrap_or_else(|_| panic!("modgud did not end")).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Output { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Waits until it has ended, before it served; the exit code.
    pub(crate) async fn ends(mut self) -> Option<i32> {
        timeout(PATIENCE, self.0.wait()).await.unwrap_or_else(|_| panic!("modgud did not leave")).unwrap().code()
    }

    /// Waits until it says that it serves.
    pub(crate) async fn serves(self) -> Serving {
        let Self(mut child) = self;
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut result = String::new();
        let (grpc, admin) = loop {
            let start = result.len();
            let read = timeout(PATIENCE, lines.read_line(&mut result)).await.unwrap().unwrap();
            if read == 0 {
                let mut err = String::new();
                child.stderr.take().unwrap().read_to_string(&mut err).await.unwrap();
                panic!("modgud ended before it served; it said:\n{result}{err}");
            }
            if let Some(addresses) = result.get(start..).and_then(addresses) {
                break addresses;
            }
        };
        Serving { child, lines, result, grpc, admin }
    }
}

fn id(child: &Child) -> Pid {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).unwrap()
}

/// A server that serves.
pub(crate) struct Serving {
    child: Child,
    lines: BufReader<ChildStdout>,
    result: String,
    /// Where checks are answered.
    pub(crate) grpc: ListenAddr,
    /// Where probes are.
    pub(crate) admin: SocketAddr,
}

impl Serving {
    /// Starts `serve` on free ports with this text in the variable of the key, and waits until it says that it serves.
    pub(crate) async fn start(folder: &Path, key: &str, arguments: &[&str]) -> Self {
        Self::start_at(folder, key, &[FREE_PORTS.as_slice(), arguments].concat()).await
    }

    /// The same, on the ports that the configuration says.
    pub(crate) async fn start_at(folder: &Path, key: &str, arguments: &[&str]) -> Self {
        Starting::at(folder, key, arguments).serves().await
    }

    /// The process, while it runs.
    pub(crate) fn id(&self) -> Pid {
        id(&self.child)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// Waits for a line of its output with this text.
    pub(crate) async fn wait_for(&mut self, text: &str) {
        loop {
            let start = self.result.len();
            let read = timeout(PATIENCE, self.lines.read_line(&mut self.result)).await;
            let read = read.unwrap_or_else(|_| panic!("no line has {text}:\n{}", self.result)).unwrap();
            assert!(read > 0, "modgud ended; it said:\n{}", self.result);
            if self.result.get(start..).is_some_and(|line| line.contains(text)) {
                return;
            }
        }
    }

    /// Sends a signal, and waits until the process has ended. Returns all its output.
    pub(crate) async fn end(mut self, signal: Signal) -> Output {
        self.signal(signal);
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        let rest = async {
            self.lines.read_to_string(&mut self.result).await.unwrap();
            stderr.read_to_string(&mut err).await.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = timeout(PATIENCE, rest).await.unwrap_or_else(|_| panic!("modgud did not leave"));
        let unexpected = status.signal().filter(|number| *number != signal.as_raw());
        assert_eq!(unexpected, None, "modgud crashed at its exit; it wrote:\n{}{err}", self.result);
        Output { code: status.code(), out: self.result, err }
    }
}

/// The addresses in the log line `serving`, which is JSON or text.
fn addresses(line: &str) -> Option<(ListenAddr, SocketAddr)> {
    Some((address(line, "grpc")?, address(line, "admin")?))
}

fn address<T: FromStr>(line: &str, name: &str) -> Option<T> {
    match serde_json::from_str::<serde_json::Value>(line) {
        Ok(event) => event.get(name)?.as_str()?.parse().ok(),
        Err(_) => line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?.parse().ok(),
    }
}
