//! Server processes, and process statistics of the system: CPU time, memory.

use super::Outcome;
use super::requests::Folder;
use serde_json::Value;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// This tree's program.
pub(crate) const MODGUD: &str = env!("CARGO_BIN_EXE_modgud");

/// A running server. Its drop ends it.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where modgud serves its metrics.
    admin: Option<SocketAddr>,
    reading: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a modgud program with a configuration.
    pub(crate) fn modgud(program: &Path, folder: &Folder, config: &Path) -> Outcome<Self> {
        let mut command = Command::new(program);
        command.args(["serve", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"]).arg(config);
        command.env("JWT_PUBLIC_KEY_RSA_BIFROST", &folder.public_pem);
        Self::start(command)
    }

    /// Starts the empty server, with TLS if its certificate is in a folder.
    pub(crate) fn empty(response: &Path, tls: Option<&Folder>) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("empty").arg("--response").arg(response);
        if let Some(folder) = tls {
            command.arg("--cert").arg(folder.certificate()).arg("--key").arg(folder.certificate_key());
        }
        Self::start(command)
    }

    /// Starts a server and waits for the line with its address.
    fn start(mut command: Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("a child process has no standard output")?;
        let unbound = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, address: unbound, admin: None, reading: None };
        let mut lines = BufReader::with_capacity(64 * 1024, stdout);
        let mut line = String::new();
        while lines.read_line(&mut line)? != 0 {
            let event: Option<Value> = serde_json::from_str(&line).ok();
            if let Some(address) = event.as_ref().and_then(|event| event.get("grpc")).and_then(Value::as_str) {
                server.address = address.parse()?;
                let admin = event.as_ref().and_then(|event| event.get("admin")).and_then(Value::as_str);
                server.admin = admin.map(str::parse).transpose()?;
                // Its log must be read, as a container runtime does.
                server.reading = Some(std::thread::spawn(move || {
                    let _ = io::copy(&mut lines, &mut io::sink());
                }));
                return Ok(server);
            }
            line.clear();
        }
        Err("a server ended before it named its address".into())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the number of reloads that modgud has completed.
    pub(crate) fn reloads(&self) -> Outcome<f64> {
        let mut socket = TcpStream::connect(self.admin.ok_or("the server has no metrics")?)?;
        socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: modgud\r\nconnection: close\r\n\r\n")?;
        let text = io::read_to_string(socket)?;
        let count = text.lines().find_map(|line| line.strip_prefix("modgud_config_reloads_total "));
        Ok(count.ok_or("modgud has no metric of reloads")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
    }
}

/// Returns the CPU time of a process in nanoseconds: the scheduler's counts, summed over its threads.
pub(crate) fn cpu_nanos(pid: u32) -> Outcome<u64> {
    let mut sum = 0_u64;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let counted = fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += counted.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// The system's unit of CPU time in `/proc`, on every usual Linux.
const NANOS_PER_TICK: u64 = 10_000_000;

/// Returns the CPU time of this process in nanoseconds, to a hundredth of a second, with its threads that have ended.
pub(crate) fn process_nanos() -> Outcome<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in parentheses, may contain spaces. `utime` and `stime` are the 12th and 13th after it.
    let (_, columns) = stat.rsplit_once(')').ok_or("stat has no name")?;
    let ticks = columns.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks * NANOS_PER_TICK)
}

/// Returns the busy time of the machine's cores for all processes, in nanoseconds, to a hundredth of a second.
pub(crate) fn busy_nanos() -> Outcome<u64> {
    /// Indexes into the columns user, nice, system, idle, iowait, irq, softirq, steal.
    const BUSY: [usize; 6] = [0, 1, 2, 5, 6, 7];
    let stat = fs::read_to_string("/proc/stat")?;
    let columns: Vec<u64> = stat.split_whitespace().skip(1).map_while(|column| column.parse().ok()).collect();
    Ok(BUSY.iter().filter_map(|column| columns.get(*column)).sum::<u64>() * NANOS_PER_TICK)
}

/// Returns the resident memory of a process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("status has no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1_024.0)
}
