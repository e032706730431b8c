//! `modgud envoy --xds`: writes Envoy's configuration as files that Envoy reads again when they change.

use crate::envoy::bootstrap::{Bootstrap, BootstrapError, XdsFiles};
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The mode of the files: they hold no secret, and Envoy often runs as another user.
const MODE: u32 = 0o644;

/// Options for files.
#[derive(Debug, clap::Args)]
pub(super) struct Xds {
    /// Write `bootstrap.yaml`, `listeners.yaml`, `routes.yaml` and `clusters.yaml` into this folder. Envoy reads the last three again when
    /// they change, so a new module needs no restart
    #[arg(long = "xds", value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The path of that folder on Envoy's machine, such as the mount path of a `ConfigMap`; by default the folder itself
    #[arg(long = "xds-path", value_name = "PATH", requires = "folder", value_parser = absolute)]
    path: Option<PathBuf>,
}

/// Errors of writing the files.
#[derive(Debug, thiserror::Error)]
pub(super) enum XdsError {
    #[error("{0}: {1}; name a folder that can be written")]
    Write(PathBuf, io::Error),
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
}

/// A folder to write to, and its path on Envoy's machine.
pub(super) struct Files {
    folder: PathBuf,
    named: XdsFiles,
}

/// Checks that the path does not depend on where Envoy is started.
fn absolute(text: &str) -> Result<PathBuf, &'static str> {
    Some(PathBuf::from(text)).filter(|path| path.is_absolute()).ok_or("write an absolute path, such as `/etc/envoy`")
}

impl Xds {
    /// Returns the folder; `None` without `--xds`.
    ///
    /// # Errors
    /// [`XdsError::Write`] if the folder has no path.
    pub(super) fn files(self) -> Result<Option<Files>, XdsError> {
        let Self { folder: Some(folder), path } = self else { return Ok(None) };
        // Symbolic links stay: they may be replaced to switch to other files.
        let path = match path {
            Some(path) => path,
            None => std::path::absolute(&folder).map_err(|error| XdsError::Write(folder.clone(), error))?,
        };
        Ok(Some(Files { folder, named: XdsFiles::new(&path) }))
    }
}

impl Files {
    /// Writes the files, each by a rename, so that Envoy never reads a part of one. Returns a text about them.
    ///
    /// # Errors
    /// [`XdsError`]. The files before the one that could not be written are new then.
    pub(super) fn write(&self, bootstrap: &Bootstrap<'_>) -> Result<String, XdsError> {
        let Self { folder, named } = self;
        let files = bootstrap.xds(named)?;
        let fail = |error| XdsError::Write(folder.clone(), error);
        std::fs::create_dir_all(folder).map_err(fail)?;
        let before = std::fs::read_to_string(folder.join(XdsFiles::BOOTSTRAP)).ok();
        for (name, content) in &files {
            replace(folder, name, content).map_err(fail)?;
        }
        let start = format!("envoy --config-path {}/{}", named.folder(), XdsFiles::BOOTSTRAP);
        let is_other = |before: &String| files.iter().any(|(name, new)| name == XdsFiles::BOOTSTRAP && new != before);
        let next = match before {
            None => format!("start Envoy: {start}"),
            Some(before) if is_other(&before) => {
                format!("{} has changed, so restart Envoy: {start}", XdsFiles::BOOTSTRAP)
            }
            Some(_) => "a running Envoy reads them now, without a restart".to_owned(),
        };
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        Ok(format!("{}: wrote {}; {next}", folder.display(), names.join(", ")))
    }
}

/// Replaces a file of the folder by a rename.
fn replace(folder: &Path, name: &str, content: &str) -> io::Result<()> {
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(MODE)).tempfile_in(folder)?;
    file.write_all(content.as_bytes())?;
    file.persist(folder.join(name)).map(drop).map_err(|error| error.error)
}
