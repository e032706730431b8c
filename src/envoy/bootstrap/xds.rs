//! Envoy's configuration as files that Envoy reads again when they change (xDS from a folder): a bootstrap, listeners, routes and clusters.

use super::{Bootstrap, BootstrapError, File, render};
use minijinja::{Value, context};
use std::path::Path;

/// The resources, in the order in which they are written: a new route never names a cluster that has no file yet.
const RESOURCES: [File; 3] = [File::Clusters, File::Routes, File::Listeners];

/// The indentation of the first line of a resource.
const INDENTATION: usize = 2;

/// The folder of the files, as Envoy's machine names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XdsFiles {
    folder: String,
}

impl XdsFiles {
    /// The name of the file with which Envoy starts. A change of it needs a restart.
    pub const BOOTSTRAP: &str = "bootstrap.yaml";

    /// Makes the files of this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.display().to_string() }
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Returns the paths for the template.
    pub(super) fn value(&self) -> Value {
        let path = |file: File| Path::new(&self.folder).join(file_name(file)).display().to_string();
        context! {
            folder => self.folder.as_str(),
            bootstrap => path(File::Bootstrap),
            listeners => path(File::Listeners),
            routes => path(File::Routes),
            clusters => path(File::Clusters),
        }
    }
}

impl Bootstrap<'_> {
    /// Returns the names and contents of the files, in the order in which they should be written.
    ///
    /// # Errors
    /// [`BootstrapError`] if an input is missing or contradicts modgud's configuration.
    pub fn xds(&self, files: &XdsFiles) -> Result<Vec<(String, String)>, BootstrapError> {
        self.check_routes()?;
        let values = self.values(Some(files))?;
        let mut written = Vec::new();
        for file in RESOURCES {
            written.push((file_name(file), outdented(&render(file, values.clone())?)));
        }
        written.push((file_name(File::Bootstrap), render(File::Bootstrap, values)?));
        Ok(written)
    }
}

fn file_name(file: File) -> String {
    format!("{}.yaml", file.name())
}

/// Moves lines to the left: the template indents them as parts of the one file. No scalar has several lines.
pub(super) fn outdented(yaml: &str) -> String {
    let indentation = |line: &str| line.len().saturating_sub(line.trim_start_matches(' ').len());
    let indented = yaml.lines().map(indentation).filter(|spaces| *spaces > 0).min().unwrap_or(INDENTATION);
    let spaces = " ".repeat(indented.saturating_sub(INDENTATION));
    yaml.lines().flat_map(|line| [line.strip_prefix(&spaces).unwrap_or(line), "\n"]).collect()
}
