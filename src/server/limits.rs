//! The limits that all connections for checks share, and each connection's use of them. `docs/limits.md` lists them.

#[cfg(test)]
pub(super) mod tests;

use super::check::CheckHandler;
use super::connection_slots::ConnectionActivity;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Waker;

/// Maximum bytes of checks that wait for the network, on all connections. Beyond it a check is denied with 503 `overloaded`.
const MAX_IN_FLIGHT_BYTES: usize = 128 * 1024 * 1024;

/// Maximum bytes of incomplete messages, on all connections. Envoy sends a check in one piece, so few wait. Beyond it a call that has to
/// wait for its message is denied with 503 `overloaded`.
const MAX_UNFINISHED_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of incomplete messages that every connection may hold even then, so that no other connection can take all of them.
const OWN_UNFINISHED_BYTES: usize = 16 * 1024;
/// Memory of a call that waits for its message, without the message: HTTP/2's stream and a task.
pub(super) const WAITING_CALL_BYTES: usize = 4 * 1024;

/// Maximum bytes of unread responses of a connection, since they stay in memory. Beyond it no more of its calls are processed until the
/// client reads. If the client does not, the connection is closed.
const MAX_UNREAD_BYTES: usize = 1024 * 1024;
/// Maximum bytes of unread responses of a connection while all connections hold too many.
const FEW_UNREAD_BYTES: usize = 64 * 1024;
/// Maximum bytes of unread responses on all connections. Beyond it the connection with the most is closed, of those that have held some for
/// a while.
const MAX_UNREAD_BYTES_IN_ALL: usize = 128 * 1024 * 1024;
/// Memory of an unread response, without its message: the encoder's buffer of 8 KiB, HTTP/2's stream and a task.
const UNREAD_RESPONSE_BYTES: usize = 8 * 1024;

/// Maximum number of unprocessed calls of a connection. Beyond it nothing is read from the connection.
pub(super) const MAX_QUEUED_CALLS: usize = 1_024;
/// Number of unprocessed calls on all connections beyond which each connection is read in small steps.
pub(super) const MAX_QUEUED_CALLS_IN_ALL: usize = 16 * MAX_QUEUED_CALLS;
/// Maximum number of unprocessed calls of a connection in that case.
pub(super) const FEW_QUEUED_CALLS: usize = 16;

/// Number of shares of a shared limit. A connection uses at most one share while others use the limit too.
const SHARE: usize = 4;
/// Maximum ratio of a connection's use to the free part of a shared limit, so that some is free for the next one. One connection alone uses
/// two thirds. Five that take all they can, one after the other, leave some for a sixth.
const PER_FREE: usize = 2;

/// The limits that all connections share.
#[derive(Debug)]
pub(super) struct Limits {
    max_in_flight: usize,
    max_message: usize,
    in_flight: AtomicUsize,
    in_flight_bytes: AtomicUsize,
    unfinished: AtomicUsize,
    unread: AtomicUsize,
    arrived: AtomicUsize,
}

impl Limits {
    /// Creates limits with this number of checks under way, and this size of a check, in bytes.
    pub(super) const fn new(max_in_flight: usize, max_message: usize) -> Self {
        Self {
            max_in_flight,
            max_message,
            in_flight: AtomicUsize::new(0),
            in_flight_bytes: AtomicUsize::new(0),
            unfinished: AtomicUsize::new(0),
            unread: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
        }
    }

    /// Returns how many checks wait for the network, and how many may.
    pub(super) fn in_flight(&self) -> (usize, usize) {
        (self.in_flight.load(Relaxed), self.max_in_flight)
    }

    /// Returns how many unprocessed calls a connection may have at present.
    pub(super) fn queued_calls(&self) -> usize {
        if self.arrived.load(Relaxed) > MAX_QUEUED_CALLS_IN_ALL { FEW_QUEUED_CALLS } else { MAX_QUEUED_CALLS }
    }

    /// Returns true if all connections together hold too many bytes of unread responses.
    pub(super) fn has_too_much_unread(&self) -> bool {
        self.unread.load(Relaxed) > MAX_UNREAD_BYTES_IN_ALL
    }

    /// Returns how many bytes of unread responses a connection may hold at present.
    pub(super) fn unread_bytes(&self) -> usize {
        if self.has_too_much_unread() { FEW_UNREAD_BYTES } else { MAX_UNREAD_BYTES }
    }
}

/// Returns true if a connection that uses `own` of a limit may use `more`, while all connections use `all` of `most`.
fn is_fair(own: usize, all: usize, more: usize, limit: usize) -> bool {
    let free = limit.saturating_sub(all);
    let then = own.saturating_add(more);
    more <= free
        && (own == all || then <= (limit / SHARE).max(1))
        && own <= free.saturating_mul(PER_FREE).saturating_sub(1)
}

/// The state that the calls of one connection share.
#[derive(Debug)]
pub(super) struct ConnectionState {
    pub(super) checks: Arc<CheckHandler>,
    pub(super) limits: Arc<Limits>,
    pub(super) activity: ConnectionActivity,
    in_flight: AtomicUsize,
    in_flight_bytes: AtomicUsize,
    unfinished: AtomicUsize,
    /// Bytes of unread responses: those from before and after the last [`begin_period`](Self::begin_period). The parity of `period` selects
    /// the later ones.
    unread: [AtomicUsize; 2],
    period: AtomicUsize,
    /// Wakes the connection's task.
    waker: Waker,
}

impl ConnectionState {
    /// Returns the maximum size of a check, in bytes.
    pub(super) fn max_message(&self) -> usize {
        self.limits.max_message
    }

    /// Creates the state of a connection on which nothing has arrived.
    pub(super) const fn new(
        checks: Arc<CheckHandler>,
        limits: Arc<Limits>,
        activity: ConnectionActivity,
        waker: Waker,
    ) -> Self {
        Self {
            checks,
            limits,
            activity,
            in_flight: AtomicUsize::new(0),
            in_flight_bytes: AtomicUsize::new(0),
            unfinished: AtomicUsize::new(0),
            unread: [AtomicUsize::new(0), AtomicUsize::new(0)],
            period: AtomicUsize::new(0),
            waker,
        }
    }

    /// Counts a check of this many bytes as under way until the slot is dropped. `None` if there is no slot for this connection.
    pub(super) fn try_acquire(self: &Arc<Self>, bytes: usize) -> Option<InFlight> {
        let own = self.in_flight.fetch_add(1, Relaxed);
        let all = self.limits.in_flight.fetch_add(1, Relaxed);
        let own_bytes = self.in_flight_bytes.fetch_add(bytes, Relaxed);
        let all_bytes = self.limits.in_flight_bytes.fetch_add(bytes, Relaxed);
        let slot = InFlight { of: Arc::clone(self), bytes };
        let may = is_fair(own, all, 1, self.limits.max_in_flight)
            && is_fair(own_bytes, all_bytes, bytes, MAX_IN_FLIGHT_BYTES);
        may.then_some(slot)
    }

    /// Counts more bytes of incomplete messages. Returns false, and counts nothing, if there is no room for them.
    pub(super) fn hold_unfinished(&self, more: usize) -> bool {
        let own = self.unfinished.fetch_add(more, Relaxed);
        let all = self.limits.unfinished.fetch_add(more, Relaxed);
        let may = own.saturating_add(more) <= OWN_UNFINISHED_BYTES || is_fair(own, all, more, MAX_UNFINISHED_BYTES);
        if !may {
            self.release_unfinished(more);
        }
        may
    }

    /// Releases bytes that [`hold_unfinished`](Self::hold_unfinished) counted.
    pub(super) fn release_unfinished(&self, bytes: usize) {
        self.unfinished.fetch_sub(bytes, Relaxed);
        self.limits.unfinished.fetch_sub(bytes, Relaxed);
    }

    /// Counts a response of this many bytes as unread.
    pub(super) fn hold_unread(&self, bytes: usize) -> Unread {
        let bytes = bytes.saturating_add(UNREAD_RESPONSE_BYTES);
        let period = self.period.load(Relaxed);
        self.unread_of(period).fetch_add(bytes, Relaxed);
        Unread { bytes, period }
    }

    /// Releases what [`hold_unread`](Self::hold_unread) counted.
    pub(super) fn release_unread(&self, held: &Unread) {
        let before = self.unread();
        self.unread_of(held.period).fetch_sub(held.bytes, Relaxed);
        let after = before.saturating_sub(held.bytes);
        // The connection's task may sleep because of the limit.
        if [FEW_UNREAD_BYTES, MAX_UNREAD_BYTES].iter().any(|limit| before >= *limit && after < *limit) {
            self.waker.wake_by_ref();
        }
    }

    /// Returns the bytes of responses for which the client has made no room.
    pub(super) fn unread(&self) -> usize {
        let [one, other] = &self.unread;
        one.load(Relaxed).saturating_add(other.load(Relaxed))
    }

    /// Returns true if a response from before the present period is still unread.
    pub(super) fn has_old_unread(&self) -> bool {
        self.unread_of(self.period.load(Relaxed).wrapping_add(1)).load(Relaxed) > 0
    }

    /// Begins a period, at whose end the responses are known that were unread throughout. Called only when none is left from before the
    /// last one.
    pub(super) fn begin_period(&self) {
        self.period.fetch_add(1, Relaxed);
    }

    const fn unread_of(&self, period: usize) -> &AtomicUsize {
        let [even, odd] = &self.unread;
        if period & 1 == 0 { even } else { odd }
    }
}

/// A response that counts as unread.
#[derive(Debug)]
pub(super) struct Unread {
    bytes: usize,
    period: usize,
}

/// A check under way.
#[derive(Debug)]
pub(super) struct InFlight {
    of: Arc<ConnectionState>,
    bytes: usize,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Self { of, bytes } = self;
        of.in_flight.fetch_sub(1, Relaxed);
        of.limits.in_flight.fetch_sub(1, Relaxed);
        of.in_flight_bytes.fetch_sub(*bytes, Relaxed);
        of.limits.in_flight_bytes.fetch_sub(*bytes, Relaxed);
    }
}

/// A connection's contribution to the shared limits, withdrawn on drop.
#[derive(Debug)]
pub(super) struct Reported {
    limits: Arc<Limits>,
    activity: ConnectionActivity,
    arrived: usize,
}

impl Reported {
    /// Creates a contribution of zero.
    pub(super) const fn new(limits: Arc<Limits>, activity: ConnectionActivity) -> Self {
        Self { limits, activity, arrived: 0 }
    }

    /// Reports the unprocessed calls, the unread bytes, and the bytes that wait because of them. Returns true if those bytes have grown.
    /// Writes to shared counters only after a change.
    pub(super) fn update(&mut self, arrived: usize, unread: usize, because: usize) -> bool {
        exchange(&self.limits.arrived, self.arrived, arrived);
        self.arrived = arrived;
        if unread == 0 && !self.activity.has_unread() {
            return false;
        }
        let total = if unread == 0 { 0 } else { unread.saturating_add(because) };
        let before = self.activity.replace_unread(unread, total);
        exchange(&self.limits.unread, before, total);
        before < total
    }
}

impl Drop for Reported {
    fn drop(&mut self) {
        self.update(0, 0, 0);
    }
}

/// Replaces one addend of a sum.
fn exchange(sum: &AtomicUsize, before: usize, after: usize) {
    match after.checked_sub(before) {
        Some(0) => {}
        Some(more) => drop(sum.fetch_add(more, Relaxed)),
        None => drop(sum.fetch_sub(before.saturating_sub(after), Relaxed)),
    }
}

impl Limits {
    /// Forgets the unread bytes that a connection has reported which is being closed.
    pub(super) fn forget_unread(&self, activity: &ConnectionActivity) {
        exchange(&self.unread, activity.replace_unread(0, 0), 0);
    }
}
