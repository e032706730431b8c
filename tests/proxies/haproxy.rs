//! HAProxy, with the Lua script.

use super::{Gateway, Kind, bodies, careless, cases, outage, page, sizes};

const KIND: Kind = Kind::Haproxy;

#[tokio::test]
async fn every_case_of_the_table() {
    cases::every_one(KIND).await;
}

#[tokio::test]
async fn without_modgud_nothing_passes() {
    outage::nothing_passes(KIND).await;
}

#[tokio::test]
async fn bodies_arrive_and_only_websockets_are_upgraded() {
    bodies::arrive(KIND).await;
}

#[tokio::test]
async fn what_is_left_out_happens_as_documented() {
    careless::every_row(KIND).await;
}

#[tokio::test]
async fn the_commands_of_the_page_run() {
    page::runs(KIND).await;
}

#[tokio::test]
async fn many_and_long_headers_lose_no_identity() {
    sizes::lose_nothing(KIND).await;
}

/// HTTP/1.0 has no chunks: a service could take the body for the next request.
#[tokio::test]
async fn chunks_in_http_1_0_are_denied() {
    let gateway = Gateway::start(KIND).await;
    let before = gateway.upstream.requests();
    let request =
        "POST /crm/public HTTP/1.0\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(gateway.raw(request.as_bytes()).await.status, 400);
    assert_eq!(gateway.upstream.requests(), before);
    gateway.stop().await;
}
