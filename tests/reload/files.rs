//! The ways in which files change. Nobody asks for anything here: the change itself is what is noticed.

use super::changing::Changing;
use super::generation::Generation;
use crate::support::{KEY, STRANGER};
use std::fs::{self, create_dir, remove_dir_all, remove_file, rename};
use std::os::unix::fs::symlink;
use std::path::Path;

#[tokio::test]
async fn written_in_place() {
    let mut changing = Changing::start(&Generation(1).yaml()).await;
    changing.serves(1).await;
    changing.write("modgud.yaml", &Generation(2).yaml());
    changing.accepted().await;
    changing.serves(2).await;
}

/// The same length, so that only its times and its inode tell it from the old one.
#[tokio::test]
async fn renamed_over() {
    let mut changing = Changing::start(&Generation(1).yaml()).await;
    for number in [3, 5] {
        changing.rename_over("modgud.yaml", &Generation(number).yaml());
        changing.accepted().await;
        changing.serves(number).await;
    }
}

/// An editor that moves the old file away, and then writes the new one.
#[tokio::test]
async fn moved_away_and_written_anew() {
    let mut changing = Changing::start(&Generation(1).yaml()).await;
    rename(changing.path("modgud.yaml"), changing.path("modgud.yaml~")).unwrap();
    changing.write("modgud.yaml", &Generation(2).yaml());
    changing.accepted().await;
    changing.serves(2).await;
}

#[tokio::test]
async fn removed_and_back_again() {
    let mut changing = Changing::start(&Generation(1).yaml()).await;
    remove_file(changing.path("modgud.yaml")).unwrap();
    changing.refused().await;
    changing.serves(1).await;
    changing.write("modgud.yaml", &Generation(2).yaml());
    changing.accepted().await;
    changing.serves(2).await;
}

/// Bad ones in a row leave the last good one, whichever that was.
#[tokio::test]
async fn spoilt_and_mended() {
    let mut changing = Changing::start(&Generation(1).yaml()).await;
    for number in [2, 3] {
        for bad in ["", "profile: bifrost\nfallbak: denied\n", "rules: [\n", "fallback: denied\n"] {
            changing.write("modgud.yaml", bad);
            changing.refused().await;
            changing.serves(number - 1).await;
        }
        changing.write("modgud.yaml", &Generation(number).yaml());
        changing.accepted().await;
        changing.serves(number).await;
    }
}

/// Writes a version of a mounted folder, as the kubelet does: in a folder of its own.
fn version(folder: &Path, name: &str, number: u64, pem: &str) {
    let version = folder.join(name);
    create_dir(&version).unwrap();
    fs::write(version.join("modgud.yaml"), format!("{}{BY_FILE}", Generation(number).yaml())).unwrap();
    fs::write(version.join("key.pem"), pem).unwrap();
}

/// An authenticator whose key is in a file in the configuration's folder.
pub(super) const BY_FILE: &str = "authenticators:
  - name: bifrost
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { file: key.pem } }] }
";

/// Kubernetes mounts a `ConfigMap` or Secret as symlinks by way of `..data`, which it swaps for all files at once.
#[tokio::test]
async fn a_mounted_folder_that_is_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (good, other) = (KEY.public_pem().unwrap(), STRANGER.public_pem().unwrap());
    version(folder.path(), "..2024_01", 1, &good);
    symlink("..2024_01", at("..data")).unwrap();
    for name in ["modgud.yaml", "key.pem"] {
        symlink(Path::new("..data").join(name), at(name)).unwrap();
    }
    let mut changing = Changing::of(folder).await;
    changing.serves(1).await;

    let swap = |changing: &Changing, old: &str, new: &str, number: u64, pem: &str| {
        let folder = changing.sidecar.folder();
        version(folder, new, number, pem);
        symlink(new, folder.join("..data_tmp")).unwrap();
        rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        remove_dir_all(folder.join(old)).unwrap();
    };
    swap(&changing, "..2024_01", "..2024_02", 3, &good);
    changing.accepted().await;
    changing.serves(3).await;
    // A key that is none among files of the same length: all of the version is refused, not only the key.
    swap(&changing, "..2024_02", "..2024_03", 5, "no key");
    changing.refused().await;
    changing.serves(3).await;
    swap(&changing, "..2024_03", "..2024_04", 5, &good);
    changing.accepted().await;
    changing.serves(5).await;
    swap(&changing, "..2024_04", "..2024_05", 5, &other);
    changing.accepted().await;
    let answer = changing.ask(super::generation::Kind::User.check()).await;
    assert_eq!(answer.status(), Some(403), "generation 5 says 403 to a token of the key that is gone");
}
