//! The decision tables, asked over HTTP: each case gets from each proxy what it gets over gRPC, as far as the proxy can carry it out, and
//! 400 otherwise.

use super::answer::Answer;
use super::table::{Case, Table};
use super::{DEADLINE, NOW, PATIENT, Sidecar, TOPICS, folder, message, token, with_stranger};
use crate::forward_auth::client::{Client, PROXIES, Reply, Told};
use crate::support::Encoding;
use modgud::envoy::proto::{AuthorizationClient, CheckRequest, CheckResponse, HeadersEntry, HttpRequest, HttpResponse};
use modgud::forward_auth::Proxy;
use modgud_core::http::header::folds_to_same_name;
use modgud_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tonic::transport::Channel;

/// Headers about the message that a proxy sends, and not about the client's.
const OF_THE_MESSAGE: [&str; 7] =
    ["connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"];

/// The most that the head of a request may have for the comparison; modgud answers a larger one with 431.
const MAX_HEAD_BYTES: usize = 60 * 1024;

#[tokio::test]
async fn a_proxy_gets_the_decision_that_envoy_gets() {
    let (mut compared, mut left_out, mut wrong) = (Counts::default(), 0, Vec::new());
    for topic in TOPICS {
        let table = Table::read(&folder(), topic);
        let mut benches: HashMap<&str, Bench> = HashMap::new();
        for case in &table.cases {
            let Some(asked) = Asked::of(case) else {
                left_out += 1;
                continue;
            };
            let configuration = case.configuration.as_str();
            if !benches.contains_key(configuration) {
                benches.insert(configuration, Bench::start(&table.configuration(case), &table.files).await);
            }
            benches.get_mut(configuration).unwrap().compare(topic, case, &asked, &mut compared, &mut wrong).await;
        }
    }
    assert!(wrong.is_empty(), "{} responses differ:\n{}", wrong.len(), wrong.join("\n"));
    // So that no change leaves the test without cases.
    let Counts { allowed, denied, not_expressible, not_believed } = compared;
    assert!(
        allowed > 400 && denied > 1_500 && not_expressible > 20 && not_believed > 20,
        "{compared:?}, left out {left_out}"
    );
    // Of those about clients, each names the address that Envoy reports.
    assert!(left_out < 350, "{left_out} cases are left out; {compared:?}");
}

#[derive(Debug, Default)]
struct Counts {
    allowed: usize,
    denied: usize,
    not_expressible: usize,
    not_believed: usize,
}

/// A case as a message of Envoy's and as a request that any HTTP client can send.
struct Asked {
    check: CheckRequest,
    http: HttpRequest,
}

impl Asked {
    /// `None` for a case whose request HTTP/1.1 can't carry, or that needs what no proxy sends: a body, a certificate, a context.
    fn of(case: &Case) -> Option<Self> {
        if case.body.is_some() || case.peer.is_some() || !case.context.is_empty() {
            return None;
        }
        let token = token::make(case.token.as_ref());
        let mut check = message::message(case, &token, Encoding::Joined);
        let http = check.attributes.as_mut()?.request.as_mut()?.http.as_mut()?;
        http.headers.retain(|entry| !entry.key.starts_with(b":"));
        let is = |entry: &HeadersEntry, name: &str| entry.key.eq_ignore_ascii_case(name.as_bytes());
        let can_send = |value: &[u8]| !value.iter().any(|byte| b"\r\n\0".contains(byte)) && value.trim_ascii() == value;
        let sendable = http.headers.iter().all(|entry| {
            let own = OF_THE_MESSAGE.iter().any(|name| is(entry, name)) || is(entry, "x-envoy-auth-partial-body");
            !own && can_send(&entry.value) && !entry.key.is_empty() && can_send(&entry.key)
        });
        if !sendable || ![&http.method, &http.path, &http.host].into_iter().all(|part| can_send(part)) {
            return None;
        }
        if !http.headers.iter().any(|entry| is(entry, "x-forwarded-proto")) {
            http.headers.push(HeadersEntry { key: "x-forwarded-proto".into(), value: "https".into() });
        }
        let http = http.clone();
        Some(Self { check, http })
    }

    fn told(&self) -> Told<'_> {
        let HttpRequest { method, path, host, headers, .. } = &self.http;
        let headers = headers.iter().map(|entry| (&*entry.key, &*entry.value)).collect();
        Told { method, target: path, host, headers }
    }

    /// Whether the client sends a header that only a proxy may send.
    fn claims_to_be_a_proxy(&self, proxy: Proxy) -> bool {
        let proto = |entry: &&HeadersEntry| folds_to_same_name(&entry.key, b"x-forwarded-proto");
        let protos: Vec<&HeadersEntry> = self.http.headers.iter().filter(proto).collect();
        let bad_proto = match protos.as_slice() {
            [one] => one.value.is_empty() || !one.key.eq_ignore_ascii_case(b"x-forwarded-proto"),
            _ => true,
        };
        let others = self.http.headers.iter().filter(|entry| !proto(entry));
        let is_own = |entry: &HeadersEntry| proxy.uses(&String::from_utf8_lossy(&entry.key));
        (bad_proto && proxy != Proxy::Envoy) || others.into_iter().any(is_own)
    }

    /// Whether the library reads no request from it: too large, or a request line or name that is none.
    fn is_no_message(&self, proxy: Proxy) -> bool {
        let HttpRequest { method, path, headers, .. } = &self.http;
        let size: usize = headers.iter().map(|entry| entry.key.len() + entry.value.len() + 4).sum();
        let token = |name: &[u8]| name.iter().copied().all(modgud_core::http::header::is_token_byte);
        let control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
        let bad_line = proxy == Proxy::Envoy
            && (method.is_empty()
                || !token(method)
                || !path.starts_with(b"/")
                || path.iter().any(|byte| !byte.is_ascii_graphic() || *byte == b'#'));
        size + path.len() > MAX_HEAD_BYTES
            || headers.len() > 90
            || headers.iter().any(|entry| !token(&entry.key) || entry.value.iter().any(control))
            || [&self.http.host, path, method].into_iter().any(|part| part.iter().any(control))
            || bad_line
    }
}

/// One configuration, asked over gRPC and by each proxy: a sidecar each, since a proof is good once.
struct Bench {
    grpc: Sidecar,
    client: AuthorizationClient<Channel>,
    proxies: Vec<(Proxy, Sidecar, Client)>,
}

impl Bench {
    async fn start(configuration: &str, files: &BTreeMap<String, String>) -> Self {
        let yaml = with_stranger(configuration);
        let yaml = if yaml.is_empty() { PATIENT.to_owned() } else { format!("{DEADLINE}{yaml}") };
        let grpc = Sidecar::with_files(&yaml, files).await;
        let client = grpc.client().await;
        let mut proxies = Vec::new();
        for proxy in PROXIES {
            let sidecar = Sidecar::for_proxy(&yaml, files, proxy).await;
            let client = Client::connect(sidecar.http()).await;
            proxies.push((proxy, sidecar, client));
        }
        Self { grpc, client, proxies }
    }

    async fn compare(&mut self, topic: &str, case: &Case, asked: &Asked, counts: &mut Counts, wrong: &mut Vec<String>) {
        let now = Timestamp::from_secs(case.at.unwrap_or(NOW));
        self.grpc.clock.set(now);
        let over_grpc = self.client.check(asked.check.clone()).await.unwrap().into_inner();
        for (proxy, sidecar, client) in &mut self.proxies {
            sidecar.clock.set(now);
            let bytes = asked.told().bytes(*proxy);
            client.send(&bytes).await;
            let reply = client.next(case.method.as_deref() != Some("HEAD") || *proxy != Proxy::Envoy).await;
            let Some(reply) = reply else {
                wrong.push(format!("{topic}: {} ({}): no response", case.name, proxy.name()));
                *client = Client::connect(sidecar.http()).await;
                continue;
            };
            if reply.header("connection") == Some("close") || asked.is_no_message(*proxy) {
                *client = Client::connect(sidecar.http()).await;
            }
            if let Err(problem) = same(&over_grpc, &reply, asked, *proxy, counts) {
                wrong.push(format!("{topic}: {} ({}): {problem}", case.name, proxy.name()));
            }
        }
    }
}

/// The status that a proxy gets for a denial.
fn mapped(status: u16, proxy: Proxy) -> u16 {
    match (proxy, status) {
        (Proxy::Nginx, 302 | 401) => 401,
        (Proxy::Nginx, 400..=499) | (Proxy::Envoy, 500..=599) => 403,
        (Proxy::Envoy | Proxy::Nginx | Proxy::Traefik | Proxy::Caddy | Proxy::Haproxy, status) => status,
    }
}

fn same(check: &CheckResponse, reply: &Reply, asked: &Asked, proxy: Proxy, counts: &mut Counts) -> Result<(), String> {
    let bad_request = |why: &str| match reply.status {
        400 | 431 | 414 => Ok(()),
        403 if proxy == Proxy::Nginx && reply.header("x-modgud-status") == Some("400") => Ok(()),
        status => Err(format!("{status}, but {why}")),
    };
    if asked.is_no_message(proxy) {
        counts.denied += 1;
        return if (400..500).contains(&reply.status) {
            Ok(())
        } else {
            Err(format!("{reply:?}, but it is no request"))
        };
    }
    if asked.claims_to_be_a_proxy(proxy) {
        counts.not_believed += 1;
        return bad_request("the client claims to be a proxy");
    }
    // HTTP/1.1 has a host in every request (RFC 9112 §3.2).
    if asked.http.host.is_empty() {
        counts.denied += 1;
        return bad_request("it has no host");
    }
    match check.http_response.as_ref().unwrap() {
        HttpResponse::OkResponse(_) => allowed(check, reply, asked, proxy, counts, bad_request),
        HttpResponse::DeniedResponse(denied) => {
            counts.denied += 1;
            let status = u16::try_from(denied.status.as_ref().unwrap().code).unwrap();
            // An empty path or host is a header that is missing.
            if [400, 414].contains(&status)
                && [&asked.http.path, &asked.http.host, &asked.http.method].iter().any(|part| part.is_empty())
            {
                return bad_request("a part of it is empty");
            }
            if reply.status != mapped(status, proxy) {
                return Err(format!("{}, and not {status} as over gRPC", reply.status));
            }
            let real = reply.header("x-modgud-status").map(str::to_owned);
            if real != (proxy == Proxy::Nginx).then(|| status.to_string()) {
                return Err(format!("the reported status is {real:?}"));
            }
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let pair = |header: &modgud::envoy::proto::HeaderValue| (text(&header.key), text(&header.value));
            let mut expected: Vec<_> = denied.headers.iter().map(|one| pair(one.header.as_ref().unwrap())).collect();
            let mut found = reply.headers.clone();
            found.retain(|(name, _)| name != "content-length" && name != "x-modgud-status" && name != "x-modgud-body");
            expected.sort();
            found.sort();
            if expected != found {
                return Err(format!("headers {found:?}, and over gRPC {expected:?}"));
            }
            let has_body = proxy != Proxy::Envoy || *asked.http.method != *b"HEAD";
            if has_body && reply.body != denied.body {
                return Err(format!("another body: {}", text(&reply.body)));
            }
            Ok(())
        }
        HttpResponse::ErrorResponse(_) => Err("an error response".to_owned()),
    }
}

/// Compares an allowed request: every header that Envoy would write has its value, and every one that it would remove is empty.
fn allowed(
    check: &CheckResponse,
    reply: &Reply,
    asked: &Asked,
    proxy: Proxy,
    counts: &mut Counts,
    bad_request: impl Fn(&str) -> Result<(), String>,
) -> Result<(), String> {
    let Answer::Allow { set, remove, remove_query } = Answer::read(check.clone())? else {
        return Err("it is no allowed request".to_owned());
    };
    if !remove_query.is_empty() {
        counts.not_expressible += 1;
        return bad_request("the query would have to change");
    }
    if reply.status != 200 {
        counts.not_expressible += 1;
        // Only for a header that the client sent and that no exact name covers, or that it sent twice.
        let name = |entry: &HeadersEntry| String::from_utf8_lossy(&entry.key).to_ascii_lowercase();
        let mut sent = BTreeSet::new();
        let is_twice = asked.http.headers.iter().map(name).filter(|name| !sent.insert(name.clone())).count() > 0;
        if proxy == Proxy::Envoy || !is_twice && !remove.iter().any(|name| sent.contains(name)) {
            return Err(format!("{} without a header that the proxy can't remove: {remove:?}", reply.status));
        }
        return bad_request("it can't be carried out");
    }
    counts.allowed += 1;
    if !reply.body.is_empty() || reply.header("content-length") != Some("0") && *asked.http.method != *b"HEAD" {
        return Err("a body beside an allowed request".to_owned());
    }
    let gone: BTreeSet<&str> = reply.header("x-envoy-auth-headers-to-remove").unwrap_or_default().split(',').collect();
    for (name, value) in &set {
        if reply.values(name) != [value.as_str()] || gone.contains(name.as_str()) {
            return Err(format!("{name} is {:?}, and over gRPC {value:?}", reply.values(name)));
        }
    }
    for name in &remove {
        let is_removed = match proxy {
            Proxy::Envoy => gone.contains(name.as_str()),
            Proxy::Nginx | Proxy::Traefik | Proxy::Caddy | Proxy::Haproxy => reply.values(name) == [""],
        };
        if !is_removed {
            return Err(format!("{name} is not removed: {:?}", reply.values(name)));
        }
    }
    // What is neither written nor removed comes back as it was.
    for (name, value) in &reply.headers {
        if ["content-length", "x-modgud-headers", "x-envoy-auth-headers-to-remove"].contains(&name.as_str())
            || set.contains_key(name)
            || value.is_empty()
        {
            continue;
        }
        let sent: Vec<&[u8]> = asked
            .http
            .headers
            .iter()
            .filter(|entry| entry.key.eq_ignore_ascii_case(name.as_bytes()))
            .map(|entry| &*entry.value)
            .collect();
        if String::from_utf8_lossy(&sent.join(&b"; "[..])) != *value {
            return Err(format!("{name} is {value:?}, which neither modgud nor the client wrote"));
        }
    }
    Ok(())
}
