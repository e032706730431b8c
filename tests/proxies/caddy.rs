//! Caddy, with `reverse_proxy` and `handle_response`.

use super::{Kind, bodies, careless, cases, outage, page};

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
