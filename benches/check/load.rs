//! The load: one process that sends checks to one server, or requests to Envoy, and reports its measurements.

use super::pace::{Expected, Pace, Schedule, in_turn, on_schedule};
use super::process::{busy_nanos, cpu_nanos, process_nanos};
use super::requests::{CHECK, Messages};
use super::stats::Percentiles;
use super::wire::{Asking, Listening};
use super::{Outcome, http1, wire};
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
    /// The processes whose CPU time is measured
    #[arg(long)]
    pub(crate) pid: Vec<u32>,
    /// The checks for the warm-up, each sent at least once
    #[arg(long)]
    pub(crate) warm_up: PathBuf,
    /// The checks for the measurement
    #[arg(long)]
    pub(crate) requests: PathBuf,
    /// The expected response: others must have its length and its beginning. Without it the messages are requests of
    /// HTTP/1.1, and each status must be 200
    #[arg(long)]
    pub(crate) response: Option<PathBuf>,
    /// The number of connections, which share the checks in flight and the rate
    #[arg(long)]
    pub(crate) connections: usize,
    /// The server's certificate, for TLS; without it, plaintext
    #[arg(long)]
    pub(crate) certificate: Option<PathBuf>,
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
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) checks: usize,
    pub(crate) seconds: f64,
    /// CPU time of each measured process.
    pub(crate) nanos: Vec<u64>,
    /// CPU time of the load itself.
    pub(crate) load_nanos: u64,
    /// CPU time of all other processes on this machine.
    pub(crate) others_nanos: u64,
    /// Number of reads in which the load received the responses to checks.
    pub(crate) reads: u64,
    /// Time from a check's due time to its response; only at a fixed rate.
    pub(crate) latency: Percentiles,
    /// Delay of sending; only at a fixed rate.
    pub(crate) late: Percentiles,
}

/// One connection.
enum Client {
    Grpc(Asking, Listening),
    Http1(http1::Connection),
}

/// What one connection measured.
#[derive(Default)]
struct Measured {
    checks: usize,
    latency: Vec<u64>,
    late: Vec<u64>,
}

impl Load {
    /// Runs this load in a separate process.
    pub(crate) fn start(&self) -> Outcome<Sample> {
        let Self { server, pid, warm_up, requests, response, connections, certificate, once, warm, seconds, pace } =
            self;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("load");
        for (option, value) in [
            ("--server", server.to_string()),
            ("--connections", connections.to_string()),
            ("--warm", warm.to_string()),
            ("--seconds", seconds.to_string()),
            ("--pace", pace.to_string()),
        ] {
            command.arg(option).arg(value);
        }
        for pid in pid {
            command.arg("--pid").arg(pid.to_string());
        }
        let files = [("--warm-up", Some(warm_up)), ("--requests", Some(requests))];
        let files =
            files.into_iter().chain([("--response", response.as_ref()), ("--certificate", certificate.as_ref())]);
        for (option, file) in files.filter_map(|(option, file)| Some((option, file?))) {
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
        let (warm_up, requests) = (Messages::read(&self.warm_up)?, Messages::read(&self.requests)?);
        let expected = self.response.as_ref().map(std::fs::read).transpose()?.map(Expected);
        let expected = expected.as_ref();
        let mut clients = (0..self.connections).map(|_| self.connect()).collect::<Outcome<Vec<_>>>()?;

        let enough = Instant::now() + Duration::from_secs_f64(self.warm);
        each(&mut clients, |number, client| {
            let share = warm_up.share(number, self.connections);
            let all_once = share.clone().count();
            let mut feed = share.cycle().enumerate();
            let mut next = || feed.next().filter(|(sent, _)| *sent < all_once || Instant::now() < enough);
            client.in_turn(expected, self.width(32), || next().map(|(_, message)| message))
        })?;

        let cpu = || self.pid.iter().map(|pid| cpu_nanos(*pid)).collect::<Outcome<Vec<u64>>>();
        let reads = |clients: &[Client]| clients.iter().map(Client::reads).sum::<u64>();
        let (read, server, load, busy) = (reads(&clients), cpu()?, process_nanos()?, busy_nanos()?);
        let start = Instant::now();
        let measured = each(&mut clients, |number, client| self.measure(number, client, &requests, expected, start))?;
        let seconds = start.elapsed().as_secs_f64();
        let nanos: Vec<u64> = cpu()?.iter().zip(&server).map(|(now, before)| now - before).collect();
        let load_nanos = process_nanos()? - load;
        let others_nanos = (busy_nanos()? - busy).saturating_sub(nanos.iter().sum::<u64>() + load_nanos);
        let sample = Sample {
            checks: measured.iter().map(|one| one.checks).sum(),
            seconds,
            nanos,
            load_nanos,
            others_nanos,
            reads: reads(&clients) - read,
            latency: Percentiles::of(measured.iter().flat_map(|one| one.latency.iter().copied()).collect()),
            late: Percentiles::of(measured.iter().flat_map(|one| one.late.iter().copied()).collect()),
        };
        println!("{}", serde_json::to_string(&sample)?);
        Ok(())
    }

    fn connect(&self) -> Outcome<Client> {
        if self.response.is_none() {
            return Ok(Client::Http1(http1::Connection::open(self.server)?));
        }
        let (asking, listening) = wire::connect(self.server, self.certificate.as_deref(), CHECK)?;
        Ok(Client::Grpc(asking, listening))
    }

    /// Returns a connection's share of the checks in flight.
    fn width(&self, in_flight: usize) -> usize {
        (in_flight / self.connections).max(1)
    }

    fn measure(
        &self,
        number: usize,
        client: &mut Client,
        requests: &Messages,
        expected: Option<&Expected>,
        start: Instant,
    ) -> Outcome<Measured> {
        let share = requests.share(number, self.connections);
        let once = if self.once { share.clone().count() } else { usize::MAX };
        let mut feed = share.cycle().take(once);
        match self.pace {
            Pace::InFlight(in_flight) => {
                let end = start + Duration::from_secs_f64(self.seconds);
                let next = || if Instant::now() < end { feed.next() } else { None };
                let checks = client.in_turn(expected, self.width(in_flight), next)?;
                Ok(Measured { checks, ..Measured::default() })
            }
            Pace::PerSecond(rate) => {
                let interval = Duration::from_secs_f64(1.0 / rate);
                let connections = u32::try_from(self.connections)?;
                let schedule =
                    Schedule { start: start + interval * u32::try_from(number)?, interval: interval * connections };
                #[expect(clippy::cast_sign_loss, reason = "a few thousand")]
                let count = (rate * self.seconds) as usize / self.connections;
                let (latency, late) = match client {
                    Client::Grpc(..) if self.certificate.is_some() => {
                        return Err("with TLS, both halves of a connection work in turn; use a number in flight".into());
                    }
                    Client::Grpc(asking, listening) => {
                        let expected = expected.ok_or("no expected response")?;
                        on_schedule(asking, listening, expected, schedule, feed.take(count), count.min(once))?
                    }
                    Client::Http1(connection) => http1::on_schedule(connection, schedule, feed.take(count))?,
                };
                Ok(Measured { checks: latency.len(), latency, late })
            }
        }
    }
}

impl Client {
    /// Sends checks until none is left, `width` at a time. Returns the number of responses.
    fn in_turn<'a>(
        &mut self,
        expected: Option<&Expected>,
        width: usize,
        mut next: impl FnMut() -> Option<&'a [u8]>,
    ) -> Outcome<usize> {
        match (self, expected) {
            (Self::Grpc(asking, listening), Some(expected)) => in_turn(asking, listening, expected, width, next),
            (Self::Grpc(..), None) => Err("no expected response".into()),
            (Self::Http1(connection), _) => {
                let mut sent = 0;
                while let Some(request) = next() {
                    connection.send(request)?;
                    sent += 1;
                }
                Ok(sent)
            }
        }
    }

    fn reads(&self) -> u64 {
        match self {
            Self::Grpc(_, listening) => listening.reads(),
            Self::Http1(_) => 0,
        }
    }
}

/// Runs a function for every connection at the same time, each in a thread.
fn each<T: Send>(clients: &mut [Client], run: impl Fn(usize, &mut Client) -> Outcome<T> + Sync) -> Outcome<Vec<T>> {
    let run = &run;
    std::thread::scope(|scope| {
        let start = |(number, client)| scope.spawn(move || run(number, client).map_err(|error| error.to_string()));
        let threads: Vec<_> = clients.iter_mut().enumerate().map(start).collect();
        threads.into_iter().map(|thread| Ok(thread.join().map_err(|_| "a thread of the load failed")??)).collect()
    })
}
