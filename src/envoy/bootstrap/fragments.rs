//! The parts of the configuration that an Envoy with a configuration of its own needs to call modgud.

use super::xds::outdented;
use super::{Bootstrap, BootstrapError, File, render};

impl Bootstrap<'_> {
    /// Returns the parts as one YAML document. `layered_runtime` and `static_resources` are those keys of Envoy's own file;
    /// `http_connection_manager` has settings for each of its HTTP connection managers. Modules and listeners have no effect.
    ///
    /// # Errors
    /// [`BootstrapError`] if an input contradicts modgud's configuration.
    pub fn fragments(&self) -> Result<String, BootstrapError> {
        let yaml = render(File::Filter, self.values(None)?)?;
        let is_key = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase());
        let mut fragments: Vec<String> = vec![String::new()];
        for line in yaml.lines() {
            if is_key(line) {
                fragments.push(String::new());
            }
            if let Some(fragment) = fragments.last_mut() {
                fragment.extend([line, "\n"]);
            }
        }
        Ok(fragments.iter().map(|fragment| outdented(fragment)).collect())
    }
}
