//! The changes to an allowed request, for the module.

use super::Snapshot;
use crate::authz::Permit;
use crate::credential::PresentedCredential;
use crate::decide::Verdict;
use crate::explain::{Observer, Step};
use crate::http::header::HeaderName;
use crate::http::request::Request;
use crate::time::Timestamp;
use crate::upstream::{Correlation, CorrelationOutcome, Mutations};

/// Computes the changes to the request; a denial if a value can't be written.
pub(super) fn shape(
    grant: &Permit,
    shown: PresentedCredential<'_, '_, '_>,
    request: &Request<'_>,
    rule: Option<&str>,
    (snapshot, now): (&Snapshot, Timestamp),
    observer: &mut impl Observer,
) -> Verdict {
    let mutations = snapshot.shape.mutations(grant, shown, request, rule, now);
    observer.step(|| match &mutations {
        Ok(mutations) => {
            let (set, removed) = (mutations.set.len(), mutations.remove.len());
            let dropped: Vec<&str> = mutations.dropped.iter().map(HeaderName::as_str).collect();
            let dropped = match dropped.as_slice() {
                [] => String::new(),
                names => format!("; without {}, whose value can't be written", names.join(", ")),
            };
            Step::passed("headers", format!("{set} written over whatever the client sent, {removed} removed{dropped}"))
        }
        Err(fault) => Step::failed("headers", fault.to_string()),
    });
    match (mutations, &snapshot.correlation) {
        (Ok(mutations), None) => Verdict::Allow(mutations),
        (Ok(mutations), Some(correlation)) => correlate(correlation, grant, request, now, mutations, observer),
        (Err(fault), _) => Verdict::Deny(fault.into()),
    }
}

/// Adds the identity correlation.
fn correlate(
    correlation: &Correlation,
    grant: &Permit,
    request: &Request<'_>,
    now: Timestamp,
    mut mutations: Mutations,
    observer: &mut impl Observer,
) -> Verdict {
    let correlated = correlation.write(grant, request, now, &mut mutations);
    observer.step(|| match &correlated {
        Ok(CorrelationOutcome::Signed) => Step::passed("correlation", "written and signed for the process instance"),
        Ok(CorrelationOutcome::Unsigned) => {
            Step::passed("correlation", "written; not signed, as no process instance is known, or no key")
        }
        Ok(CorrelationOutcome::Anonymous) => Step::noted("correlation", "none: nobody is known"),
        Err(fault) => Step::failed("correlation", fault.to_string()),
    });
    match correlated {
        Ok(_) => Verdict::Allow(mutations),
        Err(fault) => Verdict::Deny(fault.into()),
    }
}
