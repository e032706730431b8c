//! The two paces of checks.
//!
//! With a fixed number of checks in flight, each response triggers the next check. This keeps the server busy, and
//! measures CPU time per check. At a fixed rate, checks are sent at their due time, even if earlier ones are
//! unanswered. Latency counts from that time: a stalled server is charged for all checks due meanwhile.

use super::Outcome;
use super::wire::{Asking, Event, Listening};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The pace of checks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// This many checks in flight.
    InFlight(usize),
    /// This many checks per second.
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

impl Pace {
    /// Returns true if several checks are in flight at once.
    pub(crate) const fn is_concurrent(self) -> bool {
        matches!(self, Self::InFlight(2..))
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

/// The expected response. Responses to other tokens differ, but have the same length and begin with the same status,
/// which decides for Envoy.
pub(crate) struct Expected(pub(crate) Vec<u8>);

impl Expected {
    fn check(&self, frame: &[u8]) -> bool {
        const HEAD: usize = 16;
        frame.get(5..).is_some_and(|message| message.len() == self.0.len() && message[..HEAD] == self.0[..HEAD])
    }
}

/// Sends checks until none is left, `width` at a time. Returns the number of responses.
pub(crate) fn in_turn<'a>(
    asking: &mut Asking,
    listening: &mut Listening,
    expected: &Expected,
    width: usize,
    mut next: impl FnMut() -> Option<&'a [u8]>,
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
    if good == sent {
        Ok(sent)
    } else {
        Err(format!("{} responses of {sent} were not as expected", sent - good).into())
    }
}

/// The due times of checks.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) start: Instant,
    pub(crate) interval: Duration,
}

impl Schedule {
    fn due(&self, number: u32) -> Instant {
        self.start + self.interval * number
    }

    /// Sleeps until a check is due.
    pub(crate) fn wait(&self, number: u32) {
        std::thread::sleep(self.due(number).saturating_duration_since(Instant::now()));
    }

    /// Returns the nanoseconds since a check was due.
    pub(crate) fn since(&self, number: u32) -> u64 {
        u64::try_from(self.due(number).elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Sends each of `count` checks when it is due. Returns, in nanoseconds after that time, when it was answered and when it
/// was sent.
pub(crate) fn on_schedule<'a>(
    asking: &mut Asking,
    listening: &mut Listening,
    expected: &Expected,
    schedule: Schedule,
    messages: impl Iterator<Item = &'a [u8]> + Send,
    count: usize,
) -> Outcome<(Vec<u64>, Vec<u64>)> {
    let before = asking.calls();
    let given_up = AtomicBool::new(false);
    let given_up = &given_up;
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || -> Result<Vec<u64>, String> {
            let mut late = Vec::with_capacity(count);
            for (number, message) in (0..).zip(messages) {
                schedule.wait(number);
                while !asking.may_ask(message) {
                    if given_up.load(Ordering::Relaxed) {
                        return Err("the other half gave up".to_owned());
                    }
                    std::thread::sleep(Duration::from_micros(50));
                }
                late.push(schedule.since(number));
                asking.ask(message);
                asking.flush().map_err(|error| error.to_string())?;
            }
            Ok(late)
        });
        let (mut latency, mut good) = (Vec::with_capacity(count), 0);
        while latency.len() < count {
            let heard = listening.listen(|event| match event {
                Event::Message(frame) => good += usize::from(expected.check(frame)),
                Event::End(call) => latency.push(schedule.since(call - before)),
            });
            if let Err(error) = heard {
                given_up.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        let late = sender.join().map_err(|_| "the sending thread failed")??;
        if good == count { Ok((latency, late)) } else { Err("a response was not as expected".into()) }
    })
}
