//! Files that load, and their effective configuration, which is a file that loads and means the same.

use super::{environment, files, folder, load_file, meaning};
use crate::properties::runner;
use modgud::config::{EphemeralKeys, Keys, Loaded, Overrides, ProfileName, load, load_with_keys};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use std::fs;
use std::path::Path;

/// What is printed of a configuration, loaded again from there. Keys are replaced: those that stand in the file itself are not
/// printed.
fn again(printed: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("printed.yaml");
    fs::write(&file, printed).unwrap();
    let keys = Keys::Replaced(EphemeralKeys::default());
    load_with_keys(Some(&file), &Overrides::default(), &environment(), keys)
        .unwrap_or_else(|error| panic!("what was printed does not load: {error}\n{printed}"))
}

/// Both say the same, and what decides is the same.
fn assert_same(one: &Loaded, file: &Path) {
    let printed = one.yaml().unwrap();
    let other = again(&printed);
    assert_eq!(meaning(&printed), meaning(&other.yaml().unwrap()), "{}", file.display());
    assert_eq!(one.config.server, other.config.server, "{}", file.display());
    let in_words = |loaded: &Loaded| {
        let snapshot = &loaded.config.snapshot;
        format!(
            "{:?} {:?} {} {:?} {:?} {:?} {:?} {:?}",
            snapshot.extractor,
            snapshot.rules.fallback(),
            snapshot.rules.patterns(),
            snapshot.upstream,
            snapshot.denials,
            snapshot.responses,
            snapshot.deadline,
            snapshot.logged
        )
    };
    assert_eq!(in_words(one), in_words(&other), "{}", file.display());
}

#[test]
fn every_good_file_loads_and_what_is_printed_of_it_means_the_same() {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/profiles");
    for file in files(&folder("good"), "yaml") {
        let loaded = load_file(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_same(&loaded, &file);
    }
    // A profile names none: it is one.
    let overrides = Overrides { profile: Some(ProfileName::None), ..Overrides::default() };
    for file in files(&profiles, "yaml") {
        let loaded = load(Some(&file), &overrides, &environment()).unwrap_or_else(|error| panic!("{error}"));
        assert_same(&loaded, &file);
    }
}

#[test]
fn a_profile_alone_is_printed_as_a_file_of_its_own() {
    for profile in [ProfileName::Bifrost, ProfileName::Bearer, ProfileName::Orchescala, ProfileName::None] {
        let overrides = Overrides { profile: Some(profile), grpc: "[::1]:1".parse().ok(), ..Overrides::default() };
        let loaded = load(None, &overrides, &environment()).unwrap();
        assert_same(&loaded, Path::new("a profile"));
    }
}

/// Whatever a text says: it is printed so that it is read as the same text.
#[test]
fn any_text_is_printed_so_that_it_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    let odd = select(
        "\u{7f}\u{80}\u{85}\u{9f}\u{a0}\u{2028}\u{2029}\u{feff}\u{fffd}\u{ffff}\0\r\n\t \\\"'#:-"
            .chars()
            .collect::<Vec<_>>(),
    );
    let text = vec(prop_oneof![any::<char>(), odd], 0..12).prop_map(String::from_iter);
    let texts = vec(text, 1..8);
    runner(256)
        .run(&texts, |texts| {
            // Escapes only: what a YAML file may hold as it is, is not the question here.
            let escape = |c: char| format!("\\U{:08x}", u32::from(c));
            let escaped = |text: &String| format!("\"{}\"", text.chars().map(escape).collect::<Vec<_>>().concat());
            let absent = texts.iter().map(escaped).collect::<Vec<_>>().join(", ");
            fs::write(&file, format!("profile: none\nprincipal: {{ absent: [{absent}] }}\n")).unwrap();
            let loaded = load_file(&file).unwrap_or_else(|error| panic!("{error}"));
            let printed = meaning(&loaded.yaml().unwrap());
            assert_eq!(printed.pointer("/principal/absent").unwrap(), &serde_json::json!(texts));
            Ok(())
        })
        .unwrap();
}
