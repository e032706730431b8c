//! A request for whose outcome several callers wait. The caller's policy decides who starts one: `jwks` limits the rate, `introspection` the
//! number.

use tokio::sync::watch;

/// A request in flight. If it is dropped without an outcome, its waiters get `None`.
#[derive(Debug)]
pub(crate) struct Flight<T>(watch::Sender<Option<T>>);

/// A receiver of a request's outcome.
#[derive(Debug, Clone)]
pub(crate) struct Waiter<T>(watch::Receiver<Option<T>>);

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl<T: Clone> Flight<T> {
    /// Returns a receiver of the outcome.
    pub(crate) fn waiter(&self) -> Waiter<T> {
        Waiter(self.0.subscribe())
    }

    /// Sends the outcome to all waiters.
    pub(crate) fn end(&self, outcome: T) {
        self.0.send_replace(Some(outcome));
    }
}

impl<T: Clone> Waiter<T> {
    /// Waits for the outcome; `None` if there will be none.
    pub(crate) async fn outcome(mut self) -> Option<T> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Flight;

    #[tokio::test]
    async fn every_waiter_gets_the_outcome_or_learns_that_there_is_none() {
        let flight = Flight::default();
        let (early, late) = (flight.waiter(), flight.waiter());
        flight.end(7);
        let after = flight.waiter();
        drop(flight);
        assert_eq!((early.outcome().await, late.outcome().await, after.outcome().await), (Some(7), Some(7), Some(7)));
        let aborted = Flight::<u8>::default().waiter();
        assert_eq!(aborted.outcome().await, None);
    }
}
