//! Gives a request to the core with what the core has to be given: the present snapshot and the present time.

use crate::clock::{Clock, Timestamp};
use crate::decision::{Decision, Fault};
use crate::envoy::proto::CheckRequest;
use crate::envoy::read;
use crate::request::Request;
use crate::snapshot::{Snapshot, decide};
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// Decides checks, each on one snapshot from start to end.
#[derive(Debug)]
pub struct Driver {
    snapshot: ArcSwap<Snapshot>,
    clock: Clock,
}

impl Driver {
    /// A driver that decides by `snapshot` until it is given another.
    #[must_use]
    pub fn new(snapshot: Snapshot, clock: Clock) -> Self {
        Self { snapshot: ArcSwap::from_pointee(snapshot), clock }
    }

    /// The present snapshot. Holding it does not keep a newer one from being put in its place.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The present time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Puts another snapshot in the place of the present one. Checks under way end on the one that they began with.
    pub fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Decides one check, and gives back the request that was read from it, if it could be read.
    pub fn decide<'a>(&self, check: &'a CheckRequest, snapshot: &Snapshot) -> (Decision, Option<Request<'a>>) {
        match read(check) {
            Ok(request) => (decide(&request, snapshot, self.clock.now()), Some(request)),
            Err(fault) => (Decision::refused(Fault::Request(fault)), None),
        }
    }
}
