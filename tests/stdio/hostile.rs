//! Input that is meant to break the reader: each message costs only itself, and memory stays bounded.

use super::{PATIENCE, Stdio, fill};
use std::fs;
use std::path::Path;
use tempfile::tempdir;
use tokio::time::timeout;

/// A message that is answered whatever came before it.
const NEXT: &str = r#"{"type":"api_request","msg_id":"next","method":"GET","path":"/api/users"}"#;
const NEXT_REPLY: &str =
    r#"{"type": "api_response", "in_reply_to": "next", "status": 401, "error": "Invalid or expired token"}"#;

const NEXT_CAUSE: &str = "modgud: message next: status 401, no_key: no token can be verified; send `init` with a usable `jwt_public_key` first\n";

/// Sends bytes and then a message. Returns the replies before that of the message, and the reports before its own.
async fn replies(input: &[u8]) -> (Vec<String>, String) {
    let folder = tempdir().unwrap();
    let mut stdio = Stdio::start(folder.path(), &[]);
    stdio.send_bytes(&[input, b"\n", NEXT.as_bytes()].concat()).await;
    let mut replies = Vec::new();
    loop {
        match stdio.reply().await {
            reply if reply == NEXT_REPLY => break,
            reply => replies.push(reply),
        }
    }
    let (code, errors) = stdio.end().await;
    assert_eq!(code, Some(0), "{errors}");
    (replies, errors.strip_suffix(NEXT_CAUSE).unwrap().to_owned())
}

fn invalid(error: &str) -> String {
    format!(r#"{{"type": "api_response", "in_reply_to": 1, "status": 400, "error": "{error}"}}"#)
}

/// What is before and after a value that replaces it.
fn around(value: &[u8]) -> Vec<u8> {
    let before = br#"{"type":"api_request","msg_id":1,"method":"GET","path":"/api/users","headers":{"x-a":"#;
    [before.as_slice(), value, b"}}"].concat()
}

#[tokio::test]
async fn depth_costs_nothing() {
    let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    let (found, errors) = replies(&around(&deep)).await;
    assert_eq!((found, errors.as_str()), (vec![invalid("`headers.x-a` is a list; write a text")], ""));
    let deep = [br#"{"body":"#.repeat(50_000), b"1".to_vec(), b"}".repeat(50_000)].concat();
    let (found, errors) = replies(&deep).await;
    assert_eq!(found, [""; 0]);
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_wrong_where_they_are() {
    let unicode = "is not Unicode text; write UTF-8 without single surrogates";
    let (found, errors) = replies(&around(b"\"\xff\"")).await;
    assert_eq!((found, errors.as_str()), (vec![invalid(&format!("`headers.x-a` {unicode}"))], ""));
    let (found, _) = replies(&around(b"\"a\",\"\xc3\x28\":\"b\"")).await;
    let name = "`headers` has a name that is not Unicode text; write UTF-8 without single surrogates";
    assert_eq!(found, [invalid(name)]);
    let (found, errors) = replies(b"{\"type\":\"api_request\",\"msg_id\":\"\xff\"}\n\xff\xfe\0\0{\0}").await;
    assert_eq!(found, [""; 0]);
    assert!(
        errors.contains("line 1, column 1 of the input") && errors.contains("line 2, column 1 of the input"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_member_many_times_is_one_error() {
    let many = br#""type":"api_request","#.repeat(40_000);
    let (found, errors) = replies(&[b"{".as_slice(), &many, br#""msg_id":1}"#].concat()).await;
    assert_eq!((found, errors.as_str()), (vec![invalid("`type` is there twice; write it once")], ""));
    let ids = br#""msg_id":1,"#.repeat(80_000);
    let (found, _) = replies(&[b"{".as_slice(), &ids, br#""type":"api_request"}"#].concat()).await;
    assert_eq!(found, [invalid("`msg_id` is there twice; write it once")]);
}

/// Megabytes on one line are skipped, and take no more memory than the largest value.
#[tokio::test]
async fn memory_is_bounded() {
    let folder = tempdir().unwrap();
    let mut stdio = Stdio::start(folder.path(), &[]);
    assert_eq!(stdio.ask(NEXT).await, NEXT_REPLY);
    let before = peak(stdio.id());
    let piece = vec![b'y'; 1024 * 1024];
    for start in [b"{\"msg_id\":1,\"a\":\"".as_slice(), b"rubbish", b"{\"a\":[[[["] {
        stdio.send_bytes(start).await;
        for _ in 0..16 {
            stdio.send_bytes(&piece).await;
        }
        stdio.send_bytes(b"\n").await;
    }
    assert_eq!(stdio.ask(NEXT).await, NEXT_REPLY);
    let grown = peak(stdio.id()).saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB more");
    assert_eq!(stdio.end().await.0, Some(0));
}

/// The greatest memory of a process so far, in KiB (`proc_pid_status(5)`).
fn peak(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// A client that is gone ends the gateway, though its input is still open.
#[tokio::test]
async fn a_closed_output_ends_it() {
    let mut stdio = Stdio::start(Path::new("/"), &[]);
    stdio.close_output();
    stdio.send(NEXT).await;
    let (code, errors) = timeout(PATIENCE, stdio.wait()).await.unwrap();
    assert_eq!(code, Some(1));
    assert!(errors.contains("modgud: standard output can't be written: "), "{errors}");
}

/// Neither a reply nor a report repeats a credential, wherever it is.
#[tokio::test]
async fn no_reply_repeats_a_credential() {
    let input = fill(
        r#"{"type":"api_request","msg_id":1,"method":"GET","path":"/api/users","headers":{"Bearer {good}":1}}
{"type":"{good}","msg_id":1}
{"type":"api_request","msg_id":1,"{good}":1}
{"type":"api_request","{good}":1}
{"src":"a","dest":"b","{good}":1,"body":{"msg_id":1}}
{good} {"{good}
"#,
    );
    let (found, errors) = replies(input.as_bytes()).await;
    assert_eq!(found.len(), 4, "{found:?}");
    let signature = input.rsplit('.').next().unwrap().trim();
    for text in found.iter().chain([&errors]) {
        assert!(!text.contains("eyJ") && !text.contains(signature), "{text}");
    }
}

/// A reader of standard error that is absent delays no reply: lines beyond the limit are dropped.
#[tokio::test]
async fn replies_do_not_wait_for_a_reader_of_standard_error() {
    let mut stdio = Stdio::start(Path::new("/"), &[]);
    // A pipe holds 64 KiB (`pipe(7)`), and the queue 1,024 lines of some 120 bytes.
    for _ in 0..4_000 {
        assert_eq!(stdio.ask(NEXT).await, NEXT_REPLY);
    }
    let (code, errors) = stdio.end().await;
    assert_eq!(code, Some(0));
    let lines = errors.matches(NEXT_CAUSE).count();
    assert!((500..4_000).contains(&lines), "{lines} lines");
}

/// A cause is one short line, whatever the sender writes.
#[tokio::test]
async fn a_cause_has_no_control_characters() {
    let folder = tempdir().unwrap();
    let mut stdio = Stdio::start(folder.path(), &[]);
    stdio.ask(&fill(r#"{"type":"init","msg_id":0,"jwt_public_key":{pem}}"#)).await;
    let permission = format!(r"\u001b[31m\n\u202e{}", "y".repeat(10_000));
    let message = r#"{"type":"api_request","msg_id":"a\u001b\nb","method":"GET","path":"/","headers":{"Authorization":"Bearer {good}"},"required_permission":"PERMISSION"}"#;
    stdio.ask(&fill(&message.replace("PERMISSION", &permission))).await;
    let (_, errors) = stdio.end().await;
    let line = errors.strip_suffix('\n').unwrap();
    assert!(
        line.starts_with("modgud: message ab: status 403, permission_missing: the caller lacks the permission `[31my")
    );
    assert!(line.len() < 500 && !line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
}
