//! The fenced blocks and the links of a Markdown file, as far as this project's documents use them.

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// What stands behind the opening fence.
    pub(super) info: String,
    /// Its lines.
    pub(super) text: String,
    /// The number of its first line.
    pub(super) line: usize,
}

/// All fenced blocks, in their order.
pub(super) fn blocks(markdown: &str) -> Vec<Block> {
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

#[test]
fn blocks_and_links_are_found() {
    let text = "[a](b.md#c)\n```sh grpcurl\nx [d](e)\n```\n\n```json output\n{}\n```\n[f](g), [h](i)\n";
    let block = |info: &str, text: &str, line| Block { info: info.to_owned(), text: text.to_owned(), line };
    assert_eq!(blocks(text), [block("sh grpcurl", "x [d](e)\n", 3), block("json output", "{}\n", 7)]);
    assert_eq!(links(text), ["b.md#c", "g", "i"]);
}
