//! The messages of `docs/bearer.md`, with tokens and a key in the places of their names.

use super::{Stdio, fill};
use crate::readme::block;
use std::collections::HashSet;
use tempfile::tempdir;

#[tokio::test]
async fn messages_are_answered_as_documented() {
    let (input, output) = (block("docs/bearer.md", "text stdio"), block("docs/bearer.md", "text stdio output"));
    let names =
        [("EXPIRED_TOKEN", "{expired}"), ("READ_TOKEN", "{reader}"), ("TOKEN", "{good}"), ("\"PUBLIC_KEY\"", "{pem}")];
    for (name, _) in names {
        assert!(input.contains(name), "{name}");
    }
    let input = fill(&names.iter().fold(input, |text, (name, value)| text.replace(name, value)));
    let folder = tempdir().unwrap();
    let mut stdio = Stdio::start(folder.path(), &[]);
    stdio.send(&input).await;
    for expected in output.lines() {
        assert_eq!(stdio.reply().await, expected);
    }
    let (code, errors) = stdio.end().await;
    assert_eq!((code, errors.as_str()), (Some(0), block("docs/bearer.md", "text stdio errors").as_str()));
    let kinds: HashSet<&str> = output.lines().filter_map(|line| line.split("\"status\": ").nth(1)?.get(..3)).collect();
    assert_eq!(kinds, HashSet::from(["200", "400", "401", "403"]));
}
