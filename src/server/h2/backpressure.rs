//! The limits of one connection: what it keeps waiting (unprocessed calls, unread responses), and frames that cost far more than their bytes
//! (resets, settings, trailers, slow headers).

use super::super::connection::ReadBudget;
use super::super::connection_slots::ListenerConnections;
use super::super::limits::{ConnectionState, Reported};
use super::RunQueue;
use crate::telemetry::metrics::Closing;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Maximum bytes that are read before their calls are processed. 32 checks in flight fit, and are answered with one write: with 16 KiB each
/// costs a quarter more. A few bytes can represent thousands of headers (RFC 7541 §6.1). All of them are in memory until then, and the task
/// does nothing else meanwhile.
const MAX_READ_BYTES: usize = 32 * 1024;
/// Memory of a call that has arrived and is not processed, without its message.
const QUEUED_CALL_BYTES: usize = 4 * 1024;

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

/// Maximum number of `SETTINGS` frames in [`SETTINGS_WINDOW`]. Each can change the window of every open call (RFC 9113 §6.9.2); clients
/// send one, and a few more when they adapt their windows. Beyond it the connection is closed.
pub(super) const MAX_SETTINGS: usize = 200;
/// The period in which they are counted.
pub(super) const SETTINGS_WINDOW: Duration = Duration::from_secs(10);
/// Maximum bytes of trailers in the life of a connection. gRPC requests have none. HTTP/2 keeps them until the call is answered, and each
/// byte can represent a header (RFC 7541 §6.1). Beyond it the connection is closed.
pub(super) const MAX_TRAILER_BYTES: usize = 512;
/// Time for the headers of a call, from their first frame to their last. Beyond it the connection is closed.
pub(super) const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);

/// The next action on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Go on.
    Serve,
    /// Ask the client to open another connection.
    GoAway,
    /// Close it at once.
    Close,
}

/// The limits of one connection, and its use of them.
pub(super) struct Backpressure {
    budget: ReadBudget,
    state: Arc<ConnectionState>,
    peers: ListenerConnections,
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
    closing: Option<Pin<Box<Sleep>>>,
    frame_limits: FrameLimits,
}

impl Backpressure {
    pub(super) fn new(budget: ReadBudget, state: Arc<ConnectionState>, peers: ListenerConnections) -> Self {
        let reported = Reported::new(Arc::clone(&state.limits), state.activity.clone());
        Self {
            budget,
            state,
            peers,
            reported,
            is_stalled: false,
            read_before: 0,
            stall: None,
            period: None,
            resets: 0,
            window: None,
            closing: None,
            frame_limits: FrameLimits::default(),
        }
    }

    /// Allows reading as much as may arrive before the next processing; nothing at the end of a turn.
    pub(super) fn set_budget(&self, queue: &RunQueue, is_turn_over: bool) {
        // Reading continues if the client makes no room for responses: it makes room by WINDOW_UPDATE. It stops if the socket accepts
        // nothing.
        if is_turn_over || self.budget.is_write_blocked() {
            return self.budget.allow(0, 0);
        }
        let limit = self.state.limits.queued_calls();
        self.budget.allow(MAX_READ_BYTES, limit.saturating_sub(queue.len()));
    }

    /// Checks what was read and written since [`set_budget`](Self::set_budget).
    pub(super) fn check(&mut self, queue: &mut RunQueue, context: &mut Context<'_>) -> Action {
        let resets = self.budget.take_resets();
        self.peers.count_streams(self.budget.take_streams(), resets);
        if resets > 0 {
            queue.record_reset();
            match self.count(resets) {
                Action::Serve => {}
                next @ (Action::GoAway | Action::Close) => return next,
            }
        }
        if self.frame_limits.check(&self.budget, context) {
            self.peers.count(Closing::Frames);
            return Action::Close;
        }
        if is_over(&mut self.closing, context) {
            self.peers.count(Closing::Resets);
            return Action::Close;
        }
        let was_stalled = self.is_stalled;
        let unread = self.state.unread();
        if unread == 0 {
            self.period = None;
        } else if self.has_stale_unread(context) {
            self.peers.count(Closing::UnreadResponses);
            return Action::Close;
        }
        self.is_stalled = self.budget.is_write_blocked() || unread >= self.state.limits.unread_bytes();
        if !self.is_stalled {
            self.stall = None;
            return Action::Serve;
        }
        if !was_stalled {
            self.read_before = self.budget.read_bytes();
        }
        queue.drop_reset();
        self.stall.get_or_insert_with(|| Box::pin(sleep(UNREAD_TIMEOUT)));
        if is_over(&mut self.stall, context) {
            self.peers.count(Closing::UnreadResponses);
            return Action::Close;
        }
        Action::Serve
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
    pub(super) fn can_read_more(&self, queue: &RunQueue) -> bool {
        self.budget.was_refused() && !self.budget.is_write_blocked() && queue.len() < self.state.limits.queued_calls()
    }

    /// Reports what waits here to the shared limits, before other connections have their turn.
    pub(super) fn report(&mut self, queue: &RunQueue) {
        let calls = queue.len();
        let because = if self.is_stalled {
            let read = self.budget.read_bytes().wrapping_sub(self.read_before);
            calls.saturating_mul(QUEUED_CALL_BYTES).saturating_add(read)
        } else {
            0
        };
        if self.reported.update(calls, self.state.unread(), because) && self.state.limits.has_too_much_unread() {
            self.peers.close_largest(|activity| self.state.limits.forget_unread(activity));
        }
    }

    /// Counts resets, and returns the action that follows.
    fn count(&mut self, resets: usize) -> Action {
        let now = Instant::now();
        let is_closing = self.closing.is_some();
        if !is_closing && self.window.is_none_or(|began| now.duration_since(began) >= RESETS_WINDOW) {
            self.window = Some(now);
            self.resets = 0;
        }
        self.resets = self.resets.saturating_add(resets);
        if !is_closing && self.resets > MAX_RESETS {
            self.resets = 0;
            self.closing = Some(Box::pin(sleep(GOAWAY_TIMEOUT)));
            self.peers.count(Closing::Resets);
            return Action::GoAway;
        }
        if is_closing && self.resets > MAX_RESETS_AFTER_GOAWAY {
            self.peers.count(Closing::Resets);
            return Action::Close;
        }
        Action::Serve
    }
}

/// Returns true if this timer has elapsed.
fn is_over(sleep: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> bool {
    sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(context).is_ready())
}

/// The counts of frames that gRPC clients send rarely or never.
#[derive(Default)]
pub(super) struct FrameLimits {
    settings: usize,
    window: Option<Instant>,
    /// The header block that has not ended, and its deadline.
    block: Option<(usize, Pin<Box<Sleep>>)>,
}

impl FrameLimits {
    /// Checks what was read. Returns true if it exceeds a limit.
    pub(super) fn check(&mut self, budget: &ReadBudget, context: &mut Context<'_>) -> bool {
        let settings = budget.take_settings();
        (settings > 0 && self.has_too_many_settings(settings))
            || budget.trailer_bytes() > MAX_TRAILER_BYTES
            || self.has_late_block(budget.open_block(), context)
    }

    fn has_too_many_settings(&mut self, more: usize) -> bool {
        let now = Instant::now();
        if self.window.is_none_or(|began| now.duration_since(began) >= SETTINGS_WINDOW) {
            self.window = Some(now);
            self.settings = 0;
        }
        self.settings = self.settings.saturating_add(more);
        self.settings > MAX_SETTINGS
    }

    fn has_late_block(&mut self, open: Option<usize>, context: &mut Context<'_>) -> bool {
        let Some(number) = open else {
            self.block = None;
            return false;
        };
        match &mut self.block {
            Some((known, end)) if *known == number => end.as_mut().poll(context).is_ready(),
            other => {
                let (_, end) = other.insert((number, Box::pin(sleep(HEADERS_TIMEOUT))));
                // Registers the wake-up.
                end.as_mut().poll(context).is_ready()
            }
        }
    }
}
