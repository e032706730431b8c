//! Exponential backoff, and jitter, so that sidecars that start together don't stay synchronized.

use std::time::Duration;

/// The first delay.
const INITIAL_DELAY: Duration = Duration::from_secs(1);
/// Number of jitter steps, a tenth of a percent apart: from 10 % shorter to 10 % longer.
const STEPS: u32 = 201;

/// A delay that doubles up to a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    delay: Duration,
    max: Duration,
}

impl Backoff {
    /// Creates a backoff that starts at one second, or at `max` if that is shorter.
    pub(crate) fn new(max: Duration) -> Self {
        Self { delay: INITIAL_DELAY.min(max), max }
    }

    /// Returns the present delay.
    pub(crate) const fn delay(self) -> Duration {
        self.delay
    }

    /// Returns a backoff with twice this delay, up to the maximum.
    pub(crate) fn doubled(self) -> Self {
        Self { delay: self.delay.saturating_mul(2).min(self.max), ..self }
    }
}

/// Adds random jitter of up to 10 % in both directions.
pub(crate) fn with_jitter(delay: Duration) -> Duration {
    spread(delay, random_u32())
}

fn spread(delay: Duration, random: u32) -> Duration {
    // 900 to 1100 thousandths.
    let thousandths = 900_u32.saturating_add(random.checked_rem(STEPS).unwrap_or_default());
    delay.saturating_mul(thousandths).checked_div(1_000).unwrap_or(delay)
}

/// Returns a random number, which differs between sidecars.
fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    // On failure it is zero: delays are then the shortest, which does no harm.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Backoff, spread, with_jitter};
    use std::iter::successors;
    use std::time::Duration;

    #[test]
    fn the_delay_doubles_up_to_the_maximum() {
        let delays = |max| successors(Some(Backoff::new(max)), |last| Some(last.doubled())).map(Backoff::delay).take(6);
        let seconds: Vec<u64> = delays(Duration::from_secs(10)).map(|delay| delay.as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 10, 10]);
        let short = Duration::from_millis(50);
        assert!(delays(short).all(|delay| delay == short));
    }

    #[test]
    fn jitter_is_a_tenth_in_both_directions() {
        let delay = Duration::from_secs(100);
        let delays: Vec<u128> = (0..=200).map(|random| spread(delay, random).as_millis()).collect();
        assert_eq!((delays.iter().min(), delays.iter().max()), (Some(&90_000), Some(&110_000)));
        for delay in [spread(delay, u32::MAX), with_jitter(delay)] {
            assert!((90_000..=110_000).contains(&delay.as_millis()));
        }
    }
}
