//! A child process whose lines can be waited for, and that never outlives its owner.

use super::TestbedError;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Number of lines of a process that are kept for an error message.
const KEPT: usize = 40;
/// Time for a process to end after SIGTERM. Beyond it the process is killed.
const END: Duration = Duration::from_secs(10);

/// Time for a process to be gone after SIGKILL: usually milliseconds.
const GONE: Duration = Duration::from_secs(2);

/// A child process. Dropping it kills it, and waits until it is gone, so that an owner that ends in an error leaves nothing behind.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    last: VecDeque<String>,
}

impl Process {
    /// Starts a process; its standard output and error are read line by line.
    ///
    /// # Errors
    /// [`TestbedError::Start`] if there is no such program.
    pub fn start(name: &str, mut command: Command) -> Result<Self, TestbedError> {
        let program = command.as_std().get_program().display().to_string();
        let fail = |error| TestbedError::Start { program, error };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(fail)?;
        let (sender, lines) = mpsc::unbounded_channel();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read(stdout, sender.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(read(stderr, sender));
        }
        Ok(Self { name: name.to_owned(), child, lines, last: VecDeque::new() })
    }

    /// Waits for the first line in which `wanted` finds something.
    ///
    /// # Errors
    /// [`TestbedError::NotUp`], with the last lines, if the process ends or `patience` is over before that.
    pub async fn wait_for<T>(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Result<T, TestbedError> {
        let search = async {
            while let Some(line) = self.lines.recv().await {
                let found = wanted(&line);
                self.last.push_back(line);
                if self.last.len() > KEPT {
                    self.last.pop_front();
                }
                if found.is_some() {
                    return found;
                }
            }
            None
        };
        let found = timeout(patience, search).await.ok().flatten();
        found.ok_or_else(|| {
            let output = self.last.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
            TestbedError::NotUp { name: self.name.clone(), output }
        })
    }

    /// Returns the process id while it runs; else `None`.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the process ends on its own; returns the exit code, `None` if a signal ended it.
    pub async fn ended(&mut self) -> Option<i32> {
        self.child.wait().await.ok().and_then(|status| status.code())
    }

    /// Asks the process to end (SIGTERM), and kills it if it does not.
    pub async fn end(mut self) {
        self.signal(Signal::TERM);
        if timeout(END, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// Sends a signal. Ignores a process that is gone already.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // Fails only if the process is gone: it is a child of this one.
            let _ = kill_process(id, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        const POLL_INTERVAL: Duration = Duration::from_millis(1);
        let since = Instant::now();
        // Fails if the process is gone and has been waited for already.
        let mut waiting = self.child.start_kill().is_ok();
        while waiting && since.elapsed() < GONE {
            waiting = matches!(self.child.try_wait(), Ok(None));
            if waiting {
                std::thread::sleep(POLL_INTERVAL);
            }
        }
    }
}

async fn read(stream: impl AsyncRead + Unpin, sender: mpsc::UnboundedSender<String>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if sender.send(line).is_err() {
            return;
        }
    }
}
