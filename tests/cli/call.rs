//! `modgud call`: what it says about an allow, a denial, and no answer.

use super::process::run;
use crate::support::{Sidecar, token};
use modgud::server::app::Shutdown;
use tokio::net::TcpSocket;

#[tokio::test]
async fn an_allow_ends_with_0_and_shows_the_headers_for_the_module() {
    let sidecar = Sidecar::bifrost().await;
    let address = sidecar.addresses.grpc.to_string();
    let token = token();
    let expected = format!(
        "allowed
  set x-core-user-uuid: fd76ce0c-d8be-4aa6-91ed-59e698f6af60
  set x-organization-uuid: 70f0d039-e3d9-427e-b161-4e95dbd9e918
  set x-scope: read write
  set x-username: admin
  set authorization: JWT … ({} characters)
",
        token.len()
    );
    for scheme in ["JWT", "Bearer"] {
        let header = format!("Authorization: {scheme} {token}");
        let output = run(&["call", &address, "--path", "/crm/?page=1", "--header", &header]).await;
        assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(0), expected.as_str(), ""));
    }
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn every_part_of_the_request_is_sent() {
    let yaml = "profile: none
rules:
  - name: page
    match: { methods: [PUT], paths: [/page] }
    access: public
  - name: closed
    by_name: true
    access: denied
upstream:
  strip: [x-mine-*]
";
    let sidecar = Sidecar::with(yaml).await;
    let address = sidecar.addresses.grpc.to_string();
    let page = ["call", &address, "--method", "PUT", "--path", "/page", "--host", "api.example.com"];
    let allowed = run(&[page.as_slice(), &["-H", "X-Mine-One: 1", "-H", "X-Mine-Two:2"]].concat()).await;
    let expected = "allowed\n  remove x-mine-one\n  remove x-mine-two\n";
    assert_eq!((allowed.code, allowed.out.as_str(), allowed.err.as_str()), (Some(0), expected, ""));
    let get = run(&["call", &address, "--path", "/page"]).await;
    assert_eq!((get.code, get.out.lines().next()), (Some(3), Some("denied 403")), "{get:?}");
    let context = ["--context", "tenant=a", "--context", "modgud.rule=closed"];
    let closed = run(&[page.as_slice(), &context].concat()).await;
    assert_eq!((closed.code, closed.out.lines().next()), (Some(3), Some("denied 403")), "{closed:?}");
    let host = run(&[page.as_slice(), &["--host", "a b"]].concat()).await;
    assert_eq!(host.code, Some(2), "an option that is given twice: {host:?}");
    let host = run(&["call", &address, "--method", "PUT", "--path", "/page", "--host", "a b"]).await;
    assert_eq!((host.code, host.out.lines().next()), (Some(3), Some("denied 400")), "{host:?}");
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn a_denial_ends_with_3_and_shows_the_response() {
    let sidecar = Sidecar::bifrost().await;
    let address = sidecar.addresses.grpc.to_string();
    let output = run(&["call", &address, "--path", "/crm/"]).await;
    let expected = r#"denied 401
  reason credential_missing
  header content-type: application/json
  header cache-control: no-store
  header x-content-type-options: nosniff
  header www-authenticate: Bearer realm="modgud"
  body {"detail":"Authentication credentials were not provided."}
"#;
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(3), expected, ""));
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn an_expected_decision_ends_with_0_and_another_one_with_1() {
    let sidecar =
        Sidecar::with("profile: none\nrules: [{ name: open, match: { paths: [/open] }, access: public }]\n").await;
    let address = sidecar.addresses.grpc.to_string();
    let met = "";
    let table = [
        ("/open", "allowed", met),
        ("/open", "denied", "modgud: the decision is `allowed`; --expect names `denied with a status below 500`\n"),
        ("/open", "403", "modgud: the decision is `allowed`; --expect names `denied 403`\n"),
        ("/", "denied", met),
        ("/", "403", met),
        ("/", "401", "modgud: the decision is `denied 403`; --expect names `denied 401`\n"),
        ("/", "allowed", "modgud: the decision is `denied 403`; --expect names `allowed`\n"),
    ];
    for (path, expected, error) in table {
        let output = run(&["call", &address, "--path", path, "--expect", expected]).await;
        let code = i32::from(error != met);
        assert_eq!((output.code, output.err.as_str()), (Some(code), error), "{path} {expected}");
        let decision = if path == "/open" { "allowed" } else { "denied 403" };
        assert_eq!(output.out.lines().next(), Some(decision), "{path} {expected}");
    }
    sidecar.stop(Shutdown::Immediate).await;
}

/// 503 is no decision about the request: a test that expects a denial must not pass while modgud can't decide.
#[tokio::test]
async fn an_undecided_check_is_no_expected_denial() {
    let yaml = "profile: none
authenticators:
  - name: login
    from: [{ header: authorization, schemes: [Bearer] }]
    introspection: { url: 'https://127.0.0.1:1/introspect', client_id: modgud, client_secret: { value: 0123456789abcdef }, issuer: login, audiences: any, require: [] }
fallback: authenticated
";
    let sidecar = Sidecar::with(yaml).await;
    let address = sidecar.addresses.grpc.to_string();
    let check = ["call", &address, "--header", "Authorization: Bearer opaque", "--expect"];
    let denied = run(&[check.as_slice(), &["denied"]].concat()).await;
    let error = "modgud: the decision is `denied 503`; --expect names `denied with a status below 500`\n";
    assert_eq!((denied.code, denied.err.as_str()), (Some(1), error), "{denied:?}");
    let named = run(&[check.as_slice(), &["503"]].concat()).await;
    assert_eq!((named.code, named.err.as_str()), (Some(0), ""), "{named:?}");
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn no_answer_ends_with_1() {
    // Bound, so that no other process gets it, but not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let output = run(&["call", &address]).await;
    let expected =
        format!("modgud: can't reach {address}: Connection refused (os error 111); is `modgud serve` running there?\n");
    assert_eq!((output.code, output.out.as_str(), output.err), (Some(1), "", expected));

    let output = run(&["call", "a b"]).await;
    let expected = "modgud: can't reach a b: invalid uri character; is `modgud serve` running there?\n";
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(1), "", expected));
}

#[tokio::test]
async fn an_answer_that_is_no_decision_ends_with_1() {
    let sidecar = Sidecar::bifrost().await;
    let output = run(&["call", &sidecar.addresses.admin.to_string()]).await;
    assert_eq!((output.code, output.out.as_str()), (Some(1), ""), "{output:?}");
    assert!(output.err.starts_with("modgud: "), "{output:?}");
    sidecar.stop(Shutdown::Immediate).await;
}
