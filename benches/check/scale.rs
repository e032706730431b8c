//! What a check costs beside a reload of many rules, and with more tokens than one cache line: each with this tree's program, and with that
//! of another revision in turn.

use super::load::{Load, Sample};
use super::pace::Pace;
use super::process::{MODGUD, Server, resident_mib};
use super::report::{cost, machine, others_share};
use super::requests::{Answer, Folder, Kind, check, write};
use super::stats::{Interval, Spread};
use super::{Outcome, tokens};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Number of rules of the configuration that is reloaded.
const RULES: usize = 10_000;
/// Time between two reloads: a load takes a fraction of it.
const RELOAD_INTERVAL: Duration = Duration::from_millis(500);

/// The settings of a run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Another program to measure in turn
    #[arg(long, value_name = "PROGRAM")]
    base: Option<PathBuf>,
    /// Number of rounds
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Checks per second beside reloads
    #[arg(long, default_value = "10000/s")]
    pace: Pace,
    /// Numbers of tokens in turn; the memory is that after the last one
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000])]
    tokens: Vec<usize>,
    /// `server.token_cache`, for programs that have the key
    #[arg(long)]
    token_cache: Option<String>,
    /// Skip the reloads
    #[arg(long)]
    no_reloads: bool,
}

pub(crate) fn run(args: &Args) -> Outcome<()> {
    let programs: Vec<(&str, &Path)> = [("this tree", Some(Path::new(MODGUD))), ("base", args.base.as_deref())]
        .into_iter()
        .filter_map(|(name, path)| Some((name, path?)))
        .collect();
    println!("{}, {} rounds; median (least–most)\n", machine(), args.rounds);
    if !args.no_reloads {
        reloads(&programs, args)?;
    }
    working_sets(&programs, args)
}

fn reloads(programs: &[(&str, &Path)], args: &Args) -> Outcome<()> {
    let folder = Folder::new(1)?;
    let config = folder.path().join("modgud.yaml");
    let mut yaml = "profile: bifrost\nrules:\n".to_owned();
    for number in 0..RULES {
        let service = number % 97;
        writeln!(
            yaml,
            "- {{name: r{number}, match: {{paths: [\"/s{service}/resource{number}/{{id}}\"]}}, require: {{scopes: [read]}}}}"
        )?;
    }
    std::fs::write(&config, yaml)?;
    let mut samples: Vec<[Vec<Sample>; 2]> = programs.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    let answers: Vec<Answer> =
        programs.iter().map(|(_, program)| folder.answer(Kind::Known, program)).collect::<Result<_, _>>()?;
    for round in 0..args.rounds {
        for turn in 0..programs.len() * 2 {
            let (at, with) = ((turn / 2 + round) % programs.len(), (turn + round) % 2);
            let server = Server::configured(programs[at].1, &folder, &config)?;
            let load = Load {
                server: server.address,
                pid: server.pid(),
                warm_up: folder.warm_up(Kind::Known),
                requests: folder.requests(Kind::Known),
                answer: answers[at].file.to_path_buf(),
                once: false,
                warm: 0.3,
                seconds: 4.0,
                pace: args.pace,
            };
            let (stop, stopped) = channel::<()>();
            let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
            let reloading = std::thread::spawn(move || {
                while with == 1 && stopped.recv_timeout(RELOAD_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    let _ = kill_process(pid, Signal::HUP);
                }
            });
            let sample = load.start();
            drop(stop);
            reloading.join().map_err(|_| "the reloads failed")?;
            samples[at][with].push(sample?);
        }
    }
    println!(
        "Latency in µs at {}, with {RULES} rules, and a reload every {} ms\n",
        args.pace,
        RELOAD_INTERVAL.as_millis()
    );
    println!(
        "| program | p50 | p99 | p99.9 | p50 beside reloads | p99 beside reloads | p99.9 beside reloads | p99 ÷ p99 | others |\n|---|---|---|---|---|---|---|---|---|"
    );
    for ((name, _), [without, with]) in programs.iter().zip(&samples) {
        let spread =
            |samples: &[Sample], of: fn(&Sample) -> u64| Spread::of(samples.iter().map(|one| of(one) as f64 / 1e3));
        let figures = |samples: &[Sample]| {
            format!(
                "{:.0} | {:.0} | {:.0}",
                spread(samples, |one| one.latency.p50),
                spread(samples, |one| one.latency.p99),
                spread(samples, |one| one.latency.p999)
            )
        };
        let ratio = Spread::of(
            with.iter().zip(without).map(|(with, without)| with.latency.p99 as f64 / without.latency.p99 as f64),
        );
        let others = Spread::of(with.iter().chain(without).map(others_share));
        println!("| {name} | {} | {} | {ratio:.2} | {others:.0} % |", figures(without), figures(with));
    }
    println!();
    Ok(())
}

fn working_sets(programs: &[(&str, &Path)], args: &Args) -> Outcome<()> {
    let folder = Folder::new(1)?;
    println!(
        "| tokens in turn | program | CPU, µs a check | checks/s | resident, MiB | ÷ the last program | others |\n|---|---|---|---|---|---|---|"
    );
    for count in &args.tokens {
        let file = folder.path().join("many.checks");
        write(&file, tokens::by_secret(*count)?.iter().map(|token| check(Some(token))))?;
        let mut figures: Vec<Vec<(Sample, f64)>> = programs.iter().map(|_| Vec::new()).collect();
        for round in 0..args.rounds {
            for turn in 0..programs.len() {
                let at = (turn + round) % programs.len();
                let config = folder.path().join("secret.yaml");
                let cache = args
                    .token_cache
                    .as_ref()
                    .filter(|_| at == 0)
                    .map(|size| format!("server: {{ token_cache: {size} }}\n"));
                std::fs::write(&config, tokens::SECRET_CONFIG.to_owned() + &cache.unwrap_or_default())?;
                let server = Server::configured(programs[at].1, &folder, &config)?;
                let answer = folder.answer_of(&server, &file)?;
                let sample = Load {
                    server: server.address,
                    pid: server.pid(),
                    warm_up: file.clone(),
                    requests: file.clone(),
                    answer: answer.file.to_path_buf(),
                    once: false,
                    warm: 0.1,
                    seconds: 2.0,
                    pace: Pace::InFlight(32),
                }
                .start()?;
                figures[at].push((sample, resident_mib(server.pid())?));
            }
        }
        for ((name, _), own) in programs.iter().zip(&figures) {
            let last = figures.last().ok_or("there is no program")?;
            let spread = |of: fn(&(Sample, f64)) -> f64| Spread::of(own.iter().map(of));
            let ratio = Interval::of(own.iter().zip(last).map(|((one, _), (other, _))| cost(one) / cost(other)));
            println!(
                "| {count} | {name} | {:.2} | {:.0} | {:.0} | {:.3} ({:.3}–{:.3}) | {:.0} % |",
                spread(|(sample, _)| cost(sample)),
                spread(|(sample, _)| sample.checks as f64 / sample.seconds),
                spread(|(_, resident)| *resident),
                ratio.median,
                ratio.low,
                ratio.high,
                spread(|(sample, _)| others_share(sample)),
            );
        }
    }
    Ok(())
}
