//! The schedule of fetches: after the operator's interval, or sooner after a failure. It has jitter, so that sidecars
//! that start together don't stay synchronized.

use std::time::Duration;

/// The first delay after a failure.
const INITIAL_DELAY: Duration = Duration::from_secs(1);
/// Number of jitter steps, a tenth of a percent apart: from 10 % shorter to 10 % longer.
const STEPS: u32 = 201;

/// The schedule of fetches from one provider.
#[derive(Debug)]
pub(super) struct Schedule {
    refresh: Duration,
    /// The delay after the next failure.
    retry: Duration,
}

impl Schedule {
    pub(super) fn new(refresh: Duration) -> Self {
        Self { refresh, retry: INITIAL_DELAY.min(refresh) }
    }

    /// Returns the delay after a success.
    pub(super) fn after_success(&mut self, chance: u32) -> Duration {
        self.retry = INITIAL_DELAY.min(self.refresh);
        spread(self.refresh, chance)
    }

    /// Returns the delay after a failure: doubled each time, up to the refresh interval.
    pub(super) fn after_failure(&mut self, chance: u32) -> Duration {
        let wait = self.retry;
        self.retry = wait.saturating_mul(2).min(self.refresh);
        spread(wait, chance)
    }
}

/// Adds jitter of up to 10 % in both directions.
fn spread(wait: Duration, chance: u32) -> Duration {
    // 900 to 1100 thousandths.
    let thousandths = 900_u32.saturating_add(chance.checked_rem(STEPS).unwrap_or_default());
    wait.saturating_mul(thousandths).checked_div(1_000).unwrap_or(wait)
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use std::time::Duration;

    /// The random number without effect on a delay.
    const MIDDLE: u32 = 100;

    #[test]
    fn failures_are_retried_after_twice_the_time_up_to_the_usual_one() {
        let mut schedule = Schedule::new(Duration::from_secs(10));
        let seconds = |wait: Duration| wait.as_secs();
        let waits: Vec<u64> = (0..6).map(|_| seconds(schedule.after_failure(MIDDLE))).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(seconds(schedule.after_success(MIDDLE)), 10);
        assert_eq!(seconds(schedule.after_failure(MIDDLE)), 1, "one success and it begins anew");
        let mut short = Schedule::new(Duration::from_millis(50));
        assert_eq!(short.after_failure(MIDDLE), Duration::from_millis(50));
    }

    #[test]
    fn waits_are_spread_by_a_tenth() {
        let mut schedule = Schedule::new(Duration::from_secs(100));
        let waits: Vec<u128> = (0..=200).map(|chance| schedule.after_success(chance).as_millis()).collect();
        assert_eq!((waits.iter().min(), waits.iter().max()), (Some(&90_000), Some(&110_000)));
        let again = schedule.after_success(u32::MAX).as_millis();
        assert!((90_000..=110_000).contains(&again));
    }
}
