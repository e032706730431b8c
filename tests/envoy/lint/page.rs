//! The tables of `docs/envoy-lint.md`, one for each kind, are those of the program.

use crate::readme::rows;
use modgud::envoy::lint::{Code, Kind};
use std::fs;
use std::path::Path;

#[test]
fn the_page_has_the_codes_of_the_program() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/envoy-lint.md")).unwrap();
    for (kind, heading) in [(Kind::Hole, "### Holes"), (Kind::Breaks, "### Breaks"), (Kind::Undecided, "### Undecided")] {
        let of_kind = Code::ALL.iter().filter(|code| code.kind() == kind);
        let expected: Vec<Vec<String>> = of_kind
            .map(|code| {
                let causes = [(code.is_left_out(), "left out"), (code.needs_config(), "`--config`")];
                let marks: Vec<&str> = causes.into_iter().filter_map(|(is_so, mark)| is_so.then_some(mark)).collect();
                vec![format!("`{code}`"), code.happens().to_owned(), code.instead().to_owned(), marks.join(", ")]
            })
            .collect();
        let section = page.split_once(heading).unwrap_or_else(|| panic!("no {heading}")).1;
        let section = section.split_once("\n#").map_or(section, |(section, _)| section);
        let written: Vec<Vec<String>> = rows(section)
            .into_iter()
            .filter(|row| row.len() == 4 && row.first().is_some_and(|cell| cell.starts_with('`')))
            .collect();
        let text: Vec<String> = expected.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
        assert!(written == expected, "the table below {heading} should be\n{}", text.join("\n"));
    }
}
