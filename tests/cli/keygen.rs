//! `modgud keygen`: two files, the private one for its owner alone, and nothing overwritten.

use super::process::{Output, run_in};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

/// No line of a PEM block's content.
fn shows_nothing_of(output: &Output, pem: &str) {
    for line in pem.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!output.out.contains(line) && !output.err.contains(line), "a line of the key is in the output");
    }
}

#[tokio::test]
async fn a_pair_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let (private, public) = (folder.path().join("modgud-dev.key.pem"), folder.path().join("modgud-dev.pub.pem"));
    let output = run_in(folder.path(), &[], &["keygen"]).await;
    let expected = "modgud-dev.key.pem: the private key; it signs, keep it secret\n\
                    modgud-dev.pub.pem: the public key; add it to `keys` of an authenticator (profile bifrost: \
                    JWT_PUBLIC_KEY_RSA_BIFROST)\n\
                    next: modgud token mint --key modgud-dev.key.pem\n";
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(0), expected, ""));
    let (private_pem, public_pem) = (fs::read_to_string(&private).unwrap(), fs::read_to_string(&public).unwrap());
    assert!(private_pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(public_pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(mode(&private), 0o600);
    shows_nothing_of(&output, &private_pem);

    let again = run_in(folder.path(), &[], &["keygen"]).await;
    let expected = "modgud: modgud-dev.key.pem exists already, and is not overwritten; use another file\n";
    assert_eq!((again.code, again.out.as_str(), again.err.as_str()), (Some(1), "", expected));
    assert_eq!(fs::read_to_string(&private).unwrap(), private_pem);
    assert_eq!(fs::read_to_string(&public).unwrap(), public_pem);
}

#[tokio::test]
async fn half_a_pair_is_not_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b.pem"), "mine").unwrap();
    for (public, error) in [
        ("b.pem", "b.pem exists already, and is not overwritten; use another file"),
        ("a.pem", "a.pem exists already, and is not overwritten; use another file"),
        ("no/b.pem", "no/b.pem can't be written: No such file or directory (os error 2)"),
    ] {
        let output = run_in(folder.path(), &[], &["keygen", "--private", "a.pem", "--public", public]).await;
        assert_eq!((output.code, output.out, output.err), (Some(1), String::new(), format!("modgud: {error}\n")));
        assert!(!folder.path().join("a.pem").exists(), "a private key without its public half is left behind");
    }
    assert_eq!(fs::read_to_string(folder.path().join("b.pem")).unwrap(), "mine");
}

#[tokio::test]
async fn a_secret_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), &[], &["keygen", "--algorithm", "HS512"]).await;
    let expected = "modgud-dev.secret: the secret; it signs and verifies, share it with the verifier only\n\
                    next: modgud token mint --key modgud-dev.secret --algorithm HS512\n";
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(0), expected, ""));
    let secret = fs::read_to_string(folder.path().join("modgud-dev.secret")).unwrap();
    assert_eq!((secret.len(), mode(&folder.path().join("modgud-dev.secret"))), (86, 0o600));
    assert!(!secret.contains(char::is_whitespace));
    assert!(!output.out.contains(&secret));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let public = run_in(folder.path(), &[], &["keygen", "--algorithm", "HS256", "--public", "b.pem"]).await;
    let expected = "modgud: HS256 has no public key; remove --public\n";
    assert_eq!((public.code, public.out.as_str(), public.err.as_str()), (Some(1), "", expected));
}

#[tokio::test]
async fn a_pair_of_another_algorithm_names_its_place_in_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), &[], &["keygen", "--algorithm", "ES384"]).await;
    let expected = "modgud-dev.key.pem: the private key; it signs, keep it secret\n\
                    modgud-dev.pub.pem: the public key; add it to `keys` of an authenticator with ES384 in `algorithms`\n\
                    next: modgud token mint --key modgud-dev.key.pem\n";
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(0), expected, ""));
    shows_nothing_of(&output, &fs::read_to_string(folder.path().join("modgud-dev.key.pem")).unwrap());
}

#[tokio::test]
async fn a_pair_fits_together() {
    let folder = tempfile::tempdir().unwrap();
    let made = run_in(folder.path(), &[], &["keygen", "--private", "a.pem", "--public", "b.pem"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let read = |file| fs::read_to_string(folder.path().join(file)).unwrap();
    let key = modgud_core::jose::SigningKey::from_pem(&read("a.pem")).unwrap();
    assert_eq!(key.public_pem().unwrap(), read("b.pem"));
}
