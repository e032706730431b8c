//! `modgud openapi page`: one HTML file with Swagger UI.

use super::OpenApiError;
use crate::cli::Exit;
use crate::openapi::Page;
use crate::read_limit::read_file_to_limit;
use std::path::{Path, PathBuf};

/// Maximum size of a file of Swagger UI, which has 1.5 MiB. A larger one is an error.
pub(super) const MAX_PART_BYTES: u64 = 16 * 1024 * 1024;

/// Writes a page that shows the merged document: one HTML file with Swagger UI in it.
///
/// The page loads the document from its own origin, and nothing else; its content security policy allows no other script. Swagger UI is not
/// part of modgud: take the npm package `swagger-ui-dist`, or run `make docs-page` in a copy of the repository.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  npm pack swagger-ui-dist && tar xzf swagger-ui-dist-*.tgz\n  modgud openapi page --swagger-ui package --output docs.html\n  modgud envoy --config modgud.yaml --docs swagger.json --docs-page docs.html > envoy.yaml"
)]
pub(in crate::cli) struct PageArgs {
    /// The folder with `swagger-ui-bundle.js` and `swagger-ui.css`
    #[arg(long, value_name = "FOLDER")]
    swagger_ui: PathBuf,
    /// The file to write, which is replaced; by default standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The title of the page
    #[arg(long, value_name = "TEXT", default_value = "API of the gateway")]
    title: String,
    /// The address of the document, as the page loads it
    #[arg(long, value_name = "URL", default_value = "/docs/swagger.json")]
    document: String,
}

pub(super) fn run(args: &PageArgs) -> Result<Exit, OpenApiError> {
    let PageArgs { swagger_ui, output, title, document } = args;
    let (script, style) = (swagger_ui.join("swagger-ui-bundle.js"), swagger_ui.join("swagger-ui.css"));
    let inputs = [&script, &style].map(|file| (file.as_path(), "a file of Swagger UI".to_owned()));
    super::check_output(output.as_deref(), inputs)?;
    let (script, style) = (part(&script)?, part(&style)?);
    let html = Page { script: &script, style: &style, title, document }.html()?;
    super::write(output.as_deref(), &html)
}

fn part(file: &Path) -> Result<String, OpenApiError> {
    let content = read_file_to_limit(file, MAX_PART_BYTES)
        .map_err(|error| OpenApiError::Read { file: file.to_path_buf(), error })?
        .ok_or_else(|| OpenApiError::PartTooLarge(file.to_path_buf()))?;
    String::from_utf8(content).map_err(|_| OpenApiError::NotText(file.to_path_buf()))
}
