//! The cost of a check, compared with an empty server: `make bench`, or for a rough look
//! `cargo bench --bench check -- --quick`. `make bench-compare BASE=REV` compares with the program of another revision.
//!
//! This file is the plan: it defines the checks, their pace and their order. Each server and the load run as separate
//! processes, so that CPU time can be attributed; this program starts itself again in those roles. `docs/benchmarks.md`
//! explains the figures.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a tool that measures: it prints, reckons with floats, and may stop where its own figures make no sense"
)]

#[path = "check/compare.rs"]
mod compare;
#[path = "check/empty.rs"]
mod empty;
#[path = "check/idle.rs"]
mod idle;
#[path = "check/load.rs"]
mod load;
#[path = "check/pace.rs"]
mod pace;
#[path = "check/process.rs"]
mod process;
#[path = "check/report.rs"]
mod report;
#[path = "check/requests.rs"]
mod requests;
#[path = "check/scale.rs"]
mod scale;
#[path = "check/stats.rs"]
mod stats;
#[path = "check/tokens.rs"]
mod tokens;
#[path = "check/wire.rs"]
mod wire;

use clap::Parser;
use load::{Load, Sample};
use mimalloc::MiMalloc;
use pace::Pace;
use process::{MODGUD, Server};
use report::{Progress, Report};
use requests::{Answer, Folder, Kind};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// modgud's allocator, so that the empty server has no disadvantage.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures the cost of a check, compared with an empty server.
#[derive(Parser)]
struct Args {
    /// Run for a few seconds instead of two minutes; the figures are rough
    #[arg(long)]
    quick: bool,
    /// Compare with another modgud program instead of the empty server; exit code 1 if this tree is slower beyond the
    /// noise
    #[arg(long, value_name = "PROGRAM")]
    base: Option<PathBuf>,
    /// The flag that cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Measures checks beside reloads, and with many tokens
    Scale(scale::Args),
    /// The empty server
    #[command(hide = true)]
    Empty(empty::Args),
    /// The load
    #[command(hide = true)]
    Load(Load),
}

/// The extent of a run.
struct Extent {
    /// Warm-up time of a server before the clock starts, in seconds.
    warm: f64,
    /// CPU time: many short rounds, so that both servers of a pair see the same machine conditions.
    cpu: Rounds,
    /// Latency: fewer and longer rounds, so that each has a 99.9th percentile.
    latency: Rounds,
    unknown_tokens: usize,
    starts: usize,
}

/// Number and duration in seconds of a case's rounds. A round of unknown tokens ends when they are used up.
#[derive(Clone, Copy)]
struct Rounds {
    count: usize,
    seconds: f64,
}

impl Extent {
    const FULL: Self = Self {
        warm: 0.2,
        cpu: Rounds { count: 9, seconds: 0.6 },
        latency: Rounds { count: 5, seconds: 1.5 },
        unknown_tokens: 10_000,
        starts: 10,
    };
    const QUICK: Self = Self {
        warm: 0.05,
        cpu: Rounds { count: 2, seconds: 0.15 },
        latency: Rounds { count: 2, seconds: 0.15 },
        unknown_tokens: 400,
        starts: 3,
    };
    /// Enough rounds to show a difference of a few percent.
    const COMPARE: Self = Self {
        cpu: Rounds { count: 15, seconds: 0.6 },
        latency: Rounds { count: 15, seconds: 1.0 },
        starts: 15,
        ..Self::FULL
    };
}

/// One line of the report: a kind of checks at a pace.
struct Case {
    kind: Kind,
    pace: Pace,
    rounds: Rounds,
}

/// The cases with a fixed number of checks in flight, which measure CPU time. Those at a fixed rate, which measure
/// latency, follow: their rate is half of the throughput measured here.
const CLOSED: [(Kind, usize); 6] = [
    (Kind::Known, 1),
    (Kind::Known, 32),
    (Kind::Unknown, 1),
    (Kind::Unknown, 32),
    (Kind::NoToken, 32),
    (Kind::BadSignature, 32),
];

fn main() -> Outcome<ExitCode> {
    let Args { quick, base, bench, role } = Args::parse();
    match role {
        Some(Role::Empty(args)) => empty::run(&args)?,
        Some(Role::Load(load)) => load.run()?,
        Some(Role::Scale(args)) => scale::run(&args)?,
        None => {
            // Without `--bench`, `cargo test` runs this as a smoke test.
            let quick = quick || !bench;
            match base {
                None => measure(if quick { &Extent::QUICK } else { &Extent::FULL })?,
                Some(base) => return compare::run(&base, if quick { &Extent::QUICK } else { &Extent::COMPARE }),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(extent: &Extent) -> Outcome<()> {
    let open = [Kind::Known, Kind::Unknown];
    let mut progress = Progress::new(CLOSED.len() * extent.cpu.count + open.len() * extent.latency.count);
    progress.say("signing tokens");
    let folder = Folder::new(extent.unknown_tokens)?;
    let mut report = Report::new(folder.signature_check);

    progress.say("starting modgud, again and again");
    let idle = idle::measure(Path::new(MODGUD), &folder, extent.starts)?;

    for (kind, in_flight) in CLOSED {
        let case = Case { kind, pace: Pace::InFlight(in_flight), rounds: extent.cpu };
        report.add(&case, case.measure(&folder, extent, Rival::Empty, &mut progress)?);
    }
    for kind in open {
        let case = Case { kind, pace: half_of(report.capacity(kind)), rounds: extent.latency };
        report.add(&case, case.measure(&folder, extent, Rival::Empty, &mut progress)?);
    }
    progress.end();
    report.print(&idle);
    Ok(())
}

/// Returns half of a server's throughput, rounded down to hundreds.
fn half_of(capacity: f64) -> Pace {
    Pace::PerSecond((capacity / 200.0).floor().max(1.0) * 100.0)
}

/// The server to compare with.
#[derive(Clone, Copy)]
enum Rival<'a> {
    /// The empty server.
    Empty,
    /// The program of another revision.
    Base(&'a Path),
}

/// The result of one round.
struct Pair {
    modgud: Sample,
    rival: Sample,
}

impl Case {
    fn measure(&self, folder: &Folder, extent: &Extent, rival: Rival, progress: &mut Progress) -> Outcome<Vec<Pair>> {
        let mut pairs = Vec::new();
        let program = Path::new(MODGUD);
        let answer = folder.answer(self.kind, program)?;
        let rival_answer = match rival {
            Rival::Empty => None,
            Rival::Base(base) => Some(folder.answer(self.kind, base)?),
        };
        let rival_answer = rival_answer.as_ref().unwrap_or(&answer);
        for round in 0..self.rounds.count {
            progress.step(&format!("{}, {}", self.kind, self.pace));
            // A new process each time, so that rounds are independent: unknown tokens are unknown again. The order
            // alternates between rounds.
            let modgud = || self.sample(&Server::modgud(program, folder)?, folder, extent, &answer);
            let rival = || {
                let server = match rival {
                    Rival::Empty => Server::empty(&answer.file)?,
                    Rival::Base(base) => Server::modgud(base, folder)?,
                };
                self.sample(&server, folder, extent, rival_answer)
            };
            pairs.push(if round % 2 == 0 {
                let modgud = modgud()?;
                Pair { modgud, rival: rival()? }
            } else {
                let rival = rival()?;
                Pair { modgud: modgud()?, rival }
            });
        }
        Ok(pairs)
    }

    fn sample(&self, server: &Server, folder: &Folder, extent: &Extent, answer: &Answer) -> Outcome<Sample> {
        Load {
            server: server.address,
            pid: server.pid(),
            warm_up: folder.warm_up(self.kind),
            requests: folder.requests(self.kind),
            answer: answer.file.to_path_buf(),
            once: self.kind == Kind::Unknown,
            warm: extent.warm,
            seconds: self.rounds.seconds,
            pace: self.pace,
        }
        .start()
    }
}
