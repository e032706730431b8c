//! The places for connections of one listener: how many there are, who has one, and who gives way to a newcomer when all are taken.
//! A connection that has carried a check does not; so strangers who only hold connections, or ask about health, can't keep Envoy out.

#[cfg(test)]
mod tests;

use super::limits::Limits;
use crate::telemetry::metrics::{Closed, Closing};
use prometheus_client::metrics::gauge::Gauge;
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

/// How long ago the last call was of a connection that gives way although it has carried a check. While there is room, a connection may be
/// idle for as long as it likes: closed in the moment in which Envoy takes it up again, it would be a gRPC error.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a connection must have held unread responses before it is closed for the sake of others. Envoy may be slow for a moment.
const UNREAD_FOR: Duration = Duration::from_secs(2);

/// The places of a listener.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    free: Arc<Semaphore>,
    taken: Taken,
    /// The number of the next connection.
    next: u64,
    open: Gauge,
    closed: Closed,
}

/// Who has a place, by number: the oldest first.
type Taken = Arc<Mutex<BTreeMap<u64, Holder>>>;

/// One who has a place.
#[derive(Debug)]
struct Holder {
    calls: Calls,
    /// Gone once it was told to give way.
    give_way: Option<oneshot::Sender<()>>,
}

impl ConnectionSlots {
    /// So many places; how many are taken is told by `open`, and how many connections were closed by `closed`.
    pub(super) fn new(most: usize, open: Gauge, closed: Closed) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), taken: Taken::default(), next: 0, open, closed }
    }

    /// A place, if there is one.
    pub(super) fn try_take(&mut self) -> Option<Slot> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(|permit| self.give(permit))
    }

    /// A place, once there is one. Can be given up at any time.
    pub(super) async fn take(&mut self) -> Slot {
        match Arc::clone(&self.free).acquire_owned().await {
            Ok(permit) => self.give(permit),
            // Nobody closes it.
            Err(_) => pending().await,
        }
    }

    /// Tells one connection to give way, if one has to: the one that has been idle for longest among those that have carried no check;
    /// if all have, the one whose last call is longest ago, if that is more than [`IDLE_TIMEOUT`] and it has none under way; else none.
    pub(super) fn evict_idle(&self) {
        let mut taken = lock(&self.taken);
        let may = |holder: &&mut Holder| holder.give_way.is_some();
        let idle = |holder: &&mut Holder| holder.calls.idle();
        // Of those that are equal the last is taken: the oldest.
        let holder = match taken.values_mut().rev().filter(may).filter(|one| !one.calls.has_check()).max_by_key(idle) {
            Some(holder) => Some(holder),
            None => {
                taken.values_mut().filter(may).filter(|holder| holder.calls.idle() >= IDLE_TIMEOUT).max_by_key(idle)
            }
        };
        if let Some(give_way) = holder.and_then(|holder| holder.give_way.take()) {
            self.closed.count(Closing::Room);
            // Fails when it is closed already: then there is room.
            let _ = give_way.send(());
        }
    }

    fn give(&mut self, permit: OwnedSemaphorePermit) -> Slot {
        let (give_way, told) = oneshot::channel();
        let calls = Calls::default();
        let number = self.next;
        self.next = self.next.saturating_add(1);
        lock(&self.taken).insert(number, Holder { calls: calls.clone(), give_way: Some(give_way) });
        self.open.inc();
        Slot {
            number,
            taken: Arc::clone(&self.taken),
            calls,
            told: Some(told),
            open: self.open.clone(),
            closed: self.closed.clone(),
            _permit: permit,
        }
    }
}

/// A place among the connections that may be open, for as long as it is held.
#[derive(Debug)]
pub(super) struct Slot {
    number: u64,
    taken: Taken,
    calls: Calls,
    /// `None` once it was told.
    told: Option<oneshot::Receiver<()>>,
    open: Gauge,
    closed: Closed,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// The calls on the connection that has this place.
    pub(super) fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// All connections of its listener.
    pub(super) fn neighbours(&self) -> Neighbours {
        Neighbours { taken: Arc::clone(&self.taken), closed: self.closed.clone() }
    }

    /// Ready once its connection has to give way, and from then on.
    pub(super) fn poll_give_way(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(told) = &mut self.told
            && Pin::new(told).poll(context).is_pending()
        {
            return Poll::Pending;
        }
        self.told = None;
        Poll::Ready(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.number);
        self.open.dec();
    }
}

/// All connections of a listener, for choosing one that is closed.
#[derive(Debug, Clone)]
pub(super) struct Neighbours {
    taken: Taken,
    closed: Closed,
}

impl Neighbours {
    /// Closes the connection with the most unread bytes, of those that have had some for [`UNREAD_FOR`]: one that has carried no check if
    /// there is one. Calls that wait on a connection do not make it larger: Envoy has many of them when it is slow for a moment.
    pub(super) fn close_largest(&self, limits: &Limits) {
        let mut taken = lock(&self.taken);
        let may = |holder: &&mut Holder| holder.give_way.is_some() && holder.calls.unread_for() >= UNREAD_FOR;
        let size = |holder: &&mut Holder| (!holder.calls.has_check(), holder.calls.unread());
        // Of those that are equal the last is taken: the oldest.
        let Some(holder) = taken.values_mut().rev().filter(may).max_by_key(size) else { return };
        if let Some(give_way) = holder.give_way.take() {
            // What it holds is as good as free: the next one that reports is not to close another for it.
            limits.forget_unread(&holder.calls);
            self.closed.count(Closing::UnreadResponses);
            // Fails when it is closed already.
            let _ = give_way.send(());
        }
    }

    /// Counts a connection that is closed, or asked to end.
    pub(super) fn count(&self, why: Closing) {
        self.closed.count(why);
    }
}

/// The calls on one connection; clones speak of the same one.
#[derive(Debug, Clone)]
pub(super) struct Calls(Arc<ConnectionActivity>);

#[derive(Debug)]
struct ConnectionActivity {
    since: Instant,
    /// When the last one began or ended, in milliseconds after `since`; [`NONE`] before the first.
    last: AtomicU64,
    /// How many are open that may stay so.
    open: AtomicUsize,
    /// Whether one of them was a check.
    has_check: AtomicBool,
    /// The bytes of unread responses that were reported last.
    unread: AtomicUsize,
    /// The same with what waits because of them.
    held: AtomicUsize,
    /// Since when there have been some, in milliseconds after `since`; [`NONE`] if there are none.
    unread_since: AtomicU64,
}

const NONE: u64 = u64::MAX;

impl Default for Calls {
    fn default() -> Self {
        Self(Arc::new(ConnectionActivity {
            since: Instant::now(),
            last: AtomicU64::new(NONE),
            open: AtomicUsize::new(0),
            has_check: AtomicBool::new(false),
            unread: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            unread_since: AtomicU64::new(NONE),
        }))
    }
}

impl Calls {
    /// Notes a call.
    pub(super) fn one(&self) {
        self.0.last.store(self.age(), Ordering::Relaxed);
    }

    /// Notes a check.
    pub(super) fn check(&self) {
        self.one();
        self.0.has_check.store(true, Ordering::Relaxed);
    }

    /// Replaces the bytes of unread responses, and what is held with all that waits because of them; returns what was held before.
    pub(super) fn replace_unread(&self, unread: usize, held: usize) -> usize {
        if unread == 0 {
            self.0.unread_since.store(NONE, Ordering::Relaxed);
        } else if !self.has_unread() {
            self.0.unread_since.store(self.age(), Ordering::Relaxed);
        }
        self.0.unread.store(unread, Ordering::Relaxed);
        self.0.held.swap(held, Ordering::Relaxed)
    }

    /// Returns true if unread responses were reported.
    pub(super) fn has_unread(&self) -> bool {
        self.unread() > 0
    }

    fn unread(&self) -> usize {
        self.0.unread.load(Ordering::Relaxed)
    }

    /// How long there have been unread responses.
    fn unread_for(&self) -> Duration {
        let since = self.0.unread_since.load(Ordering::Relaxed);
        if since == NONE { Duration::ZERO } else { Duration::from_millis(self.age().saturating_sub(since)) }
    }

    /// How long ago the connection was accepted, in milliseconds.
    fn age(&self) -> u64 {
        u64::try_from(self.0.since.elapsed().as_millis()).unwrap_or(NONE)
    }

    fn has_check(&self) -> bool {
        self.0.has_check.load(Ordering::Relaxed)
    }

    /// Notes a call that stays open until what this gives is dropped.
    pub(super) fn open(&self) -> OpenCall {
        self.one();
        self.0.open.fetch_add(1, Ordering::Relaxed);
        OpenCall(self.clone())
    }

    /// How long there has been none.
    fn idle(&self) -> Duration {
        if self.0.open.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        // Before the first call, since the connection was accepted.
        let last = self.0.last.load(Ordering::Relaxed);
        self.0.since.elapsed().saturating_sub(Duration::from_millis(if last == NONE { 0 } else { last }))
    }
}

/// A call that is open.
#[derive(Debug)]
pub(super) struct OpenCall(Calls);

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.one();
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one panicked over is whole all the same: each change is one step.
fn lock(taken: &Taken) -> MutexGuard<'_, BTreeMap<u64, Holder>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
