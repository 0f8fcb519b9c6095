//! Writing a file of the configuration.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use crate::{causes::with_causes, store::replace};

/// Puts a configuration file in place, through a link if it is one, with the mode that it has.
pub(super) fn place(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&path).ok().map(|metadata| metadata.permissions());
    replace(&path, text.as_bytes()).map_err(|error| io::Error::other(with_causes(&error)))?;
    mode.map_or(Ok(()), |mode| fs::set_permissions(&path, mode))
}
