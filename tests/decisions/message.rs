//! A case as the message that Envoy would send.

use super::table::{Case, PeerSpec};
use super::text;
use crate::support::{Encoding, check};
use modgud::envoy::proto::address::Address as AddressKind;
use modgud::envoy::proto::{Address, CheckRequest, ContextExtensionsEntry, Peer, Pipe, SocketAddress};

const METHOD: &str = "GET";
const PATH: &str = "/crm/appointment/1/";
const HOST: &str = "api.example.com";

/// The check for a case, with its headers in this encoding.
pub(super) fn message(case: &Case, token: &str, encoding: Encoding) -> CheckRequest {
    let bytes = |text: &str| text::bytes(text, token);
    let headers: Vec<(Vec<u8>, Vec<u8>)> = match (&case.headers, &case.token) {
        (Some(headers), _) => headers.iter().map(|(name, value)| (bytes(name), bytes(value))).collect(),
        (None, Some(_)) => vec![(b"authorization".to_vec(), bytes("JWT {token}"))],
        (None, None) => Vec::new(),
    };
    // Names are filled in below, since some of them are no text.
    let values: Vec<(&str, &[u8])> = headers.iter().map(|(_, value)| ("", value.as_slice())).collect();
    let mut check = check(encoding, "", "", &values);
    let attributes = check.attributes.as_mut().unwrap();
    if let Some(PeerSpec { principal, certificate, address, pipe }) = &case.peer {
        let socket = address.as_ref().map(|address| {
            AddressKind::SocketAddress(SocketAddress { address: bytes(address).into(), ..SocketAddress::default() })
        });
        let pipe = pipe.as_ref().map(|path| AddressKind::Pipe(Pipe { path: bytes(path).into() }));
        let address = socket.or(pipe).map(|address| Address { address: Some(address) });
        let (principal, certificate) = (bytes(principal).into(), bytes(certificate).into());
        attributes.source = Some(Peer { address, principal, certificate, ..Peer::default() });
    }
    attributes.context_extensions = case
        .context
        .iter()
        .map(|(key, value)| ContextExtensionsEntry { key: bytes(key).into(), value: bytes(value).into() })
        .collect();
    let http = attributes.request.as_mut().unwrap().http.as_mut().unwrap();
    let names = headers.into_iter().map(|(name, _)| name.into());
    match encoding {
        Encoding::Joined => http.headers.iter_mut().zip(names).for_each(|(entry, name)| entry.key = name),
        Encoding::Raw => {
            let map = http.header_map.as_mut().unwrap();
            map.headers.iter_mut().zip(names).for_each(|(header, name)| header.key = name);
        }
    }
    if let Some(body) = &case.body {
        // As Envoy sends it without and with `pack_as_bytes`.
        match encoding {
            Encoding::Joined => http.body = bytes(body).into(),
            Encoding::Raw => http.raw_body = bytes(body).into(),
        }
    }
    http.method = bytes(case.method.as_deref().unwrap_or(METHOD)).into();
    http.path = bytes(case.path.as_deref().unwrap_or(PATH)).into();
    http.host = bytes(case.host.as_deref().unwrap_or(HOST)).into();
    check
}
