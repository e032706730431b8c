//! The client's address is the one that Envoy saw: a client writes neither `source.address` nor `x-envoy-external-address`.

use super::seen::Seen;
use super::{PATIENCE, replaced, testbed};
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Setup, Testbed};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;

const RULES: &str = "
profile: none
request: { client: external }
modules: [{ name: crm, prefix: /crm, upstream: '{crm}' }]
rules:
  - { name: any, match: { paths: ['/crm/any'] }, access: public }
  - { name: one, match: { paths: ['/crm/one'] }, access: public, require: { clients: [127.0.0.1/32] } }
  - { name: ten, match: { paths: ['/crm/ten'] }, access: public, require: { clients: [10.0.0.0/8] } }
  - { name: small, match: { paths: ['/crm/small'] }, access: public, when: request.size <= 5 }
upstream: { headers: { x-client: { cel: source.address } } }
";

const ONE: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Envoy takes this client for an internal one, whose headers it does not overwrite.
const INTERNAL: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Adds a second listener, behind a proxy, and makes one client an internal one.
fn edited(yaml: &str) -> String {
    let internal = "use_remote_address: true\n                internal_address_config: { cidr_ranges: [{ address_prefix: 127.0.0.2, prefix_len: 32 }] }";
    let yaml = replaced(yaml, "use_remote_address: true", internal);
    let (before, listeners) = yaml.split_once("  listeners:\n").unwrap();
    let (listeners, clusters) = listeners.split_once("\n  clusters:").unwrap();
    let second = replaced(listeners, "- name: gateway\n      address:", "- name: behind-proxy\n      address:");
    let second = replaced(
        &second,
        "use_remote_address: true",
        "use_remote_address: true\n                xff_num_trusted_hops: 1",
    );
    format!("{before}  listeners:\n{listeners}\n{second}\n  clusters:{clusters}")
}

/// Sends a request from this address, and returns the status.
async fn send(from: Ipv4Addr, to: SocketAddr, request: &str) -> (u16, Option<String>) {
    let exchange = async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((from, 0))).unwrap();
        let mut stream = socket.connect(to).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(PATIENCE, exchange).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1.as_bytes().to_vec();
    let seen = (status == 200).then(|| Seen::of(&Exchange { status, headers: Vec::new(), body }));
    (
        status,
        seen.and_then(|seen| seen.headers.into_iter().find(|(name, _)| name == "x-client").map(|(_, value)| value)),
    )
}

/// A request from an address, with a path and headers, and the address that the module receives; `Err` for a denial.
type Row = (Ipv4Addr, &'static str, &'static str, Result<Option<&'static str>, u16>);

async fn compare(gateway: SocketAddr, rows: &[Row]) {
    for (from, path, headers, expected) in rows {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n{headers}\r\n");
        let (status, client) = send(*from, gateway, &request).await;
        let found = if status == 200 { Ok(client.as_deref()) } else { Err(status) };
        assert_eq!(found, *expected, "{from} {path} {headers:?}");
    }
}

/// Returns the address of the second listener.
async fn second_listener(testbed: &Testbed) -> SocketAddr {
    let listeners = Exchange::get(testbed.envoy_admin, "/listeners?format=json").await.unwrap().json();
    let list = listeners["listener_statuses"].as_array().unwrap().clone();
    let second = list.iter().find(|one| one["name"] == "behind-proxy").unwrap();
    let port = second.pointer("/local_address/socket_address/port_value").unwrap();
    format!("127.0.0.1:{port}").parse().unwrap()
}

#[tokio::test]
async fn a_client_does_not_choose_its_address() {
    const FORGED: &str = "x-envoy-external-address: 10.0.0.7\r\n";
    const FORWARDED: &str = "x-forwarded-for: 10.0.0.7\r\n";
    let setup = Setup { config: Some(RULES), envoy: EnvoyYaml::Written, edit: Some(edited), ..Setup::default() };
    let testbed = testbed(setup).await;
    let gateway = testbed.gateway;
    compare(
        gateway,
        &[
            (ONE, "/crm/any", "", Ok(Some("127.0.0.1"))),
            (ONE, "/crm/one", "", Ok(Some("127.0.0.1"))),
            (ONE, "/crm/ten", "", Err(403)),
            (ONE, "/crm/any", FORGED, Ok(Some("127.0.0.1"))),
            (ONE, "/crm/ten", FORGED, Err(403)),
            (ONE, "/crm/any", FORWARDED, Ok(Some("127.0.0.1"))),
            (ONE, "/crm/ten", FORWARDED, Err(403)),
            (ONE, "/crm/ten", "x-envoy-external-address: 10.0.0.7\r\nX-Envoy-External-Address: 10.0.0.8\r\n", Err(403)),
            // Envoy writes no address of an internal client, and its own header is removed.
            (INTERNAL, "/crm/any", "", Ok(None)),
            (INTERNAL, "/crm/any", FORGED, Ok(None)),
            (INTERNAL, "/crm/ten", FORGED, Err(403)),
        ],
    )
    .await;
    // Behind a proxy, its last word counts, and not what the client wrote before.
    compare(
        second_listener(&testbed).await,
        &[
            (ONE, "/crm/any", "x-forwarded-for: 10.0.0.7, 192.0.2.9\r\n", Ok(Some("192.0.2.9"))),
            (ONE, "/crm/ten", "x-forwarded-for: 10.0.0.7, 192.0.2.9\r\n", Err(403)),
            (ONE, "/crm/ten", "x-forwarded-for: 192.0.2.9, 10.0.0.7\r\n", Ok(Some("10.0.0.7"))),
            (
                ONE,
                "/crm/any",
                "x-forwarded-for: 192.0.2.9\r\nx-envoy-external-address: 10.0.0.7\r\n",
                Ok(Some("192.0.2.9")),
            ),
        ],
    )
    .await;
    for (body, expected) in [
        ("Content-Length: 5\r\n\r\n12345", 200),
        ("Content-Length: 6\r\n\r\n123456", 403),
        ("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 403),
        ("Content-Length: 0\r\n\r\n", 200),
        ("\r\n", 403),
    ] {
        let request = format!("POST /crm/small HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n{body}");
        assert_eq!(send(ONE, gateway, &request).await.0, expected, "{body:?}");
    }
    testbed.stop().await;
}
