//! The fenced blocks and the links of a Markdown file, as far as this project's documents use them.

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The text behind the opening fence.
    pub(crate) info: String,
    /// Its lines.
    pub(crate) text: String,
    /// The number of its first line.
    pub(crate) line: usize,
}

/// All fenced blocks, in their order.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (2..).zip(markdown.lines()) {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(Block { info: info.trim().to_owned(), text: String::new(), line: number });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block is not closed");
    blocks
}

/// The targets of all inline links outside fenced blocks.
pub(super) fn links(markdown: &str) -> Vec<String> {
    let mut inside = false;
    let mut links = Vec::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            inside = !inside;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).filter(|_| !inside);
        links.extend(targets.map(|(target, _)| target.to_owned()));
    }
    links
}

/// The anchors of all headings outside fenced blocks, as GitHub makes them. A second heading of the same text has `-1` at its end.
pub(super) fn anchors(markdown: &str) -> Vec<String> {
    let mut inside = false;
    let mut anchors: Vec<String> = Vec::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            inside = !inside;
        }
        let heading = line.trim_start_matches('#');
        if inside || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let lower = heading.trim().to_lowercase();
        let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let same = anchors.iter().filter(|one| **one == anchor).count();
        anchors.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
    }
    anchors
}

/// The cells of each row of the tables outside fenced blocks, without heads and the lines below them.
pub(crate) fn rows(markdown: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut rows = Vec::new();
    let mut in_body = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            inside = !inside;
        }
        let Some(row) = line.strip_prefix('|').and_then(|row| row.strip_suffix('|')).filter(|_| !inside) else {
            in_body = false;
            continue;
        };
        if row.chars().all(|c| matches!(c, '-' | ':' | '|' | ' ')) {
            in_body = true;
        } else if in_body {
            let escaped = row.replace("\\|", "\0");
            rows.push(escaped.split('|').map(|cell| cell.trim().replace('\0', "|")).collect());
        }
    }
    rows
}

#[test]
fn anchors_and_rows_are_found() {
    let text = "# A b, `c` (d)!\n## A b c d\n```\n# no\n| x |\n```\n#no\n| h | i |\n|---|---|\n| a | b \\| c |\n\n| only a head |\n";
    assert_eq!(anchors(text), ["a-b-c-d", "a-b-c-d-1"]);
    assert_eq!(rows(text), [["a", "b | c"]]);
}

#[test]
fn blocks_and_links_are_found() {
    let text = "[a](b.md#c)\n```sh grpcurl\nx [d](e)\n```\n\n```json output\n{}\n```\n[f](g), [h](i)\n";
    let block = |info: &str, text: &str, line| Block { info: info.to_owned(), text: text.to_owned(), line };
    assert_eq!(blocks(text), [block("sh grpcurl", "x [d](e)\n", 3), block("json output", "{}\n", 7)]);
    assert_eq!(links(text), ["b.md#c", "g", "i"]);
}
