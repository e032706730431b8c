//! Pages are plain: no sentence has more than 25 words, and no page uses a word that the glossary replaces.

use super::{documents, root};
use std::fs;
use std::path::Path;

/// The most words of a sentence. An inline code is one word.
const MAX_WORDS: usize = 25;

/// Words without a subject, or with several meanings. The glossary has more of them, each with the term to use instead.
const AVOIDED: [&str; 16] = [
    "whoever",
    "nobody",
    "somebody",
    "anybody",
    "everybody",
    "vouch",
    "vouches",
    "told",
    "said",
    "stands",
    "stand",
    "caution",
    "cautions",
    "comes to",
    "is to be",
    "by itself",
];

/// A paragraph, an item of a list or a cell of a table, and the number of its first line.
#[derive(Debug, PartialEq, Eq)]
struct Passage {
    line: usize,
    text: String,
}

/// The start of an item of a list, without its mark.
fn item(line: &str) -> Option<&str> {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let after_number = if number.len() < line.len() { number.strip_prefix(". ") } else { None };
    after_number.or_else(|| line.strip_prefix("- ")).or_else(|| line.strip_prefix("* "))
}

/// Everything outside fenced blocks and headings.
fn passages(markdown: &str) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut inside = false;
    let mut open = false;
    for (line, text) in (1..).zip(markdown.lines()) {
        let text = text.trim();
        if text.starts_with("```") {
            inside = !inside;
        }
        if inside || text.is_empty() || text.starts_with("```") || text.starts_with('#') {
            open = false;
        } else if let Some(row) = text.strip_prefix('|') {
            open = false;
            let row = row.replace("\\|", "/");
            passages.extend(
                row.split('|')
                    .flat_map(|cell| cell.split("<br>"))
                    .map(|cell| Passage { line, text: cell.trim().to_owned() }),
            );
        } else if let Some(item) = item(text) {
            open = true;
            passages.push(Passage { line, text: item.to_owned() });
        } else if let Some(last) = passages.last_mut().filter(|_| open) {
            last.text.push(' ');
            last.text.push_str(text);
        } else {
            open = true;
            passages.push(Passage { line, text: text.to_owned() });
        }
    }
    passages
}

/// The text with one word for each inline code, without the targets of links and without emphasis.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (number, part) in text.split('`').enumerate() {
        plain.push_str(if number % 2 == 1 { "CODE" } else { part });
    }
    let mut rest = plain.as_str();
    let mut without_targets = String::new();
    while let Some((before, after)) = rest.split_once("](") {
        without_targets.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    without_targets.push_str(rest);
    without_targets.replace(['*', '['], "")
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(". ").flat_map(|part| part.split_inclusive("? ")).map(str::trim)
}

fn words(sentence: &str) -> usize {
    sentence.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// Returns true if the phrase occurs as whole words, in any case.
fn uses(text: &str, phrase: &str) -> bool {
    let letters = |text: &str| -> String {
        let lower = text.to_lowercase();
        let plain = lower.chars().map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' });
        let plain: String = plain.collect();
        format!(" {} ", plain.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    letters(text).contains(&letters(phrase))
}

/// The words of the glossary's last column: those that pages do not use.
fn replaced() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let rows = super::blocks::rows(&text);
    let cells = rows.iter().filter_map(|row| row.get(3));
    let words = cells.flat_map(|cell| cell.split(", ")).map(|word| word.trim_matches('"').to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

fn name(document: &Path) -> String {
    document.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn sentences_are_short() {
    let mut long = Vec::new();
    for document in documents() {
        for Passage { line, text } in passages(&fs::read_to_string(&document).unwrap()) {
            for sentence in sentences(&plain(&text)).filter(|sentence| words(sentence) > MAX_WORDS) {
                long.push(format!("{}:{line}: {} words: {sentence}", name(&document), words(sentence)));
            }
        }
    }
    assert_eq!(long, [""; 0], "no sentence has more than {MAX_WORDS} words");
}

#[test]
fn pages_use_the_terms_of_the_glossary() {
    let mut avoided: Vec<String> = AVOIDED.map(str::to_owned).to_vec();
    avoided.extend(replaced());
    assert!(avoided.len() > AVOIDED.len() + 10, "the glossary's last column is not read");
    let mut found = Vec::new();
    for document in documents().into_iter().filter(|document| !document.ends_with("docs/glossary.md")) {
        for Passage { line, text } in passages(&fs::read_to_string(&document).unwrap()) {
            let text = plain(&text);
            let used = avoided.iter().filter(|phrase| uses(&text, phrase));
            found.extend(used.map(|phrase| format!("{}:{line}: `{phrase}`: {text}", name(&document))));
        }
    }
    assert_eq!(found, [""; 0]);
}

/// Some 50 terms on one page, each with a meaning and a source, in alphabetical order.
#[test]
fn the_glossary_is_one_page_of_terms() {
    let rows = super::blocks::rows(&fs::read_to_string(root().join("docs/glossary.md")).unwrap());
    assert!((25..=60).contains(&rows.len()), "{} terms", rows.len());
    for row in &rows {
        assert!(row.len() == 4 && row.iter().take(3).all(|cell| !cell.is_empty()), "{row:?}");
    }
    let terms: Vec<String> = rows.iter().filter_map(|row| row.first()).map(|term| term.to_lowercase()).collect();
    assert!(terms.is_sorted(), "{terms:?}");
}

#[test]
fn passages_sentences_and_words_are_found() {
    let text = "# No heading\nOne two.\nThree `a b` [four](x.md). Five?\n\n- six\n  seven\n1. eight\n| a | b c |\n```\nno\n```\n";
    let found: Vec<(usize, String)> = passages(text)
        .into_iter()
        .map(|Passage { line, text }| (line, plain(&text)))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let expected = [(2, "One two. Three CODE four. Five?"), (5, "six seven"), (7, "eight"), (8, "a"), (8, "b c")];
    assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    assert_eq!(sentences("One two. Three? Four").collect::<Vec<_>>(), ["One two.", "Three?", "Four"]);
    assert_eq!(words("one — CODE, two's 3 %."), 4);
    assert!(uses("It is TOLD.", "told") && uses("what comes to it", "comes to") && !uses("untold", "told"));
}
