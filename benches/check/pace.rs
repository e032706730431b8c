//! The two ways in which checks follow each other.
//!
//! With a fixed number of checks in flight, the next is sent when one is answered: this keeps the server busy, and tells CPU
//! time per check. At a fixed rate, checks are sent when their time has come, whether or not others are answered, and latency
//! is counted from that time: a server that stalls is charged for all that should have been sent meanwhile.

use super::Outcome;
use super::wire::{Asking, Event, Listening};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How checks follow each other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many at a time.
    InFlight(usize),
    /// So many in a second.
    PerSecond(f64),
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFlight(count) => write!(f, "{count} in flight"),
            Self::PerSecond(rate) => write!(f, "{rate}/s"),
        }
    }
}

impl std::str::FromStr for Pace {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_suffix("/s") {
            Some(rate) => Ok(Self::PerSecond(rate.parse()?)),
            None => Ok(Self::InFlight(text.strip_suffix(" in flight").unwrap_or(text).parse()?)),
        }
    }
}

/// The answer that was looked at. Other tokens are forwarded in other answers, but all are of one length, and begin alike with
/// the status, which is what Envoy goes by.
pub(crate) struct Expected(pub(crate) Vec<u8>);

impl Expected {
    fn check(&self, frame: &[u8]) -> bool {
        const HEAD: usize = 16;
        frame.get(5..).is_some_and(|message| message.len() == self.0.len() && message[..HEAD] == self.0[..HEAD])
    }
}

/// Sends until there is no next one, so many at a time, and gives back how many were answered.
pub(crate) fn in_turn<'a>(
    asking: &mut Asking,
    listening: &mut Listening,
    expected: &Expected,
    width: usize,
    mut next: impl FnMut() -> Option<&'a Vec<u8>>,
) -> Outcome<usize> {
    let (mut waiting, mut sent, mut ended, mut good) = (next(), 0, 0, 0);
    while waiting.is_some() || ended < sent {
        while let Some(message) = waiting.filter(|message| sent - ended < width && asking.may_ask(message)) {
            asking.ask(message);
            sent += 1;
            waiting = next();
        }
        asking.flush()?;
        listening.listen(|event| match event {
            Event::Message(frame) => good += usize::from(expected.check(frame)),
            Event::End(_) => ended += 1,
        })?;
    }
    if good == sent { Ok(sent) } else { Err(format!("{} answers of {sent} were not as expected", sent - good).into()) }
}

/// When checks are due.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) start: Instant,
    pub(crate) interval: Duration,
}

impl Schedule {
    fn due(&self, number: u32) -> Instant {
        self.start + self.interval * number
    }
}

/// Sends each check when it is due, and gives back, in nanoseconds, how long after that it was answered and how long after that
/// it was sent.
pub(crate) fn on_schedule(
    mut asking: Asking,
    listening: &mut Listening,
    expected: &Expected,
    schedule: &Schedule,
    requests: &[Vec<u8>],
    count: usize,
) -> Outcome<(Vec<u64>, Vec<u64>)> {
    let before = asking.calls();
    let since = |due: Instant| u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let given_up = AtomicBool::new(false);
    let given_up = &given_up;
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || -> Result<Vec<u64>, String> {
            let mut late = Vec::with_capacity(count);
            for (number, message) in (0..).zip(requests.iter().cycle().take(count)) {
                let due = schedule.due(number);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                while !asking.may_ask(message) {
                    if given_up.load(Ordering::Relaxed) {
                        return Err("the other half gave up".to_owned());
                    }
                    std::thread::sleep(Duration::from_micros(50));
                }
                late.push(since(due));
                asking.ask(message);
                asking.flush().map_err(|error| error.to_string())?;
            }
            Ok(late)
        });
        let (mut latency, mut good) = (Vec::with_capacity(count), 0);
        while latency.len() < count {
            let heard = listening.listen(|event| match event {
                Event::Message(frame) => good += usize::from(expected.check(frame)),
                Event::End(call) => latency.push(since(schedule.due(call - before))),
            });
            if let Err(error) = heard {
                given_up.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        let late = sender.join().map_err(|_| "the sending thread failed")??;
        if good == count { Ok((latency, late)) } else { Err("an answer was not as expected".into()) }
    })
}
