//! Output for people: a progress line, and tables in Markdown as in `docs/benchmarks.md`.

use super::idle::Idle;
use super::load::Sample;
use super::pace::Pace;
use super::requests::Kind;
use super::stats::{Percentiles, Spread};
use super::{Case, Pair};
use std::io::{IsTerminal, Write};

/// The progress line, shown on a terminal only.
pub(crate) struct Progress {
    done: usize,
    all: usize,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(all: usize) -> Self {
        Self { done: 0, all, shown: std::io::stderr().is_terminal() }
    }

    pub(crate) fn say(&self, what: &str) {
        if self.shown {
            eprint!("\r\x1b[K[{}/{}] {what} ", self.done, self.all);
            let _ = std::io::stderr().flush();
        }
    }

    pub(crate) fn step(&mut self, what: &str) {
        self.done += 1;
        self.say(what);
    }

    pub(crate) fn end(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

/// The results.
pub(crate) struct Report {
    /// Time of one signature check alone, in microseconds.
    signature: f64,
    cases: Vec<(Kind, Pace, Vec<Pair>)>,
}

impl Report {
    pub(crate) fn new(signature: f64) -> Self {
        Self { signature, cases: Vec::new() }
    }

    pub(crate) fn add(&mut self, case: &Case, pairs: Vec<Pair>) {
        self.cases.push((case.kind, case.pace, pairs));
    }

    /// Returns modgud's highest throughput for a kind of checks so far. Latency is measured at half of it.
    pub(crate) fn capacity(&self, kind: Kind) -> f64 {
        let of_kind = self.cases.iter().filter(|(one, _, _)| *one == kind);
        of_kind.map(|(_, _, pairs)| rate(pairs)).fold(0.0, f64::max)
    }

    pub(crate) fn print(&self, idle: &Idle) {
        println!("{}\n", machine());
        println!("CPU time of the server for one check, in µs: median of the rounds (least–most)\n");
        println!("| check | in flight | modgud | empty server | modgud ÷ empty | checks/s | load | others |");
        println!("|---|---|---|---|---|---|---|---|");
        for (kind, pace, pairs) in &self.cases {
            if let Pace::InFlight(width) = pace {
                println!("| {kind} | {width} | {}", cpu_row(pairs));
            }
        }
        println!(
            "\nLatency at a fixed rate, from the time when a check is due, in µs: median of the rounds (least–most)\n"
        );
        println!("| check | server | p50 | p90 | p99 | p99.9 | worst | sent late, p50 | sent late, p99 |");
        println!("|---|---|---|---|---|---|---|---|---|");
        for (kind, pace, pairs) in &self.cases {
            if let Pace::PerSecond(_) = pace {
                println!(
                    "| {kind}, {pace} | modgud | {} |",
                    latency_row(pairs, |pair| (pair.modgud.latency, pair.modgud.late))
                );
                println!(
                    "| {kind}, {pace} | empty server | {} |",
                    latency_row(pairs, |pair| (pair.rival.latency, pair.rival.late))
                );
            }
        }
        println!("\n| target | reached |\n|---|---|");
        self.targets(idle);
        self.doubts();
    }

    fn targets(&self, idle: &Idle) {
        for (kind, pace, pairs) in &self.cases {
            if let (Kind::Known, Pace::InFlight(width)) = (kind, pace) {
                println!(
                    "| a known token costs at most 1.15 × the empty server, {width} in flight | {:.2} |",
                    ratio(pairs)
                );
            }
        }
        for (kind, pace, pairs) in &self.cases {
            let known = self
                .cases
                .iter()
                .find(|(kind, known, _)| *kind == Kind::Known && known.to_string() == pace.to_string());
            if let (Kind::Unknown, Pace::InFlight(width), Some((_, _, known))) = (kind, pace, known) {
                // Each compares with the empty server of its own rounds, since the two cases ran minutes apart.
                let more = surplus(pairs) - surplus(known);
                println!(
                    "| an unknown one costs one signature check ({:.1} µs) and 5 µs more, {width} in flight | {more:.1} µs more, so {:.1} µs beside the signature |",
                    self.signature,
                    more - self.signature
                );
            }
        }
        for (kind, pace, pairs) in &self.cases {
            if let Pace::PerSecond(_) = pace {
                let p99 = Spread::of(pairs.iter().map(|pair| pair.modgud.latency.p99 as f64 / 1e3));
                println!("| p99 under 1,000 µs at half of the capacity ({kind}, {pace}) | {p99:.0} µs |");
            }
        }
        let Idle { start_millis, resident_mib, binary_mib } = idle;
        println!("| serving within 50 ms of the start | {start_millis:.1} ms |");
        println!("| under 25 MiB in RAM when idle | {resident_mib:.1} MiB |");
        println!("| a binary under 20 MiB | {binary_mib:.1} MiB |");
    }

    /// Prints reasons to doubt the figures.
    fn doubts(&self) {
        let samples = || self.cases.iter().flat_map(|(_, _, pairs)| pairs).flat_map(|pair| [&pair.modgud, &pair.rival]);
        let others = Spread::of(samples().map(others_share)).median;
        if others > 10.0 {
            println!("\nDoubt: other processes had {others:.0} % of the machine; run this again when it is quiet.");
        }
        for (kind, pace, pairs) in &self.cases {
            let load = Spread::of(pairs.iter().map(|pair| load_share(&pair.modgud))).median;
            if matches!(pace, Pace::InFlight(_)) && load > 90.0 {
                println!("\nDoubt: {kind}, {pace}: the load was the bottleneck; checks/s is what it can send.");
            }
        }
        for (kind, pace, pairs) in &self.cases {
            let late = Spread::of(pairs.iter().map(|pair| pair.modgud.late.p99 as f64 / 1e3)).median;
            if late > 500.0 {
                println!(
                    "\nDoubt: {kind}, {pace}: the load itself was late, by {late:.0} µs in one check of a hundred."
                );
            }
        }
        if cfg!(debug_assertions) {
            println!("\nDoubt: this build is not optimised; its figures mean nothing.");
        }
    }
}

/// Returns the CPU time of a server for one check, in µs.
pub(crate) fn cost(sample: &Sample) -> f64 {
    sample.server_nanos as f64 / 1e3 / sample.checks as f64
}

fn micros(pairs: &[Pair], of: impl Fn(&Pair) -> &Sample) -> Spread {
    Spread::of(pairs.iter().map(of).map(cost))
}

/// Returns modgud's CPU time as a multiple of the empty server's. The two of a round ran one after the other.
fn ratio(pairs: &[Pair]) -> Spread {
    Spread::of(pairs.iter().map(|pair| cost(&pair.modgud) / cost(&pair.rival)))
}

/// Returns modgud's CPU time beyond the empty server's, in µs.
fn surplus(pairs: &[Pair]) -> f64 {
    Spread::of(pairs.iter().map(|pair| cost(&pair.modgud) - cost(&pair.rival))).median
}

pub(crate) fn rate(pairs: &[Pair]) -> f64 {
    Spread::of(pairs.iter().map(|pair| pair.modgud.checks as f64 / pair.modgud.seconds)).median
}

/// Returns the load's share of one core, in percent.
fn load_share(sample: &Sample) -> f64 {
    sample.load_nanos as f64 / 1e7 / sample.seconds
}

/// Returns the share of the machine that other processes used, in percent.
pub(crate) fn others_share(sample: &Sample) -> f64 {
    sample.others_nanos as f64 / 1e7 / sample.seconds / cores()
}

fn cpu_row(pairs: &[Pair]) -> String {
    let load = Spread::of(pairs.iter().map(|pair| load_share(&pair.modgud))).median;
    let others = Spread::of(pairs.iter().map(|pair| others_share(&pair.modgud))).median;
    format!(
        "{:.1} | {:.1} | {:.2} | {:.0} | {load:.0} % of a core | {others:.0} % of the machine |",
        micros(pairs, |pair| &pair.modgud),
        micros(pairs, |pair| &pair.rival),
        ratio(pairs),
        rate(pairs),
    )
}

fn latency_row(pairs: &[Pair], of: impl Fn(&Pair) -> (Percentiles, Percentiles)) -> String {
    let figure = |nanos: &dyn Fn((Percentiles, Percentiles)) -> u64| {
        format!("{:.0}", Spread::of(pairs.iter().map(|pair| nanos(of(pair)) as f64 / 1e3)))
    };
    [
        figure(&|(latency, _)| latency.p50),
        figure(&|(latency, _)| latency.p90),
        figure(&|(latency, _)| latency.p99),
        figure(&|(latency, _)| latency.p999),
        figure(&|(latency, _)| latency.max),
        figure(&|(_, late)| late.p50),
        figure(&|(_, late)| late.p99),
    ]
    .join(" | ")
}

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// Describes the machine, for comparisons of figures.
pub(crate) fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("?", |(_, model)| model.trim());
    format!("{} cores, {model}, Linux {}", cores(), read("/proc/sys/kernel/osrelease").trim())
}
