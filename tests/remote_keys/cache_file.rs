//! A `cache_file` that another user could have written: `modgud check` warns of it, and a server logs that it ignores it.

use super::asked::yaml;
use crate::cli::process::{Serving, run_in};
use modgud_testbed::http::Exchange;
use modgud_testbed::idp::{Idp, IdpKey, Reply};
use rustix::process::{Signal, geteuid};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

/// A user who is neither root nor the one who runs the tests.
const STRANGER: u32 = 65_533;
/// The largest file that is read.
const BOUND: usize = 2 * 1024 * 1024;
/// How a server begins what it says of a file that it does not believe.
const NOT_USED: &str = "JWKS cache file not used";

/// Gives a file to another user. Only root can: without, it says so, and there is nothing to test.
#[expect(clippy::print_stderr, reason = "the output says what was not tested")]
fn given_away(file: &Path) -> bool {
    let root = geteuid().is_root();
    if root {
        chown(file, Some(STRANGER), None).unwrap();
    } else {
        eprintln!("not run as root: no file can be given to another user, so no file of another owner is tested");
    }
    root
}

/// The text for a file of another owner.
fn of_another_owner() -> String {
    let own = geteuid().as_raw();
    format!(
        "the file's owner has id {STRANGER}, and modgud runs with id {own}, so its keys may be forged; remove it, or run `chown {own}`"
    )
}

const WRITABLE: &str = "other users can write the file, so its keys may be forged; make it writable by its owner only";

/// What `modgud check` warns of, for the file `keys.json` in this folder.
async fn warnings(folder: &Path, kind: &str) -> Vec<String> {
    let key = match kind {
        "jwks" => "jwks: { url: 'https://login.example.com/jwks', cache_file: keys.json }",
        _ => "oidc: { issuer: 'https://login.example.com', cache_file: keys.json }",
    };
    fs::write(folder.join("modgud.yaml"), yaml(key)).unwrap();
    let output = run_in(folder, &[], &["check", "--offline", "--config", "modgud.yaml"]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{}", output.out);
    let warnings = output.out.lines().filter_map(|line| line.strip_prefix("warning: "));
    let warnings: Vec<String> = warnings.filter(|line| line.contains("cache_file")).map(str::to_owned).collect();
    let denied = run_in(folder, &[], &["check", "--offline", "--config", "modgud.yaml", "--deny-warnings"]).await;
    assert!(warnings.is_empty() || denied.code == Some(1), "{}", denied.out);
    warnings
}

#[tokio::test]
async fn check_warns_of_a_cache_file_that_would_not_be_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("keys.json"), folder.path().join("elsewhere.json"));
    for kind in ["jwks", "oidc"] {
        let place = format!("authenticators[0].jwt.keys[0].{kind}.cache_file: modgud does not use `keys.json`: ");
        let until =
            "; until then, modgud has no keys after a restart while the provider is down [cache-file-untrusted]";
        let warned = async |what: &str| {
            let [warning] = <[String; 1]>::try_from(warnings(folder.path(), kind).await).unwrap();
            assert!(warning.ends_with(&format!("{place}{what}{until}")), "{warning}");
            assert!(warning.starts_with("modgud.yaml:7:"), "{warning}");
        };
        // None is there yet; one of one's own; a link to one of one's own.
        assert_eq!(warnings(folder.path(), kind).await, [""; 0]);
        fs::write(&target, "").unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o644)).unwrap();
        symlink(&target, &path).unwrap();
        assert_eq!(warnings(folder.path(), kind).await, [""; 0]);
        fs::set_permissions(&target, Permissions::from_mode(0o664)).unwrap();
        warned(WRITABLE).await;
        fs::set_permissions(&target, Permissions::from_mode(0o644)).unwrap();
        if given_away(&target) {
            warned(&of_another_owner()).await;
            fs::rename(&target, &path).unwrap();
            warned(&of_another_owner()).await;
        } else {
            fs::rename(&target, &path).unwrap();
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        warned("the file is not a regular file; remove it").await;
        fs::remove_dir(&path).unwrap();
    }
}

#[tokio::test]
async fn a_server_logs_which_cache_file_it_rejects_and_why() {
    let key = IdpKey::new("key");
    let idp = Idp::of(&[&key]).await;
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("keys.json"), folder.path().join("elsewhere.json"));
    let entry = format!("jwks: {{ url: {:?}, refresh: 1s, cache_file: keys.json }}", idp.url("/jwks"));
    fs::write(folder.path().join("modgud.yaml"), yaml(&entry)).unwrap();
    let start = async || Serving::start(folder.path(), "", &["--config", "modgud.yaml"]).await;
    // The file is written before the next question is asked.
    let serving = start().await;
    idp.wait_for_requests("/jwks", 2).await;
    assert_eq!(serving.end(Signal::TERM).await.code, Some(0));
    let written = fs::read(&path).unwrap();
    idp.reply("/jwks", Reply::Close);

    // A restart while the provider is down: whether it is ready, and what it says of the file.
    let restart = async || {
        let (serving, before) = (start().await, idp.count("/jwks"));
        // The file is read before the first question, and readiness waits for its end.
        idp.wait_for_requests("/jwks", before + 2).await;
        let ready = Exchange::get(serving.admin, "/readyz").await.unwrap().body;
        let output = serving.end(Signal::TERM).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
        let events = output.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let reported = events.filter(|event| event["message"] == NOT_USED).map(|event| {
            assert_eq!((event["level"].as_str(), event["file"].as_str()), (Some("WARN"), Some("keys.json")), "{event}");
            event["error"].as_str().unwrap().to_owned()
        });
        (String::from_utf8(ready).unwrap(), reported.collect::<Vec<String>>())
    };
    let believed = ("ready\n".to_owned(), Vec::new());
    let not_believed = |why: &str| ("not ready: keys of idp\n".to_owned(), vec![why.to_owned()]);

    assert_eq!(restart().await, believed);
    fs::rename(&path, &target).unwrap();
    symlink(&target, &path).unwrap();
    assert_eq!(restart().await, believed, "a link to one's own file");
    fs::set_permissions(&target, Permissions::from_mode(0o622)).unwrap();
    assert_eq!(restart().await, not_believed(WRITABLE));
    fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
    let mut large = written.clone();
    large.resize(BOUND + 1, b' ');
    fs::write(&target, large).unwrap();
    let too_large = format!("the file is larger than {BOUND} bytes, which modgud never writes; remove it");
    assert_eq!(restart().await, not_believed(&too_large), "its first part is the whole set");
    fs::write(&target, written).unwrap();
    if given_away(&target) {
        assert_eq!(restart().await, not_believed(&of_another_owner()), "through a link");
        fs::rename(&target, &path).unwrap();
        assert_eq!(restart().await, not_believed(&of_another_owner()));
    }
}
