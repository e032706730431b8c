//! The table of `docs/envoy-lint.md` is that of the program.

use crate::readme::rows;
use modgud::envoy::lint::Code;
use std::fs;
use std::path::Path;

#[test]
fn the_page_has_the_codes_of_the_program() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/envoy-lint.md");
    let yes = |flag: bool| if flag { "yes" } else { "" };
    let expected: Vec<Vec<String>> = Code::ALL
        .iter()
        .map(|code| {
            let name = format!("`{code}`");
            let cells = [
                &name,
                code.kind().word(),
                yes(code.is_left_out()),
                yes(code.needs_config()),
                code.happens(),
                code.instead(),
            ];
            cells.map(str::to_owned).to_vec()
        })
        .collect();
    let written: Vec<Vec<String>> = rows(&fs::read_to_string(page).unwrap())
        .into_iter()
        .filter(|row| row.len() == 6 && row.first().is_some_and(|cell| cell.starts_with('`')))
        .collect();
    let text: Vec<String> = expected.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    assert!(written == expected, "the table should be\n{}", text.join("\n"));
}
