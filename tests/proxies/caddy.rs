//! Caddy, with `reverse_proxy` and `handle_response`.

use super::{CONFIG, Gateway, Kind, bodies, careless, cases, outage, page, sizes};

const KIND: Kind = Kind::Caddy;

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

/// A success without modgud's headers is none of modgud's answers.
#[tokio::test]
async fn a_success_without_headers_does_not_pass() {
    let gateway = Gateway::edited(KIND, CONFIG, |text| text.replace("header Authorization *", "header X-None *")).await;
    assert_eq!(gateway.ask("GET", "/crm/public", &[]).await.status, 503);
    assert_eq!(gateway.upstream.requests(), 0);
    gateway.stop().await;
}
