//! Rounds in which several servers are measured one right after the other, and the progress of a run.

use super::Outcome;
use super::load::Sample;
use super::stats::Spread;
use std::io::{IsTerminal, Write};

/// Number and duration of a case's rounds, in seconds. A round of unknown tokens ends when they are used up.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) seconds: f64,
    /// Warm-up of a server before its clock starts.
    pub(crate) warm: f64,
}

/// The samples of all rounds: in each, one of every server. Ratios are those of two samples of one round.
pub(crate) struct Series(Vec<Vec<Sample>>);

impl Series {
    /// Measures every server in each round. The order rotates, so that each is first equally often.
    pub(crate) fn measure(
        rounds: usize,
        servers: usize,
        progress: &Progress,
        mut sample: impl FnMut(usize) -> Outcome<Sample>,
    ) -> Outcome<Self> {
        let mut series = Vec::new();
        for round in 0..rounds {
            progress.round(round, rounds);
            let mut samples = Vec::new();
            for turn in 0..servers {
                let server = (turn + round) % servers;
                samples.push((server, sample(server)?));
            }
            samples.sort_by_key(|(server, _)| *server);
            series.push(samples.into_iter().map(|(_, sample)| sample).collect());
        }
        Ok(Self(series))
    }

    /// Returns one figure of a server over the rounds.
    pub(crate) fn spread(&self, server: usize, figure: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.0.iter().map(|samples| figure(&samples[server])))
    }

    /// Returns a figure that is computed from a whole round.
    pub(crate) fn of_round(&self, figure: impl Fn(&[Sample]) -> f64) -> Spread {
        Spread::of(self.0.iter().map(|samples| figure(samples)))
    }

    /// Returns the ratios of one figure of two servers, one for each round.
    pub(crate) fn ratios(
        &self,
        server: usize,
        rival: usize,
        figure: impl Fn(&Sample) -> f64,
    ) -> impl Iterator<Item = f64> {
        self.0.iter().map(move |samples| figure(&samples[server]) / figure(&samples[rival]))
    }

    /// Returns every sample.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter().flatten()
    }
}

/// The progress on standard error: one line that changes on a terminal, else one line for each part.
pub(crate) struct Progress {
    part: usize,
    parts: usize,
    name: String,
    is_terminal: bool,
}

impl Progress {
    pub(crate) fn new(parts: usize) -> Self {
        Self { part: 0, parts, name: String::new(), is_terminal: std::io::stderr().is_terminal() }
    }

    /// Starts the next part.
    pub(crate) fn part(&mut self, name: &str) {
        self.part += 1;
        name.clone_into(&mut self.name);
        if self.is_terminal {
            self.show("");
        } else {
            eprintln!("[{}/{}] {name}", self.part, self.parts);
        }
    }

    fn round(&self, round: usize, rounds: usize) {
        if self.is_terminal {
            self.show(&format!(", round {} of {rounds}", round + 1));
        }
    }

    fn show(&self, round: &str) {
        eprint!("\r\x1b[K[{}/{}] {}{round} ", self.part, self.parts, self.name);
        let _ = std::io::stderr().flush();
    }

    /// Removes the line from a terminal.
    pub(crate) fn end(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
