//! nginx, with `auth_request`.

use super::{Kind, bodies, careless, cases, outage, page, sizes};
use std::path::Path;

const KIND: Kind = Kind::Nginx;

/// What is around the written file: a process in the foreground, with all its files in this folder.
pub(super) fn around(folder: &Path) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders: String = kinds.map(|kind| format!("  {kind}_temp_path {}/{kind};\n", folder.display())).concat();
    format!(
        "daemon off;\nmaster_process off;\npid {0}/nginx.pid;\nerror_log stderr warn;\nevents {{ }}\nhttp {{\n  access_log off;\n{folders}  \
         include {0}/modgud.conf;\n}}\n",
        folder.display()
    )
}

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
