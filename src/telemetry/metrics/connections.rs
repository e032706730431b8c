//! Counts the connections that modgud closes although their clients did not ask for it.

use super::ListenerName;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The reason for closing a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Another connection needed its slot.
    Room,
    /// Its client did not read responses.
    UnreadResponses,
    /// Its client reset too many calls.
    Resets,
    /// Its client sent frames that no gRPC client sends.
    Frames,
}

impl Closing {
    const ALL: [Self; 4] = [Self::Room, Self::UnreadResponses, Self::Resets, Self::Frames];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::UnreadResponses => "unread_responses",
            Self::Resets => "resets",
            Self::Frames => "frames",
        }
    }
}

/// The labels of a count of closed connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    listener: &'static str,
    reason: &'static str,
}

/// The counts of all listeners.
#[derive(Debug, Default)]
pub(super) struct ClosedConnections(Family<Labels, Counter>);

impl ClosedConnections {
    /// Returns the counts of a listener, which are exported from now on.
    pub(super) fn on(&self, listener: ListenerName) -> Closed {
        let counter =
            |why: Closing| self.0.get_or_create_owned(&Labels { listener: listener.as_str(), reason: why.as_str() });
        Closed(Arc::new(Closing::ALL.map(counter)))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help =
            "Connections that modgud closed: for a newcomer, for unread responses, for too many resets or other frames";
        registry.register("connections_closed", help, self.0.clone());
    }
}

/// The counts of one listener.
#[derive(Debug, Clone, Default)]
pub struct Closed(Arc<[Counter; 4]>);

impl Closed {
    /// Counts one connection.
    pub fn count(&self, why: Closing) {
        if let Some(counter) = self.0.get(why as usize) {
            counter.inc();
        }
    }
}
