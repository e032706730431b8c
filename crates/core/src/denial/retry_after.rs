//! `Retry-After` (RFC 9110 §10.2.3): the delay after which a retry is useful.

use crate::reason::{Class, Reason};

/// Returns the delay in seconds; `None` if a retry changes nothing.
///
/// The values are constants, so that responses can be built in advance. Requests to an unavailable provider are repeated after a
/// second, then after twice as long each time, up to 30 s (`keys::schedule`, `introspection::breaker`). Within ten seconds the
/// provider has received another request, or the outage lasts. Capacity and time are free again as soon as other checks finish.
pub(super) const fn after(reason: Reason) -> Option<u32> {
    match reason.class() {
        Class::Unauthenticated | Class::Forbidden | Class::BadRequest => None,
        Class::Unavailable if matches!(reason, Reason::DeadlineExceeded | Reason::Overloaded) => Some(1),
        Class::Unavailable if matches!(reason, Reason::Internal) => Some(5),
        Class::Unavailable => Some(10),
    }
}
