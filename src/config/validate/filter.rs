//! What Envoy's filter has to show modgud and to let it change, as the rest of the configuration needs it.

use super::super::document::{Correlation, Document, Impersonation, Sender};
use crate::credential::{Place, Places};
use crate::envoy::bootstrap::{Filter, SentAlong, Transport};

/// Gathers what the filter needs from a document that has been checked.
pub(super) fn gather(document: &Document, places: &Places) -> Filter {
    let mut filter = Filter { changed: vec!["authorization".to_owned()], ..Filter::default() };
    // A star means something in a pattern only, and stands for any sign in a name.
    filter.changed.extend(document.upstream.headers.keys().map(|name| name.replace('*', "-")));
    filter.changed.extend(document.upstream.strip.iter().cloned());
    if let Some(Correlation { header, impersonation, .. }) = &document.correlation {
        filter.changed.push(header.clone());
        if let Some(Impersonation { header, body, permission: _ }) = impersonation {
            filter.changed.extend(header.clone());
            if body.is_some() {
                filter.bodies = SentAlong::Sent;
            }
        }
    }
    // What a condition reads has to be there: a cookie that is held back would look like none.
    if document.rules.iter().filter_map(|rule| rule.when.as_deref()).any(|when| when.contains("cookie")) {
        filter.cookies = SentAlong::Sent;
    }
    for (place, _) in places.all() {
        match place {
            Place::Scheme(header, scheme) => {
                filter.changed.push(header.as_str().to_owned());
                if scheme.is_dpop() {
                    filter.changed.push("dpop".to_owned());
                }
            }
            Place::Header(header) => filter.changed.push(header.as_str().to_owned()),
            Place::Cookie(_) => {
                filter.cookies = SentAlong::Sent;
                filter.changed.push("cookie".to_owned());
            }
            Place::Query(_) => {}
        }
    }
    let by_certificate = document.authenticators.iter().any(|one| {
        let bound = one.jwt.as_ref().is_some_and(|jwt| matches!(jwt.sender_constraint, Some(Sender::Certificate)));
        bound || one.mtls.is_some()
    });
    if by_certificate {
        filter.certificate = SentAlong::Sent;
    }
    filter
}

/// How modgud is to be spoken to.
pub(super) fn transport(document: &Document) -> Transport {
    match &document.server.tls {
        None => Transport::Plain,
        Some(tls) if tls.client_ca.is_some() => Transport::MutualTls,
        Some(_) => Transport::Tls,
    }
}
