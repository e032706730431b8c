//! Costs that must not grow: with the number of rules, with the number of cached tokens, and while modgud reloads.

use super::case::{Case, KNOWN, half_of};
use super::load::Load;
use super::process::{MODGUD, Server, resident_mib};
use super::requests::{Folder, HEADERS, check_with, write};
use super::series::{Progress, Rounds, Series};
use super::stats::Spread;
use super::{Outcome, tokens};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use tempfile::TempPath;

/// Number of rules of a large configuration.
pub(crate) const RULES: usize = 10_000;
/// Time between two reloads: a load takes a fraction of it.
pub(crate) const RELOAD_INTERVAL: Duration = Duration::from_millis(500);

/// The servers of these series.
pub(crate) const MANY: usize = 0;
pub(crate) const ONE: usize = 1;
pub(crate) const RELOADING: usize = 0;
pub(crate) const STEADY: usize = 1;

/// Writes a configuration with this number of rules. The first one decides the checks; without it they are denied.
fn rules(folder: &Folder, count: usize) -> Outcome<TempPath> {
    let mut yaml = "profile: bifrost\nfallback: denied\nrules:\n".to_owned();
    for number in 0..count {
        let path = if number == 0 {
            "/crm/appointment".to_owned()
        } else {
            format!("/s{}/resource{number}/{{id}}", number % 97)
        };
        writeln!(yaml, "- {{name: r{number}, match: {{paths: [\"{path}\"]}}, require: {{scopes: [read]}}}}")?;
    }
    folder.configuration(&yaml)
}

/// Measures CPU time with many rules and with one.
pub(crate) fn many_rules(folder: &Folder, rounds: Rounds, progress: &mut Progress) -> Outcome<Series> {
    progress.part(&format!("{RULES} rules and one"));
    let configs = [rules(folder, RULES)?, rules(folder, 1)?];
    let response = folder.response(KNOWN, Path::new(MODGUD), &configs[ONE])?;
    Series::measure(rounds.count, configs.len(), progress, |server| {
        let server = Server::modgud(Path::new(MODGUD), folder, &configs[server])?;
        KNOWN.load(&server, folder, &response.file, rounds).start()
    })
}

/// The result of [`many_tokens`].
pub(crate) struct Tokens {
    pub(crate) count: usize,
    pub(crate) series: Series,
    /// Resident memory with all of them cached, in MiB.
    pub(crate) resident_mib: f64,
}

/// Measures CPU time with many tokens in turn and with one. Each server runs through all rounds, because it takes half a
/// minute until it has seen every token.
pub(crate) fn many_tokens(folder: &Folder, count: usize, rounds: Rounds, progress: &mut Progress) -> Outcome<Tokens> {
    progress.part(&format!("{count} tokens and one"));
    let config = folder.configuration(&format!("{}server: {{ token_cache: 600MiB }}\n", tokens::SECRET_CONFIG))?;
    let signed = tokens::by_secret(count)?;
    let files = [MANY, ONE].map(|server| folder.path().join(format!("tokens{server}.checks")));
    // Few headers, because all checks have to fit into memory.
    let message = |token: &String| check_with(&HEADERS[..4], Some(token));
    write(&files[MANY], signed.iter().map(message))?;
    write(&files[ONE], signed.first().map(message))?;
    drop(signed);
    let start = || Server::modgud(Path::new(MODGUD), folder, &config);
    let servers = [start()?, start()?];
    let response = folder.record(&servers[ONE], None, &files[ONE], true)?;
    let load = |server: usize, warm_up: usize, rounds: Rounds| {
        Load {
            server: servers[server].address,
            pid: vec![servers[server].pid()],
            warm_up: files[warm_up].clone(),
            requests: files[server].clone(),
            response: Some(response.file.to_path_buf()),
            connections: 1,
            certificate: None,
            once: false,
            warm: rounds.warm,
            seconds: rounds.seconds,
            pace: KNOWN.pace,
        }
        .start()
    };
    load(MANY, MANY, Rounds { seconds: 0.0, ..rounds })?;
    let series = Series::measure(rounds.count, servers.len(), progress, |server| load(server, ONE, rounds))?;
    let resident_mib = resident_mib(servers[MANY].pid())?;
    std::fs::remove_file(&files[MANY])?;
    Ok(Tokens { count, series, resident_mib })
}

/// The result of [`reloads`].
pub(crate) struct Reloads {
    pub(crate) case: Case,
    pub(crate) series: Series,
    /// Number of reloads that modgud completed in a round.
    pub(crate) completed: Spread,
}

/// Measures latency with many rules, with and without reloads, at half of a throughput.
pub(crate) fn reloads(folder: &Folder, capacity: f64, rounds: Rounds, progress: &mut Progress) -> Outcome<Reloads> {
    progress.part(&format!("reloads of {RULES} rules"));
    let case = Case { pace: half_of(capacity), ..KNOWN };
    let config = rules(folder, RULES)?;
    let response = folder.response(case, Path::new(MODGUD), &config)?;
    let mut completed = Vec::new();
    let series = Series::measure(rounds.count, 2, progress, |turn| {
        let server = Server::modgud(Path::new(MODGUD), folder, &config)?;
        let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
        let (stop, stopped) = channel::<()>();
        let reloading = std::thread::spawn(move || {
            while turn == RELOADING && stopped.recv_timeout(RELOAD_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::HUP);
            }
        });
        let sample = case.load(&server, folder, &response.file, rounds).start();
        drop(stop);
        reloading.join().map_err(|_| "the reloads failed")?;
        if turn == RELOADING {
            completed.push(server.reloads()?);
        }
        sample
    })?;
    Ok(Reloads { case, series, completed: Spread::of(completed) })
}
