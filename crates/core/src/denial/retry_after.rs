//! `Retry-After` (RFC 9110 §10.2.3): when it is worth while to ask again.

use crate::reason::{Class, Reason};

/// Seconds from now; `None` when asking again changes nothing.
///
/// They are constants, so that answers can be made beforehand. A provider that is away is asked again after a second, then after
/// twice as long each time, up to 30 s (`keys::schedule`, `introspection::breaker`): in ten seconds it has been asked again, or is away
/// for good. Places and time come back as soon as others are done.
pub(super) const fn after(reason: Reason) -> Option<u32> {
    match reason.class() {
        Class::Unauthenticated | Class::Forbidden | Class::BadRequest => None,
        Class::Unavailable if matches!(reason, Reason::DeadlineExceeded | Reason::Overloaded) => Some(1),
        Class::Unavailable if matches!(reason, Reason::Internal) => Some(5),
        Class::Unavailable => Some(10),
    }
}
