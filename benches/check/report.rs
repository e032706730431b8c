//! The report: tables in Markdown, for the terminal and for `docs/benchmarks.md`.

use super::case::{self, Case, RIVAL, TREE, VERIFICATION, cost, rate};
use super::chart::{self, Bar, Panel};
use super::gateway::{ALONE, CONNECTIONS, FILTERS, Gateway, TOKENS};
use super::growth::{MANY, ONE, RELOAD_INTERVAL, RELOADING, RULES, Reloads, STEADY, Tokens};
use super::idle::Idle;
use super::load::Sample;
use super::pace::Pace;
use super::rules::Decision;
use super::series::Series;
use super::stats::{Spread, thousands};
use super::targets::{self, Target};
use std::fmt::{self, Write};

/// Maximum share of the machine that other processes may use, in percent; above it, the report doubts its figures.
pub(crate) const MAX_OTHERS_SHARE: f64 = 10.0;

/// The results of a run.
pub(crate) struct Report {
    pub(crate) idle: Idle,
    /// With a number of checks in flight.
    pub(crate) cases: Vec<case::Result>,
    /// At half of the throughput.
    pub(crate) latency: Vec<case::Result>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) rules: Series,
    pub(crate) tokens: Tokens,
    pub(crate) reloads: Reloads,
    /// `None` without Envoy.
    pub(crate) gateway: Option<Gateway>,
}

impl Report {
    /// Returns the tables.
    pub(crate) fn markdown(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        self.write_cases(&mut out)?;
        self.write_latency(&mut out)?;
        self.write_gateway(&mut out)?;
        self.write_growth(&mut out)?;
        writeln!(out, "### Targets\n\n| target | limit | this run | |\n|---|---|---|---|")?;
        for target in targets::of(self) {
            let Target { text, limit, figure, unit, digits } = &target;
            let verdict = if target.is_reached() { "reached" } else { "**not reached**" };
            writeln!(out, "| {text} | {limit:.digits$}{unit} | {figure:.digits$}{unit} | {verdict} |")?;
        }
        self.write_doubts(&mut out)?;
        Ok(out)
    }

    fn write_cases(&self, out: &mut String) -> fmt::Result {
        writeln!(
            out,
            "### CPU time of a check\n\nOf the server, in µs. With one check in flight the idle states of the kernel decide: read only the \
             ratio.\n\n\
             | check | response | connections | in flight | modgud | empty server | modgud ÷ empty | checks/s | load | others |\n\
             |---|---|---|---|---|---|---|---|---|---|"
        )?;
        for case::Result { case, bytes, series } in &self.cases {
            let Case { kind, connections, transport, pace, .. } = case;
            let in_flight = pace.to_string();
            writeln!(
                out,
                "| {kind} | {}, {bytes} bytes | {connections}, {transport} | {} | {:.1} | {:.1} | {:.2} | {:.0} | {:.0} % | {:.0} % |",
                case.response_name(),
                in_flight.trim_end_matches(" in flight"),
                series.spread(TREE, cost),
                series.spread(RIVAL, cost),
                ratio(series, TREE, RIVAL, cost),
                series.spread(TREE, rate).median,
                series.spread(TREE, load_share).median,
                series.spread(TREE, others_share).median,
            )?;
        }
        let verified = self.cases.iter().filter(|one| one.case.kind.is_verified() && one.case.pace.is_concurrent());
        for case::Result { case, series, .. } in verified {
            writeln!(
                out,
                "\nOne verification of a signature alone, in turn with {}: {:.1} µs.",
                case.kind,
                series.spread(VERIFICATION, cost)
            )?;
        }
        writeln!(out, "\nThe load's share is that of one core, that of other processes is of the whole machine.\n")
    }

    fn write_latency(&self, out: &mut String) -> fmt::Result {
        writeln!(
            out,
            "### Latency\n\nIn µs from the time when a check is due, at half of modgud's own checks/s with 32 in flight.\n\n\
             | check | server | p50 | p90 | p99 | p99.9 | sent late, p99 |\n|---|---|---|---|---|---|---|"
        )?;
        for case::Result { case, series, .. } in &self.latency {
            for (server, name) in [(TREE, "modgud"), (RIVAL, "empty server")] {
                write_latency_row(out, &format!("{}, {} | {name}", case.kind, case.pace), series, server)?;
            }
        }
        let Reloads { case, series, completed } = &self.reloads;
        let (interval, rules) = (RELOAD_INTERVAL.as_millis(), thousands(RULES));
        for (server, name) in [(STEADY, String::new()), (RELOADING, format!(", SIGHUP every {interval} ms"))] {
            let name = format!("{}, {}, {rules} rules{name} | modgud", case.kind, case.pace);
            write_latency_row(out, &name, series, server)?;
        }
        let p99 = ratio(series, RELOADING, STEADY, p99);
        writeln!(
            out,
            "\np99 with reloads ÷ p99 without: {p99:.2}. modgud completed {completed:.0} reloads in a round.\n"
        )
    }

    fn write_gateway(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "### Through Envoy\n")?;
        let Some(Gateway { cpu, pace, latency }) = &self.gateway else {
            return writeln!(out, "**LEFT OUT: this run had no Envoy (`--envoy PROGRAM`).**\n");
        };
        writeln!(
            out,
            "One request through a real Envoy with one worker: {TOKENS} tokens in turn, {CONNECTIONS} connections, one request in flight on \
             each. CPU time in µs. Latency in µs at a fixed rate, {pace}.\n\n\
             | Envoy with | Envoy and server | of it the server | more than Envoy alone | requests/s | p50 | p99 |\n\
             |---|---|---|---|---|---|---|"
        )?;
        for (filter, name) in FILTERS.iter().enumerate() {
            let more = cpu.of_round(|samples| cost(&samples[filter]) - cost(&samples[ALONE]));
            let server = |sample: &Sample| sample.nanos.iter().skip(1).sum::<u64>() as f64 / 1e3 / sample.checks as f64;
            writeln!(
                out,
                "| {name} | {:.1} | {:.1} | {more:.1} | {:.0} | {:.0} | {:.0} |",
                cpu.spread(filter, cost),
                cpu.spread(filter, server).median,
                cpu.spread(filter, rate).median,
                latency.spread(filter, p50),
                latency.spread(filter, p99),
            )?;
        }
        writeln!(out)
    }

    fn write_growth(&self, out: &mut String) -> fmt::Result {
        let Tokens { count, series, resident_mib } = &self.tokens;
        let count = thousands(*count);
        writeln!(
            out,
            "### Rules and tokens\n\nCPU time of modgud for one check of a known token in µs, with 32 in flight.\n\n\
             | many | with many | with one | ratio |\n|---|---|---|---|"
        )?;
        for (name, series) in
            [(format!("{} rules", thousands(RULES)), &self.rules), (format!("{count} tokens in turn (HS256)"), series)]
        {
            writeln!(
                out,
                "| {name} | {:.1} | {:.1} | {:.2} |",
                series.spread(MANY, cost),
                series.spread(ONE, cost),
                ratio(series, MANY, ONE, cost)
            )?;
        }
        writeln!(out, "\nResident memory with {count} tokens cached: {resident_mib:.0} MiB.\n")?;
        writeln!(
            out,
            "One decision without network and gRPC, on a known token, in ns. Each request of a round has another rule.\n\n\
             | rules | the decision | of it: rule selection | the decision ÷ that with the least rules |\n|---|---|---|---|"
        )?;
        for Decision { rules, whole, selection, ratio } in &self.decisions {
            let rules = thousands(*rules);
            writeln!(out, "| {rules} | {whole:.0} | {selection:.0} | {ratio:.2} |")?;
        }
        writeln!(out)
    }

    /// Writes reasons to doubt the figures.
    fn write_doubts(&self, out: &mut String) -> fmt::Result {
        let gateway = self.gateway.iter().flat_map(|Gateway { cpu, latency, .. }| [cpu, latency]);
        let results = || self.cases.iter().chain(&self.latency);
        let all =
            results().map(|result| &result.series).chain([&self.rules, &self.tokens.series, &self.reloads.series]);
        let others = Spread::of(all.chain(gateway).flat_map(Series::samples).map(others_share));
        writeln!(out, "\nOther processes used {others:.0} % of the machine (median of all rounds, least–most).")?;
        if others.median > MAX_OTHERS_SHARE {
            writeln!(out, "\n**Doubt:** that is too much; run this again when the machine is quiet.")?;
        }
        for case::Result { case, series, .. } in results() {
            if matches!(case.pace, Pace::InFlight(_)) && series.spread(TREE, load_share).median > 90.0 * cores() {
                writeln!(out, "\n**Doubt:** {case}: the load was the bottleneck; checks/s is what it can send.")?;
            }
            let late = series.spread(TREE, |sample| sample.late.p99 as f64 / 1e3).median;
            if late > 500.0 {
                writeln!(
                    out,
                    "\n**Doubt:** {case}: the load itself was late, by {late:.0} µs in one check of a hundred."
                )?;
            }
        }
        if self.reloads.completed.median < 1.0 {
            writeln!(out, "\n**Doubt:** modgud completed no reload, so the latency beside reloads means nothing.")?;
        }
        if cfg!(debug_assertions) {
            writeln!(out, "\n**Doubt:** this build is not optimised; its figures mean nothing.")?;
        }
        Ok(())
    }

    /// Returns the chart.
    pub(crate) fn svg(&self) -> Result<String, fmt::Error> {
        let many = self.cases.iter().filter(|one| one.case.pace.is_concurrent());
        let checks = many.map(|case::Result { case, series, .. }| Bar {
            label: match (case.connections, case.transport) {
                (1, case::Transport::Plaintext) => format!("{}, {}", case.kind, case.response_name()),
                (1, transport) => format!("{}, {transport}", case.kind),
                (connections, _) => format!("{}, {connections} connections", case.kind),
            },
            figures: vec![series.spread(TREE, cost), series.spread(RIVAL, cost)],
        });
        let mut panels = vec![Panel {
            title: "CPU time of the server for one check, 32 in flight, in µs",
            legend: vec!["modgud", "empty server"],
            bars: checks.collect(),
        }];
        if let Some(Gateway { cpu, .. }) = &self.gateway {
            let bars = FILTERS
                .iter()
                .enumerate()
                .map(|(filter, name)| Bar { label: name.replace('`', ""), figures: vec![cpu.spread(filter, cost)] });
            let title = "CPU time of Envoy and server for one request, in µs: Envoy with …";
            panels.push(Panel { title, legend: Vec::new(), bars: bars.collect() });
        }
        chart::svg("The cost of a check with modgud", &panels)
    }
}

fn write_latency_row(out: &mut String, name: &str, series: &Series, server: usize) -> fmt::Result {
    let micros = |of: fn(&Sample) -> u64| series.spread(server, |sample| of(sample) as f64 / 1e3);
    writeln!(
        out,
        "| {name} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
        micros(|sample| sample.latency.p50),
        micros(|sample| sample.latency.p90),
        micros(|sample| sample.latency.p99),
        micros(|sample| sample.latency.p999),
        micros(|sample| sample.late.p99),
    )
}

pub(crate) fn ratio(series: &Series, server: usize, rival: usize, figure: impl Fn(&Sample) -> f64) -> Spread {
    Spread::of(series.ratios(server, rival, figure))
}

/// Returns the median of a sample's latency, in µs.
pub(crate) fn p50(sample: &Sample) -> f64 {
    sample.latency.p50 as f64 / 1e3
}

/// Returns the 99th percentile of a sample's latency, in µs.
pub(crate) fn p99(sample: &Sample) -> f64 {
    sample.latency.p99 as f64 / 1e3
}

/// Returns the load's share of one core, in percent.
fn load_share(sample: &Sample) -> f64 {
    sample.load_nanos as f64 / 1e7 / sample.seconds
}

/// Returns the share of the machine that other processes used, in percent.
pub(crate) fn others_share(sample: &Sample) -> f64 {
    sample.others_nanos as f64 / 1e7 / sample.seconds / cores()
}

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}
