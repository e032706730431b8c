//! Limits what one connection keeps waiting: unprocessed calls, unread responses, and resets.

use super::super::connection::Flow;
use super::super::connection_slots::Neighbours;
use super::super::limits::{ConnectionState, Reported};
use super::Arrived;
use super::excess::Excess;
use crate::telemetry::metrics::Closing;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep};

/// Maximum bytes that are read before their calls are processed. 32 checks in flight fit, and are answered with one write: with 16 KiB each
/// costs a quarter more. A few bytes can represent thousands of headers (RFC 7541 §6.1). All of them are in memory until then, and the task
/// does nothing else meanwhile.
const MAX_READ_BYTES: usize = 32 * 1024;
/// Memory of a call that has arrived and is not processed, without its message.
const ARRIVED_CALL_BYTES: usize = 4 * 1024;

/// Minimum time that a response stays unread before its connection is closed. It also applies to a connection at its limit of unread bytes,
/// or whose socket accepts no byte. HTTP/2's keepalive gives up as early.
pub(super) const UNREAD_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum number of resets in [`RESETS_WINDOW`]. Envoy resets a check when its client disconnects, so clients of Envoy can cause resets,
/// but not so many. Beyond it the client is asked to open another connection (GOAWAY, RFC 9113 §6.8), and the calls under way are answered.
const MAX_RESETS: usize = 10_000;
/// The period in which resets are counted.
const RESETS_WINDOW: Duration = Duration::from_secs(10);
/// Maximum number of resets after that GOAWAY: those in the system's buffers, and one for each open call. Beyond it the client ignores the
/// GOAWAY, and its connection is closed.
const MAX_RESETS_AFTER_GOAWAY: usize = 100_000;
/// Time from that GOAWAY until the connection is closed. No check takes longer: the longest `server.deadline` is 10 s.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(30);

/// The next action on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on.
    Serve,
    /// Ask the client to open another connection.
    GoAway,
    /// Close it at once.
    Close,
}

/// The limits of one connection, and its use of them.
pub(super) struct Pace {
    flow: Flow,
    state: Arc<ConnectionState>,
    neighbours: Neighbours,
    reported: Reported,
    is_stalled: bool,
    /// The bytes that were read when it stalled.
    read_before: usize,
    stall: Option<Pin<Box<Sleep>>>,
    /// End of the period in which no response may stay unread throughout. `None` while none is unread.
    period: Option<Pin<Box<Sleep>>>,
    resets: usize,
    window: Option<Instant>,
    /// Set once GOAWAY was sent for too many resets.
    leaving: Option<Pin<Box<Sleep>>>,
    excess: Excess,
}

impl Pace {
    pub(super) fn new(flow: Flow, state: Arc<ConnectionState>, neighbours: Neighbours) -> Self {
        let reported = Reported::new(Arc::clone(&state.limits), state.calls.clone());
        Self {
            flow,
            state,
            neighbours,
            reported,
            is_stalled: false,
            read_before: 0,
            stall: None,
            period: None,
            resets: 0,
            window: None,
            leaving: None,
            excess: Excess::default(),
        }
    }

    /// Allows reading as much as may arrive before the next processing; nothing at the end of a turn.
    pub(super) fn allow(&self, arrived: &Arrived, is_over: bool) {
        // Reading continues if the client makes no room for responses: it makes room by WINDOW_UPDATE. It stops if the socket accepts
        // nothing.
        if is_over || self.flow.is_write_blocked() {
            return self.flow.allow(0, 0);
        }
        let most = self.state.limits.arrived_calls();
        self.flow.allow(MAX_READ_BYTES, most.saturating_sub(arrived.len()));
    }

    /// Checks what was read and written since [`allow`](Self::allow).
    pub(super) fn look(&mut self, arrived: &mut Arrived, context: &mut Context<'_>) -> Next {
        let resets = self.flow.take_resets();
        if resets > 0 {
            arrived.note_reset();
            match self.count(resets) {
                Next::Serve => {}
                next @ (Next::GoAway | Next::Close) => return next,
            }
        }
        if self.excess.look(&self.flow, context) {
            self.neighbours.count(Closing::Frames);
            return Next::Close;
        }
        if is_over(&mut self.leaving, context) {
            self.neighbours.count(Closing::Resets);
            return Next::Close;
        }
        let was_stalled = self.is_stalled;
        let unread = self.state.unread();
        if unread == 0 {
            self.period = None;
        } else if self.has_stale_unread(context) {
            self.neighbours.count(Closing::UnreadResponses);
            return Next::Close;
        }
        self.is_stalled = self.flow.is_write_blocked() || unread >= self.state.limits.unread_bytes();
        if !self.is_stalled {
            self.stall = None;
            return Next::Serve;
        }
        if !was_stalled {
            self.read_before = self.flow.read_bytes();
        }
        arrived.drop_reset();
        self.stall.get_or_insert_with(|| Box::pin(sleep(UNREAD_TIMEOUT)));
        if is_over(&mut self.stall, context) {
            self.neighbours.count(Closing::UnreadResponses);
            return Next::Close;
        }
        Next::Serve
    }

    /// Returns true if a response has been unread for a whole period.
    fn has_stale_unread(&mut self, context: &mut Context<'_>) -> bool {
        if is_over(&mut self.period, context) {
            if self.state.has_old_unread() {
                return true;
            }
            self.period = None;
        }
        if self.period.is_none() {
            self.state.begin_period();
            self.period = Some(Box::pin(sleep(UNREAD_TIMEOUT)));
            // Registers the wake-up.
            return is_over(&mut self.period, context);
        }
        false
    }

    /// Returns true while no call is processed because the client does not read.
    pub(super) const fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// Returns true if more may be read now, and a read was refused.
    pub(super) fn may_read_on(&self, arrived: &Arrived) -> bool {
        self.flow.was_refused() && !self.flow.is_write_blocked() && arrived.len() < self.state.limits.arrived_calls()
    }

    /// Reports what waits here to the shared limits, before other connections have their turn.
    pub(super) fn report(&mut self, arrived: &Arrived) {
        let calls = arrived.len();
        let because = if self.is_stalled {
            let read = self.flow.read_bytes().wrapping_sub(self.read_before);
            calls.saturating_mul(ARRIVED_CALL_BYTES).saturating_add(read)
        } else {
            0
        };
        if self.reported.update(calls, self.state.unread(), because) && self.state.limits.has_too_much_unread() {
            self.neighbours.close_largest(&self.state.limits);
        }
    }

    /// Counts resets, and returns the action that follows.
    fn count(&mut self, resets: usize) -> Next {
        let now = Instant::now();
        let is_leaving = self.leaving.is_some();
        if !is_leaving && self.window.is_none_or(|began| now.duration_since(began) >= RESETS_WINDOW) {
            self.window = Some(now);
            self.resets = 0;
        }
        self.resets = self.resets.saturating_add(resets);
        if !is_leaving && self.resets > MAX_RESETS {
            self.resets = 0;
            self.leaving = Some(Box::pin(sleep(GOAWAY_TIMEOUT)));
            self.neighbours.count(Closing::Resets);
            return Next::GoAway;
        }
        if is_leaving && self.resets > MAX_RESETS_AFTER_GOAWAY {
            self.neighbours.count(Closing::Resets);
            return Next::Close;
        }
        Next::Serve
    }
}

/// Returns true if this timer has elapsed.
fn is_over(sleep: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> bool {
    sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(context).is_ready())
}
