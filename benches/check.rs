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

#[path = "check/case.rs"]
mod case;
#[path = "check/chart.rs"]
mod chart;
#[path = "check/compare.rs"]
mod compare;
#[path = "check/empty.rs"]
mod empty;
#[path = "check/gateway.rs"]
mod gateway;
#[path = "check/growth.rs"]
mod growth;
#[path = "check/http1.rs"]
mod http1;
#[path = "check/idle.rs"]
mod idle;
#[path = "check/load.rs"]
mod load;
#[path = "check/pace.rs"]
mod pace;
#[path = "check/page.rs"]
mod page;
#[path = "check/process.rs"]
mod process;
#[path = "check/report.rs"]
mod report;
#[path = "check/requests.rs"]
mod requests;
#[path = "check/rules.rs"]
mod rules;
#[path = "check/series.rs"]
mod series;
#[path = "check/stats.rs"]
mod stats;
#[path = "check/targets.rs"]
mod targets;
#[path = "check/tokens.rs"]
mod tokens;
#[path = "check/wire.rs"]
mod wire;

use case::Response::{BiFrost, Small};
use case::Transport::{Plaintext, Tls};
use case::{Case, Rival, TREE, half_of, rate};
use clap::Parser;
use load::Load;
use mimalloc::MiMalloc;
use process::MODGUD;
use report::Report;
use requests::Folder;
use requests::Kind::{self, BadSignature, Known, NoToken, Uncached, Unknown};
use series::{Progress, Rounds};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// modgud's allocator, so that the empty server has no disadvantage.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures the cost of a check, compared with an empty server.
#[derive(Parser)]
struct Args {
    /// Run for less than a minute instead of ten; the figures are rough
    #[arg(long)]
    quick: bool,
    /// Measure requests through this Envoy, too
    #[arg(long, value_name = "PROGRAM")]
    envoy: Option<PathBuf>,
    /// Write tables and chart into `docs`, too
    #[arg(long, requires = "envoy", conflicts_with_all = ["quick", "base"])]
    write: bool,
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
    /// The empty server
    #[command(hide = true)]
    Empty(empty::Args),
    /// The load
    #[command(hide = true)]
    Load(Load),
}

/// The cases with a fixed number of checks in flight, which measure CPU time. Those at a fixed rate, which measure
/// latency, follow: their rate is half of the throughput measured here.
#[rustfmt::skip]
const CASES: [Case; 15] = [
    //        check         response  connections, transport  in flight
    Case::new(Known,        Small,    1,           Plaintext, 1),
    Case::new(Known,        Small,    1,           Plaintext, 32),
    Case::new(Known,        BiFrost,  1,           Plaintext, 1),
    Case::new(Known,        BiFrost,  1,           Plaintext, 32),
    Case::new(Known,        BiFrost,  4,           Plaintext, 32),
    Case::new(Known,        BiFrost,  16,          Plaintext, 32),
    Case::new(Known,        BiFrost,  1,           Tls,       1),
    Case::new(Known,        BiFrost,  1,           Tls,       32),
    Case::new(Unknown,      BiFrost,  1,           Plaintext, 1),
    Case::new(Unknown,      BiFrost,  1,           Plaintext, 32),
    Case::new(Uncached,     BiFrost,  1,           Plaintext, 32),
    Case::new(NoToken,      BiFrost,  1,           Plaintext, 1),
    Case::new(NoToken,      BiFrost,  1,           Plaintext, 32),
    Case::new(BadSignature, BiFrost,  1,           Plaintext, 1),
    Case::new(BadSignature, BiFrost,  1,           Plaintext, 32),
];

/// The checks whose latency is measured.
const LATENCY: [Kind; 2] = [Known, Unknown];

/// The extent of a run.
struct Extent {
    /// CPU time: many short rounds, so that both servers of a pair see the same machine conditions.
    cpu: Rounds,
    /// The same with one check in flight: more rounds, because each depends on the kernel's idle states.
    one_in_flight: Rounds,
    /// Latency: fewer and longer rounds, so that each has a 99.9th percentile.
    latency: Rounds,
    /// More than the cache holds in [`Uncached`].
    unknown_tokens: usize,
    /// Number of tokens that are all cached.
    many_tokens: usize,
    starts: usize,
    /// Rounds of decisions alone, and passes over all requests in each.
    decisions: (usize, usize),
}

impl Extent {
    const FULL: Self = Self {
        cpu: Rounds { count: 9, seconds: 0.6, warm: 0.2 },
        one_in_flight: Rounds { count: 15, seconds: 0.4, warm: 0.2 },
        latency: Rounds { count: 5, seconds: 1.5, warm: 0.2 },
        unknown_tokens: 10_000,
        many_tokens: 1_000_000,
        starts: 10,
        decisions: (31, 40),
    };
    const QUICK: Self = Self {
        cpu: Rounds { count: 2, seconds: 0.15, warm: 0.05 },
        one_in_flight: Rounds { count: 2, seconds: 0.15, warm: 0.05 },
        latency: Rounds { count: 2, seconds: 0.15, warm: 0.05 },
        unknown_tokens: 3_000,
        many_tokens: 2_000,
        starts: 3,
        decisions: (3, 2),
    };
    /// Enough rounds to show a difference of a few percent.
    const COMPARE: Self = Self {
        cpu: Rounds { count: 15, ..Self::FULL.cpu },
        latency: Rounds { count: 15, seconds: 1.0, ..Self::FULL.latency },
        starts: 15,
        ..Self::FULL
    };
}

impl Extent {
    /// Returns the rounds of a case with a number of checks in flight.
    const fn closed(&self, case: Case) -> Rounds {
        if case.pace.is_concurrent() { self.cpu } else { self.one_in_flight }
    }
}

fn main() -> Outcome<ExitCode> {
    let Args { quick, envoy, write, base, bench, role } = Args::parse();
    // Without `--bench`, `cargo test` runs this as a smoke test.
    let quick = quick || !bench;
    match (role, base) {
        (Some(Role::Empty(args)), _) => empty::run(&args)?,
        (Some(Role::Load(load)), _) => load.run()?,
        (None, Some(base)) => return compare::run(&base, if quick { &Extent::QUICK } else { &Extent::COMPARE }),
        (None, None) => run(if quick { &Extent::QUICK } else { &Extent::FULL }, envoy.as_deref(), write && !quick)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures everything, prints the tables, and writes them into the page if it is to be written.
fn run(extent: &Extent, envoy: Option<&Path>, write: bool) -> Outcome<()> {
    let page = fs::read_to_string(page::PAGE)?;
    // Before ten minutes are spent on it.
    page::replace(&page, "").ok_or("docs/benchmarks.md has no longer the comments around its figures")?;
    let version = envoy.map(gateway::version).transpose()?;
    if envoy.is_none() {
        eprintln!(
            "NO ENVOY: requests through Envoy are left out. `make bench` measures them; so does `--envoy PROGRAM`."
        );
    }
    let report = measure(extent, envoy)?;
    let head = format!("Machine: {}.\n\nVersions: {}.\n", page::machine(), page::versions(version.as_deref()));
    let figures = format!("{head}\n{}", report.markdown()?);
    println!("{figures}");
    if envoy.is_none() {
        eprintln!("NO ENVOY: requests through Envoy were left out.");
    }
    if write {
        let page = page::replace(&page, &figures).ok_or("docs/benchmarks.md has changed")?;
        fs::write(page::CHART, report.svg()?)?;
        fs::write(page::PAGE, page)?;
        eprintln!("Written: {} and {}", page::PAGE, page::CHART);
    }
    Ok(())
}

fn measure(extent: &Extent, envoy: Option<&Path>) -> Outcome<Report> {
    let Extent { cpu, one_in_flight: _, latency: longer, unknown_tokens, many_tokens, starts, decisions } = extent;
    let mut progress = Progress::new(CASES.len() + LATENCY.len() + 6 + if envoy.is_some() { 2 } else { 0 });
    progress.part("signing tokens");
    let folder = Folder::new(*unknown_tokens)?;
    progress.part("starting modgud, again and again");
    let idle = idle::measure(Path::new(MODGUD), &folder, *starts)?;

    let mut measure = |case: Case, rounds| case.measure(&folder, rounds, Rival::Empty, &mut progress);
    let cases = CASES.map(|case| measure(case, extent.closed(case))).into_iter().collect::<Outcome<Vec<_>>>()?;
    let capacity = |kind| {
        let of_kind = cases.iter().filter(|one| Case { kind, ..case::KNOWN } == one.case);
        of_kind.map(|one| one.series.spread(TREE, rate).median).fold(0.0, f64::max)
    };
    let latency = LATENCY.map(|kind| {
        let case = Case { kind, pace: half_of(capacity(kind)), ..case::KNOWN };
        measure(case, *longer)
    });
    let latency = latency.into_iter().collect::<Outcome<Vec<_>>>()?;
    let gateway = envoy.map(|envoy| gateway::measure(envoy, &folder, *cpu, *longer, &mut progress)).transpose()?;
    let decisions = rules::measure(decisions.0, decisions.1, &mut progress)?;
    let rules = growth::many_rules(&folder, *cpu, &mut progress)?;
    let tokens = growth::many_tokens(&folder, *many_tokens, *cpu, &mut progress)?;
    // Long enough for several reloads.
    let longest = Rounds { seconds: longer.seconds + 2.0, ..*longer };
    let reloads = growth::reloads(&folder, capacity(Known), longest, &mut progress)?;
    progress.end();
    Ok(Report { idle, cases, latency, decisions, rules, tokens, reloads, gateway })
}
