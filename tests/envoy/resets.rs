//! What one client of Envoy does to its requests must not cost modgud the connection that everybody's checks go over: with
//! `failure_mode_allow` each of them would be let through.

use super::{replaced, testbed};
use crate::guarantee::frames::{Connection, End, get, give_up};
use modgud::net::listen_addr::ListenAddr;
use modgud_testbed::Setup;

/// Envoy lets everybody pass when it gets no answer, and hands on all that it reads at once: not what the sample says.
fn open_and_at_once(yaml: &str) -> String {
    let open = replaced(yaml, "failure_mode_allow: false", "failure_mode_allow: true");
    replaced(&open, "http.max_requests_per_io_cycle: 1\n", "http.max_requests_per_io_cycle: 1000000\n")
}

#[tokio::test]
async fn many_reset_requests_let_no_request_pass() {
    let testbed = testbed(Setup { edit: Some(open_and_at_once), ..Setup::default() }).await;
    let gateway = ListenAddr::Tcp(testbed.gateway);
    for round in 0..20 {
        let mut connection = Connection::open(&gateway).await;
        let spoofed = [("x-core-user-uuid", "root")];
        let mut burst = Vec::new();
        for stream in (1..160).step_by(2) {
            burst.extend([get(stream, "/crm/", &spoofed), give_up(stream)].concat());
        }
        burst.extend(get(161, "/crm/", &spoofed));
        connection.send(&burst).await;
        let End::Answered(body) = connection.end(161).await else { panic!("round {round}: not answered") };
        let expected = super::detail("Authentication credentials were not provided.");
        assert_eq!(String::from_utf8_lossy(&body), expected, "round {round}");
    }
    testbed.stop().await;
}
