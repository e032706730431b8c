//! `modgud man`: manual pages, from the definitions of the command line.

use super::{Exit, counted, definitions, print_error, print_line};
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes manual pages: one for modgud, and one for each command.
///
/// The pages are made from the same definitions as `--help`, so write them again after an upgrade.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modgud man | man --local-file -                        # the page of modgud\n  modgud man --output ~/.local/share/man/man1            # all pages; then: man modgud-serve"
)]
pub(super) struct Args {
    /// The folder for all pages, which is created if it does not exist; without it, the page of modgud is printed
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Exit {
    let mut command = definitions();
    command.build();
    let Some(folder) = &args.output else {
        return match render(&command) {
            Ok(page) => {
                let _ = io::stdout().lock().write_all(page.as_bytes());
                Exit::Done
            }
            Err(error) => print_error(error),
        };
    };
    match fs::create_dir_all(folder).and_then(|()| write(&command, folder)) {
        Ok(number) => {
            print_line(format_args!("{} in {}", counted(number, "page", "pages"), folder.display()));
            Exit::Done
        }
        Err(error) => print_error(format_args!("{}: {error}", folder.display())),
    }
}

/// Writes the page of a command and those of the commands below it. Returns their number.
fn write(command: &Command, folder: &Path) -> io::Result<usize> {
    fs::write(folder.join(Man::new(command.clone()).get_filename()), render(command)?)?;
    let mut number: usize = 1;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        number = number.saturating_add(write(below, folder)?);
    }
    Ok(number)
}

/// Renders a page. Its examples are those of `--help`, line by line; `clap_mangen` would fill them into a paragraph.
fn render(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone());
    let title = man.get_filename();
    // Not by `clap_mangen`, which loses the empty date, so that the version would be the date.
    writeln!(page, ".TH {} 1 \"\" \"modgud {version}\" \"modgud\"", title.trim_end_matches(".1"))?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in examples.lines().filter_map(|line| line.strip_prefix("  ")) {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff.to_writer(&mut page)?;
    Ok(ascii(&String::from_utf8_lossy(&page)))
}

/// Writes characters beyond ASCII as escapes (`groff_char(7)`): not every formatter knows the encoding of a page. A terminal without Unicode has
/// no `…`, which is in descriptions.
fn ascii(page: &str) -> String {
    let mut ascii = String::with_capacity(page.len());
    for c in page.chars() {
        match c {
            '…' => ascii.push_str("..."),
            c if c.is_ascii() => ascii.push(c),
            c => {
                // Writing to a `String` does not fail.
                let _ = write!(ascii, "\\[u{:04X}]", u32::from(c));
            }
        }
    }
    ascii
}
