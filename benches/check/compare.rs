//! Comparison of this tree's program with that of another revision, in alternating rounds.

use super::idle::{self, Idle};
use super::load::Sample;
use super::pace::Pace;
use super::process::MODGUD;
use super::report::{Progress, cost, machine, others_share, rate};
use super::requests::{Folder, Kind};
use super::stats::{Interval, Spread};
use super::{CLOSED, Case, Extent, Outcome, Pair, Rival, half_of};
use std::path::Path;
use std::process::ExitCode;

/// Maximum share of the machine that other processes may use, in percent; above it, the report doubts its figures.
const MAX_OTHERS_SHARE: f64 = 10.0;

/// The difference between the two programs in one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Better,
    /// The interval contains the ratio 1: the difference does not exceed the noise.
    Same,
    Worse,
}

impl Verdict {
    /// Judges the ratio of a figure that should be small.
    fn of(ratio: Interval) -> Self {
        if ratio.low > 1.0 {
            Self::Worse
        } else if ratio.high < 1.0 {
            Self::Better
        } else {
            Self::Same
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "no difference beyond the noise",
            Self::Worse => "**worse**",
        }
    }
}

/// Measures both programs and prints a table. The exit code is 1 if any figure is worse beyond the noise.
pub(crate) fn run(base: &Path, extent: &Extent) -> Outcome<ExitCode> {
    let open = [Kind::Known, Kind::Unknown];
    let mut progress = Progress::new(CLOSED.len() * extent.cpu.count + open.len() * extent.latency.count);
    progress.say("signing tokens");
    let folder = Folder::new(extent.unknown_tokens)?;
    progress.say("starting both programs, again and again");
    let tree_idle = idle::measure(Path::new(MODGUD), &folder, extent.starts)?;
    let base_idle = idle::measure(base, &folder, extent.starts)?;

    println!("{}, {} rounds\n", machine(), extent.cpu.count);
    println!(
        "Median of the rounds (least–most). The ratio is that of two rounds right after each other; in brackets the interval \
         that holds its true median with 99 % confidence.\n"
    );
    println!("| figure | this tree | base | this tree ÷ base | |\n|---|---|---|---|---|");
    let mut verdicts = Vec::new();
    let mut others = Vec::new();
    for (kind, width) in CLOSED {
        let case = Case { kind, pace: Pace::InFlight(width), rounds: extent.cpu };
        let pairs = case.measure(&folder, extent, Rival::Base(base), &mut progress)?;
        progress.end();
        verdicts.push(print(&format!("CPU, {kind}, {width} in flight, µs"), &pairs, cost));
        others.extend(pairs.iter().map(|pair| others_share(&pair.modgud)));
        if width > 1 && open.contains(&kind) {
            let case = Case { kind, pace: half_of(rate(&pairs)), rounds: extent.latency };
            let pairs = case.measure(&folder, extent, Rival::Base(base), &mut progress)?;
            progress.end();
            for (name, of) in PERCENTILES {
                verdicts.push(print(&format!("{name}, {kind}, {}, µs", case.pace), &pairs, of));
            }
        }
    }
    print_idle(&tree_idle, &base_idle);
    let others = Spread::of(others).median;
    if others > MAX_OTHERS_SHARE {
        println!("\nDoubt: other processes had {others:.0} % of the machine; run this again when it is quiet.");
    }
    if cfg!(debug_assertions) {
        println!("\nDoubt: this build is not optimised; its figures mean nothing.");
    }
    let worse = verdicts.iter().filter(|verdict| **verdict == Verdict::Worse).count();
    println!("\n{worse} of {} figures are worse beyond the noise.", verdicts.len());
    Ok(if worse == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A figure of one round.
type Figure = fn(&Sample) -> f64;

/// The compared percentiles of latency, in µs.
const PERCENTILES: [(&str, Figure); 2] =
    [("p50", |sample| sample.latency.p50 as f64 / 1e3), ("p99", |sample| sample.latency.p99 as f64 / 1e3)];

fn print(name: &str, pairs: &[Pair], of: Figure) -> Verdict {
    let tree = Spread::of(pairs.iter().map(|pair| of(&pair.modgud)));
    let base = Spread::of(pairs.iter().map(|pair| of(&pair.rival)));
    let ratio = Interval::of(pairs.iter().map(|pair| of(&pair.modgud) / of(&pair.rival)));
    let verdict = Verdict::of(ratio);
    let Interval { low, median, high } = ratio;
    println!("| {name} | {tree:.1} | {base:.1} | {median:.3} ({low:.3}–{high:.3}) | {} |", verdict.name());
    verdict
}

/// Prints idle figures. They are not paired: each start is a separate process.
fn print_idle(tree: &Idle, base: &Idle) {
    println!("| start, ms | {:.1} | {:.1} | | |", tree.start_millis, base.start_millis);
    println!("| resident when idle, MiB | {:.1} | {:.1} | | |", tree.resident_mib, base.resident_mib);
    println!(
        "| binary, MiB | {:.2} | {:.2} | {:.3} | |",
        tree.binary_mib,
        base.binary_mib,
        tree.binary_mib / base.binary_mib
    );
}
