//! What happens if a line of the written configuration is left out or changed: the rows of the tables "Leave this out" in
//! `docs/proxies.md`, each tried. A hole is proven by the attack that succeeds then, and fails without the change.

use super::upstream::Received;
use super::{CONFIG, Gateway, Kind};

/// A configuration that lacks something.
struct Careless {
    /// The row in the document.
    row: &'static str,
    /// Texts of the written configuration or of the script, and their replacements.
    changes: &'static [(&'static str, &'static str)],
    target: &'static str,
    send: &'static [&'static str],
    then: Then,
}

/// The outcome.
enum Then {
    /// A hole: a service gets a request with this text in its target or in a header.
    Arrives(&'static str),
    /// A hole: the connection is switched to another protocol.
    Switches,
    /// A fault: the service gets the request without this header.
    Lacks(&'static str),
    /// The client gets this status, and no service the request.
    Status(u16),
}

const JWT: &str = "Authorization: JWT {good}";
const LACKING: &str = "Authorization: JWT {lacking}";
const H2C: [&str; 3] = ["Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__", "Upgrade: h2c"];

const NGINX: [Careless; 11] = [
    Careless {
        row: "no `proxy_set_header` in a location of your own",
        changes: &[("location /crm/ {", "location /crm/ {\n proxy_set_header x-mine 1;")],
        target: "/crm/public",
        send: &["x-core-user-uuid: forged"],
        then: Then::Arrives("forged"),
    },
    Careless {
        row: "a line `proxy_set_header x-scope …`",
        changes: &[("proxy_set_header x-scope $modgud_request_x_scope;", "")],
        target: "/crm/a",
        send: &[LACKING, "x-scope: forged"],
        then: Then::Arrives("forged"),
    },
    Careless {
        row: "`$request_uri`, with `$uri` in its place",
        changes: &[("x-original-uri $request_uri;", "x-original-uri $uri;")],
        target: "/crm/admin/x",
        send: &[JWT],
        then: Then::Arrives("/admin/x"),
    },
    Careless {
        row: "the last slash of `location /crm/`",
        changes: &[
            ("location /crm/ {", "location /crm {"),
            ("proxy_pass http://modgud_crm$path_modgud_crm;", "proxy_pass http://modgud_crm/;"),
        ],
        target: "/crmadmin/x",
        send: &[JWT],
        then: Then::Arrives("/admin/x"),
    },
    Careless {
        row: "`$modgud_upgrade_to`, with `$http_upgrade` in its place",
        changes: &[
            ("upgrade $modgud_upgrade_to;", "upgrade $http_upgrade;"),
            ("connection $modgud_connection;", "connection upgrade;"),
        ],
        target: "/crm/public",
        send: &H2C,
        then: Then::Switches,
    },
    Careless {
        row: "`x-forwarded-for $remote_addr` in the check",
        changes: &[("$scheme;\n        proxy_set_header x-forwarded-for $remote_addr;", "$scheme;")],
        target: "/crm/far",
        send: &["X-Forwarded-For: 10.0.0.9"],
        then: Then::Arrives("/far"),
    },
    Careless {
        row: "`proxy_ignore_headers`",
        changes: &[("proxy_ignore_headers x-accel-redirect;", "")],
        target: "/crm/elsewhere",
        send: &[JWT],
        then: Then::Arrives("/chat/x"),
    },
    Careless {
        row: "a line that empties an override header, in both places",
        changes: &[("proxy_set_header x-http-method-override \"\";", "")],
        target: "/crm/public",
        send: &["X-HTTP-Method-Override: DELETE"],
        then: Then::Status(400),
    },
    Careless {
        row: "`underscores_in_headers off`, with `on` in its place",
        changes: &[("underscores_in_headers off;", "underscores_in_headers on;")],
        target: "/crm/public",
        send: &["x_core_user_uuid: forged"],
        then: Then::Status(400),
    },
    Careless {
        row: "`x-original-method`, or another line that describes the request",
        changes: &[("proxy_set_header x-original-method $request_method;", "")],
        target: "/crm/public",
        send: &[],
        then: Then::Status(400),
    },
    Careless {
        row: "`error_page`",
        changes: &[("error_page 401 403 500 = @modgud_denied;", "")],
        target: "/crm/hidden",
        send: &[JWT],
        then: Then::Status(403),
    },
];

const CADDY: [Careless; 6] = [
    Careless {
        row: "`path_regexp`, with `path` in its place",
        changes: &[("path_regexp ^/crm(/|$)", "path /crm /crm/*")],
        target: "/CRM/admin/x",
        send: &[JWT],
        then: Then::Arrives("/admin/x"),
    },
    Careless {
        row: "the lines with `X-Email`",
        changes: &[("x-email", "x-other"), ("X-Email", "X-Other")],
        target: "/crm/a",
        send: &[LACKING, "X-Email: forged"],
        then: Then::Arrives("forged"),
    },
    Careless {
        row: "the lines that remove `upgrade` and `connection`",
        changes: &[
            ("request_header @plain -connection\n", "\n"),
            ("request_header @plain -upgrade\n", "\n"),
            ("request_header -connection\n", "\n"),
            ("request_header -upgrade\n", "\n"),
        ],
        target: "/crm/public",
        send: &H2C,
        then: Then::Switches,
    },
    Careless {
        row: "the lines that remove `connection`",
        changes: &[("request_header @plain -connection\n", "\n"), ("request_header -connection\n", "\n")],
        target: "/crm/a",
        send: &[JWT, "Connection: x-scope"],
        then: Then::Lacks("x-scope"),
    },
    Careless {
        row: "`request_header -*_*`",
        changes: &[("request_header -*_*", "")],
        target: "/crm/public",
        send: &["x_core_user_uuid: forged"],
        then: Then::Status(400),
    },
    Careless {
        row: "`header_up x-forwarded-method`, or another line that describes the request",
        changes: &[("header_up x-forwarded-method {method}", "")],
        target: "/crm/public",
        send: &[],
        then: Then::Status(400),
    },
];

const HAPROXY: [Careless; 6] = [
    Careless {
        row: "the last slash of `path_beg /crm/`",
        changes: &[("path_beg /crm/ }", "path_beg /crm }")],
        target: "/crmadmin/x",
        send: &[JWT],
        then: Then::Arrives("/admin/x"),
    },
    Careless {
        row: "the line with `deny_status 503`, and the script fails",
        changes: &[
            ("http-request deny deny_status 503 unless", "# unless"),
            (
                "local function ask(txn, address, timeout)",
                "local function ask(txn, address, timeout)\n error('broken')",
            ),
        ],
        target: "/crm/a",
        send: &[],
        then: Then::Arrives("/a"),
    },
    Careless {
        row: "the lines about `upgrade`",
        changes: &[("del-header upgrade", "del-header x-nothing"), ("del-header connection", "del-header x-nothing")],
        target: "/crm/public",
        send: &H2C,
        then: Then::Switches,
    },
    Careless {
        row: "the call of `lua.modgud`",
        changes: &[("http-request lua.modgud", "# lua.modgud")],
        target: "/crm/public",
        send: &[],
        then: Then::Status(503),
    },
    Careless {
        row: "the first `del-header`",
        changes: &[("http-request del-header '", "http-request del-header 'nothing")],
        target: "/crm/public",
        send: &["x_core_user_uuid: forged"],
        then: Then::Status(400),
    },
    Careless {
        row: "`set-uri %[pathq]`",
        changes: &[("http-request set-uri %[pathq]", "#")],
        target: "http://api.example.com/crm/public",
        send: &[],
        then: Then::Arrives("http://api.example.com/public"),
    },
];

/// Tries every row of a proxy.
pub(super) async fn every_row(kind: Kind) {
    let rows = match kind {
        Kind::Nginx => NGINX.as_slice(),
        Kind::Caddy => &CADDY,
        Kind::Haproxy => &HAPROXY,
    };
    let intact = Gateway::start(kind).await;
    let document = include_str!("../../docs/proxies.md");
    for row in rows {
        let Careless { row: name, changes, .. } = row;
        let case = format!("{}: {name}", kind.name());
        assert!(document.contains(&format!("| {name} |")), "{case}: not in docs/proxies.md");
        assert!(!happens(&intact, row).await, "{case}: happens without the change");
        let mut applied = vec![false; changes.len()];
        let careless = Gateway::edited(kind, CONFIG, |text| {
            changes.iter().zip(&mut applied).fold(text, |text, ((from, to), applied)| {
                *applied |= text.contains(from);
                text.replace(from, to)
            })
        });
        let careless = careless.await;
        assert!(applied.iter().all(|applied| *applied), "{case}: the change finds nothing");
        assert!(happens(&careless, row).await, "{case}: does not happen");
        careless.stop().await;
    }
    intact.stop().await;
}

/// Returns true if a request has the outcome of this row.
async fn happens(gateway: &Gateway, row: &Careless) -> bool {
    let Careless { target, send, then, .. } = row;
    let lines: Vec<String> = send.iter().map(|line| (*line).to_owned()).collect();
    let before = gateway.upstream.requests();
    let answer = match then {
        // The connection stays open after a switch, so that only the first line is of interest.
        Then::Switches => return gateway.switched(target, &lines).await.as_deref() == Some("h2c"),
        Then::Arrives(_) | Then::Lacks(_) | Then::Status(_) => gateway.ask("GET", target, &lines).await,
    };
    let arrived = gateway.upstream.requests() > before;
    let received = serde_json::from_slice::<Received>(&answer.body).ok().filter(|_| arrived);
    match (then, received) {
        (Then::Arrives(text), Some(received)) => {
            received.target == *text || received.headers.iter().any(|(_, value)| value == text)
        }
        (Then::Lacks(name), Some(received)) => received.values(name).is_empty(),
        (Then::Status(status), None) => answer.status == *status && !arrived,
        (Then::Arrives(_) | Then::Lacks(_) | Then::Status(_) | Then::Switches, _) => false,
    }
}
