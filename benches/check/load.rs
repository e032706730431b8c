//! The load: one process that sends checks to one server over one connection, and reports its measurements.

use super::Outcome;
use super::pace::{Expected, Pace, Schedule, in_turn, on_schedule};
use super::process::{busy_nanos, cpu_nanos};
use super::requests::{self, CHECK};
use super::stats::Percentiles;
use super::wire;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The target and content of a load, as the command line of its process.
#[derive(Debug, clap::Args)]
pub(crate) struct Load {
    #[arg(long)]
    pub(crate) server: SocketAddr,
    #[arg(long)]
    pub(crate) pid: u32,
    /// The checks for the warm-up, each sent at least once
    #[arg(long)]
    pub(crate) warm_up: PathBuf,
    /// The checks for the measurement
    #[arg(long)]
    pub(crate) requests: PathBuf,
    /// The expected response: others must have its length and its beginning
    #[arg(long)]
    pub(crate) answer: PathBuf,
    /// Send each check once, instead of all of them in turn
    #[arg(long)]
    pub(crate) once: bool,
    #[arg(long)]
    pub(crate) warm: f64,
    #[arg(long)]
    pub(crate) seconds: f64,
    #[arg(long)]
    pub(crate) pace: Pace,
}

/// The result of one round.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) checks: usize,
    pub(crate) seconds: f64,
    /// CPU time of the server.
    pub(crate) server_nanos: u64,
    /// CPU time of the load itself.
    pub(crate) load_nanos: u64,
    /// CPU time of all other processes on this machine.
    pub(crate) others_nanos: u64,
    /// Time from a check's due time to its response; only at a fixed rate.
    pub(crate) latency: Percentiles,
    /// Delay of sending; only at a fixed rate.
    pub(crate) late: Percentiles,
}

impl Load {
    /// Runs this load in a separate process.
    pub(crate) fn start(&self) -> Outcome<Sample> {
        let Self { server, pid, warm_up, requests, answer, once, warm, seconds, pace } = self;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("load");
        for (option, value) in [
            ("--server", server.to_string()),
            ("--pid", pid.to_string()),
            ("--warm", warm.to_string()),
            ("--seconds", seconds.to_string()),
            ("--pace", pace.to_string()),
        ] {
            command.arg(option).arg(value);
        }
        for (option, file) in [("--warm-up", warm_up), ("--requests", requests), ("--answer", answer)] {
            command.arg(option).arg(file);
        }
        if *once {
            command.arg("--once");
        }
        let output = command.stderr(std::process::Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err("the load failed (see above)".into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Runs this load in this process, and prints its result on standard output.
    pub(crate) fn run(&self) -> Outcome<()> {
        // By default the system lets a sleeping thread oversleep by 50 µs, to save wake-ups. Where this can't be set,
        // checks are sent that much later, and the report shows it.
        let _ = std::fs::write("/proc/self/timerslack_ns", "1");
        let warm_up = requests::read(&self.warm_up)?;
        let requests = requests::read(&self.requests)?;
        let expected = Expected(std::fs::read(&self.answer)?);
        let (mut asking, mut listening) = wire::connect(self.server, CHECK)?;

        let all_once = warm_up.len();
        let enough = Instant::now() + Duration::from_secs_f64(self.warm);
        let mut feed = warm_up.iter().cycle().enumerate();
        let warm =
            || feed.next().filter(|(sent, _)| *sent < all_once || Instant::now() < enough).map(|(_, message)| message);
        in_turn(&mut asking, &mut listening, &expected, 32, warm)?;

        let (server, load, busy) = (cpu_nanos(self.pid)?, cpu_nanos(std::process::id())?, busy_nanos()?);
        let start = Instant::now();
        let end = start + Duration::from_secs_f64(self.seconds);
        let (checks, latency, late) = match self.pace {
            Pace::InFlight(width) => {
                let mut feed = requests.iter().cycle().take(if self.once { requests.len() } else { usize::MAX });
                let next = || if Instant::now() < end { feed.next() } else { None };
                let checks = in_turn(&mut asking, &mut listening, &expected, width, next)?;
                (checks, Percentiles::default(), Percentiles::default())
            }
            Pace::PerSecond(rate) => {
                let schedule = Schedule { start, interval: Duration::from_secs_f64(1.0 / rate) };
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
                let count = (rate * self.seconds) as usize;
                let count = if self.once { count.min(requests.len()) } else { count };
                let (latency, late) = on_schedule(asking, &mut listening, &expected, &schedule, &requests, count)?;
                (count, Percentiles::of(latency), Percentiles::of(late))
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        let (server_nanos, load_nanos) = (cpu_nanos(self.pid)? - server, cpu_nanos(std::process::id())? - load);
        let others_nanos = (busy_nanos()? - busy).saturating_sub(server_nanos + load_nanos);
        println!(
            "{}",
            serde_json::to_string(&Sample { checks, seconds, server_nanos, load_nanos, others_nanos, latency, late })?
        );
        Ok(())
    }
}
