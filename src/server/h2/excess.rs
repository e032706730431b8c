//! Limits frames that gRPC clients send rarely or never: each costs far more than its bytes.

use super::super::connection::Flow;
use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

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

/// The counts of such frames on one connection.
#[derive(Default)]
pub(super) struct Excess {
    settings: usize,
    window: Option<Instant>,
    /// The header block that has not ended, and its deadline.
    block: Option<(usize, Pin<Box<Sleep>>)>,
}

impl Excess {
    /// Checks what was read. Returns true if it exceeds a limit.
    pub(super) fn look(&mut self, flow: &Flow, context: &mut Context<'_>) -> bool {
        let settings = flow.take_settings();
        (settings > 0 && self.has_too_many_settings(settings))
            || flow.trailer_bytes() > MAX_TRAILER_BYTES
            || self.has_late_block(flow.open_block(), context)
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
