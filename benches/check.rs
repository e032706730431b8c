//! What a check costs, beside an empty server: `make bench`, or `cargo bench --bench check -- --quick` for a look.
//!
//! This file is the plan: which checks are sent, how, and in which order. Each server runs as a process of its own and so
//! does the load, so that CPU time can be told apart; this program starts itself again in those roles. What the figures mean
//! is in `docs/benchmarks.md`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a tool that measures: it prints, reckons with floats, and may stop where its own figures make no sense"
)]

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
use process::Server;
use report::{Progress, Report};
use requests::{Answer, Folder, Kind};
use std::error::Error;

/// The allocator that modgud has, so that the empty server is not dearer for want of it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures what a check costs, beside an empty server.
#[derive(Parser)]
struct Args {
    /// A few seconds instead of two minutes; the figures are worth little
    #[arg(long)]
    quick: bool,
    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(clap::Subcommand)]
#[command(hide = true)]
enum Role {
    /// The server that looks at nothing
    Empty(empty::Args),
    /// The load
    Load(Load),
}

/// How much is measured.
struct Extent {
    /// How long a server is asked before the clock starts, in seconds.
    warm: f64,
    /// CPU time: many short rounds, so that the two of a pair meet the same weather.
    cpu: Rounds,
    /// Latency: fewer and longer ones, so that a round has a thousandth worst.
    latency: Rounds,
    unknown_tokens: usize,
    starts: usize,
}

/// How often a case is measured, and for how many seconds. A round of unknown tokens ends when they are used up.
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
}

/// One line of the report: what is asked for, and at which pace.
struct Case {
    kind: Kind,
    pace: Pace,
    rounds: Rounds,
}

/// The cases of a fixed number of checks in flight, which tell CPU time; those at a fixed rate, which tell latency, come after
/// them, since half of what was reached here is their rate.
const CLOSED: [(Kind, usize); 6] = [
    (Kind::Known, 1),
    (Kind::Known, 32),
    (Kind::Unknown, 1),
    (Kind::Unknown, 32),
    (Kind::NoToken, 32),
    (Kind::BadSignature, 32),
];

fn main() -> Outcome<()> {
    let Args { quick, bench, role } = Args::parse();
    match role {
        Some(Role::Empty(args)) => empty::run(&args),
        Some(Role::Load(load)) => load.run(),
        // Without `--bench` it is `cargo test` that runs this, to see whether it still works.
        None => measure(&if quick || !bench { Extent::QUICK } else { Extent::FULL }),
    }
}

fn measure(extent: &Extent) -> Outcome<()> {
    let open = [Kind::Known, Kind::Unknown];
    let mut progress = Progress::new(CLOSED.len() * extent.cpu.count + open.len() * extent.latency.count);
    progress.say("signing tokens");
    let folder = Folder::new(extent.unknown_tokens)?;
    let mut report = Report::new(folder.signature_check);

    progress.say("starting modgud, again and again");
    let idle = idle::measure(&folder, extent.starts)?;

    for (kind, in_flight) in CLOSED {
        let case = Case { kind, pace: Pace::InFlight(in_flight), rounds: extent.cpu };
        report.add(&case, case.measure(&folder, extent, &mut progress)?);
    }
    for kind in open {
        // Half of what it can, in whole hundreds.
        let rate = (report.capacity(kind) / 200.0).floor().max(1.0) * 100.0;
        let case = Case { kind, pace: Pace::PerSecond(rate), rounds: extent.latency };
        report.add(&case, case.measure(&folder, extent, &mut progress)?);
    }
    progress.end();
    report.print(&idle);
    Ok(())
}

/// What one round found.
struct Pair {
    modgud: Sample,
    empty: Sample,
}

impl Case {
    fn measure(&self, folder: &Folder, extent: &Extent, progress: &mut Progress) -> Outcome<Vec<Pair>> {
        let mut pairs = Vec::new();
        let answer = folder.answer(self.kind)?;
        for round in 0..self.rounds.count {
            progress.step(&format!("{}, {}", self.kind, self.pace));
            // A new process each time, so that no round profits or suffers from the one before: unknown tokens are unknown
            // again. One goes first in one round and the other in the next.
            let modgud = || self.sample(&Server::modgud(folder)?, folder, extent, &answer);
            let empty = || self.sample(&Server::empty(&answer.file)?, folder, extent, &answer);
            pairs.push(if round % 2 == 0 {
                let modgud = modgud()?;
                Pair { modgud, empty: empty()? }
            } else {
                let empty = empty()?;
                Pair { modgud: modgud()?, empty }
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
            answer: answer.file.clone(),
            once: self.kind == Kind::Unknown,
            warm: extent.warm,
            seconds: self.rounds.seconds,
            pace: self.pace,
        }
        .start()
    }
}
