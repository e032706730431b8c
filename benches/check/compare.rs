//! Comparison of this tree's program with that of another revision, in alternating rounds.

use super::case::{Case, RIVAL, Rival, TREE, cost, half_of, rate};
use super::idle::{self, Idle};
use super::load::Sample;
use super::page::machine;
use super::process::MODGUD;
use super::report::{MAX_OTHERS_SHARE, others_share, p50, p99};
use super::requests::Folder;
use super::series::{Progress, Series};
use super::stats::{Interval, Spread};
use super::{CASES, Extent, LATENCY, Outcome};
use std::path::Path;
use std::process::ExitCode;

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
    let mut progress = Progress::new(CASES.len() + LATENCY.len() + 2);
    progress.part("signing tokens");
    let folder = Folder::new(extent.unknown_tokens)?;
    progress.part("starting both programs, again and again");
    let tree_idle = idle::measure(Path::new(MODGUD), &folder, extent.starts)?;
    let base_idle = idle::measure(base, &folder, extent.starts)?;
    progress.end();

    println!("{}, {} rounds\n", machine(), extent.cpu.count);
    println!(
        "Median of the rounds (least–most). The ratio is that of two rounds right after each other; in brackets the interval \
         that holds its true median with 99 % confidence.\n"
    );
    println!("| figure | this tree | base | this tree ÷ base | |\n|---|---|---|---|---|");
    let mut verdicts = Vec::new();
    let mut others = Vec::new();
    for case in CASES {
        let series = case.measure(&folder, extent.closed(case), Rival::Base(base), &mut progress)?.series;
        progress.end();
        verdicts.push(print(&format!("CPU, {case}, µs"), &series, cost));
        others.extend(series.samples().map(others_share));
        if LATENCY.map(|kind| Case { kind, ..super::case::KNOWN }).contains(&case) {
            let case = Case { pace: half_of(series.spread(TREE, rate).median), ..case };
            let series = case.measure(&folder, extent.latency, Rival::Base(base), &mut progress)?.series;
            progress.end();
            verdicts.push(print(&format!("p50, {case}, µs"), &series, p50));
            verdicts.push(print(&format!("p99, {case}, µs"), &series, p99));
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

fn print(name: &str, series: &Series, of: fn(&Sample) -> f64) -> Verdict {
    let (tree, base) = (series.spread(TREE, of), series.spread(RIVAL, of));
    let ratio = Interval::of(series.ratios(TREE, RIVAL, of));
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
