//! The connection slots of one listener, and the choice of the connection that is closed for a new one when all are taken. A connection
//! that has carried a check is kept unless it is idle for long. So clients that only hold connections, or only check health, can't lock
//! Envoy out.

#[cfg(test)]
mod tests;

use crate::telemetry::metrics::{Closing, ConnectionCounters};
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

/// Time since the last call after which a connection may be evicted although it has carried a check. While slots are free, it may be idle
/// for any time: closing it just as Envoy reuses it would be a gRPC error.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Time that a connection must have held unread responses before it is closed for the sake of others. Envoy may be slow for a moment.
const UNREAD_GRACE: Duration = Duration::from_secs(2);

/// The slots of a listener.
#[derive(Debug)]
pub(super) struct ConnectionSlots {
    free: Arc<Semaphore>,
    taken: Taken,
    /// The number of the next connection.
    next: u64,
    counters: ConnectionCounters,
}

/// The connections that hold a slot, by number: the oldest first.
type Taken = Arc<Mutex<BTreeMap<u64, SlotHolder>>>;

/// A connection that holds a slot.
#[derive(Debug)]
struct SlotHolder {
    activity: ConnectionActivity,
    /// `None` once the connection is evicted.
    evict: Option<oneshot::Sender<()>>,
}

impl ConnectionSlots {
    /// Creates `limit` slots. `counters` count the connections that take one, and those that modgud closes.
    pub(super) fn new(limit: usize, counters: ConnectionCounters) -> Self {
        Self { free: Arc::new(Semaphore::new(limit)), taken: Taken::default(), next: 0, counters }
    }

    /// Takes a slot; `None` if none is free.
    pub(super) fn try_take(&mut self) -> Option<Slot> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(|permit| self.give(permit))
    }

    /// Waits for a free slot and takes it. Cancel-safe.
    pub(super) async fn take(&mut self) -> Slot {
        match Arc::clone(&self.free).acquire_owned().await {
            Ok(permit) => self.give(permit),
            // Unreachable: the semaphore is never closed.
            Err(_) => pending().await,
        }
    }

    /// Evicts one connection, if one qualifies: of those that have carried no check, the one that is idle for longest. If all have carried
    /// one, it is the one whose last call is longest ago. That call must be at least [`IDLE_TIMEOUT`] ago, and none may be under way.
    pub(super) fn evict_idle(&self) {
        let mut taken = lock(&self.taken);
        let may = |holder: &&mut SlotHolder| holder.evict.is_some();
        let idle = |holder: &&mut SlotHolder| holder.activity.idle();
        // The last of equals is taken: the oldest.
        let holder = match taken.values_mut().rev().filter(may).filter(|one| !one.activity.has_check()).max_by_key(idle)
        {
            Some(holder) => Some(holder),
            None => {
                taken.values_mut().filter(may).filter(|holder| holder.activity.idle() >= IDLE_TIMEOUT).max_by_key(idle)
            }
        };
        if let Some(evict) = holder.and_then(|holder| holder.evict.take()) {
            self.counters.count(Closing::Room);
            // Fails if the connection is closed already: a slot is free then.
            let _ = evict.send(());
        }
    }

    /// Returns a view of the connections in use.
    pub(super) fn used(&self) -> UsedConnections {
        UsedConnections(Arc::clone(&self.taken))
    }

    fn give(&mut self, permit: OwnedSemaphorePermit) -> Slot {
        let (evict, evicted) = oneshot::channel();
        let activity = ConnectionActivity::default();
        let number = self.next;
        self.next = self.next.saturating_add(1);
        lock(&self.taken).insert(number, SlotHolder { activity: activity.clone(), evict: Some(evict) });
        self.counters.opened();
        Slot {
            number,
            taken: Arc::clone(&self.taken),
            activity,
            evicted: Some(evicted),
            counters: self.counters.clone(),
            _permit: permit,
        }
    }
}

/// The open connections of a listener that have carried a call.
#[derive(Debug, Clone)]
pub(super) struct UsedConnections(Taken);

impl UsedConnections {
    /// Returns true while one is open.
    pub(super) fn any(&self) -> bool {
        lock(&self.0).values().any(|holder| holder.activity.has_call())
    }
}

/// A slot among the open connections, released on drop.
#[derive(Debug)]
pub(super) struct Slot {
    number: u64,
    taken: Taken,
    activity: ConnectionActivity,
    /// `None` once the eviction was seen.
    evicted: Option<oneshot::Receiver<()>>,
    counters: ConnectionCounters,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Returns the activity of the connection that holds this slot.
    pub(super) fn activity(&self) -> ConnectionActivity {
        self.activity.clone()
    }

    /// Returns all connections of its listener.
    pub(super) fn peers(&self) -> ListenerConnections {
        ListenerConnections { taken: Arc::clone(&self.taken), counters: self.counters.clone() }
    }

    /// Returns `Ready` from the eviction of the connection on.
    pub(super) fn poll_evicted(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(evicted) = &mut self.evicted
            && Pin::new(evicted).poll(context).is_pending()
        {
            return Poll::Pending;
        }
        self.evicted = None;
        Poll::Ready(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.number);
        self.counters.ended();
    }
}

/// All connections of a listener, from which one can be closed.
#[derive(Debug, Clone)]
pub(super) struct ListenerConnections {
    taken: Taken,
    counters: ConnectionCounters,
}

impl ListenerConnections {
    /// Closes the connection with the most unread bytes, of those that have held some for [`UNREAD_GRACE`]. Connections that have carried no
    /// check go first. Calls that wait on a connection do not make it larger: Envoy has many of them when it is slow for a moment.
    ///
    /// `forget` takes its bytes off the total.
    pub(super) fn close_largest(&self, forget: impl FnOnce(&ConnectionActivity)) {
        let mut taken = lock(&self.taken);
        let may = |holder: &&mut SlotHolder| holder.evict.is_some() && holder.activity.unread_for() >= UNREAD_GRACE;
        let size = |holder: &&mut SlotHolder| (!holder.activity.has_check(), holder.activity.unread());
        // The last of equals is taken: the oldest.
        let Some(holder) = taken.values_mut().rev().filter(may).max_by_key(size) else { return };
        if let Some(evict) = holder.evict.take() {
            // Its bytes are as good as free: the next report must not close another connection for them.
            forget(&holder.activity);
            self.counters.count(Closing::UnreadResponses);
            // Fails if the connection is closed already.
            let _ = evict.send(());
        }
    }

    /// Counts a connection that is closed, or asked to end.
    pub(super) fn count(&self, why: Closing) {
        self.counters.count(why);
    }

    /// Counts streams that the client opened, and streams that it reset.
    pub(super) fn count_streams(&self, opened: usize, resets: usize) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        if opened > 0 {
            self.counters.streams(count(opened));
        }
        if resets > 0 {
            self.counters.resets(count(resets));
        }
    }
}

/// The activity of one connection; clones share it.
#[derive(Debug, Clone)]
pub(super) struct ConnectionActivity(Arc<Activity>);

#[derive(Debug)]
struct Activity {
    since: Instant,
    /// Start or end of the last call, in milliseconds after `since`; [`NONE`] before the first.
    last: AtomicU64,
    /// Number of open calls of a kind that may stay open.
    open: AtomicUsize,
    /// True if one of the calls was a check.
    has_check: AtomicBool,
    /// Bytes of unread responses, as last reported.
    unread: AtomicUsize,
    /// These bytes, and those that wait because of them.
    held: AtomicUsize,
    /// Start of the period with unread responses, in milliseconds after `since`; [`NONE`] if there are none.
    unread_since: AtomicU64,
}

const NONE: u64 = u64::MAX;

impl Default for ConnectionActivity {
    fn default() -> Self {
        Self(Arc::new(Activity {
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

impl ConnectionActivity {
    /// Records a call.
    pub(super) fn record(&self) {
        self.0.last.store(self.age(), Ordering::Relaxed);
    }

    /// Records a check.
    pub(super) fn record_check(&self) {
        self.record();
        self.0.has_check.store(true, Ordering::Relaxed);
    }

    /// Replaces the bytes of unread responses, and `held`, which includes those that wait because of them. Returns the previous `held`.
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

    /// Returns how long there have been unread responses.
    fn unread_for(&self) -> Duration {
        let since = self.0.unread_since.load(Ordering::Relaxed);
        if since == NONE { Duration::ZERO } else { Duration::from_millis(self.age().saturating_sub(since)) }
    }

    /// Returns the age of the connection in milliseconds.
    fn age(&self) -> u64 {
        u64::try_from(self.0.since.elapsed().as_millis()).unwrap_or(NONE)
    }

    fn has_check(&self) -> bool {
        self.0.has_check.load(Ordering::Relaxed)
    }

    /// Returns true if it has carried a call.
    pub(super) fn has_call(&self) -> bool {
        self.0.last.load(Ordering::Relaxed) != NONE
    }

    /// Records a call that is open until the returned value is dropped.
    pub(super) fn record_open(&self) -> ActiveStream {
        self.record();
        self.0.open.fetch_add(1, Ordering::Relaxed);
        ActiveStream(self.clone())
    }

    /// Returns the time since the last call; zero while one is open.
    fn idle(&self) -> Duration {
        if self.0.open.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        // Before the first call, the time since the connection was accepted.
        let last = self.0.last.load(Ordering::Relaxed);
        self.0.since.elapsed().saturating_sub(Duration::from_millis(if last == NONE { 0 } else { last }))
    }
}

/// An open call.
#[derive(Debug)]
pub(super) struct ActiveStream(ConnectionActivity);

impl Drop for ActiveStream {
    fn drop(&mut self) {
        self.0.record();
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Locks the map. It is consistent even after a panic, since each change is one step.
fn lock(taken: &Taken) -> MutexGuard<'_, BTreeMap<u64, SlotHolder>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
