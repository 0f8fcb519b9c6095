//! A project's folder: written as a whole, or not at all.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::File;
use crate::trust::shown;

/// Why a project was not written. Nothing of it is there.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// What is there would be mixed with it.
    #[error("{} is not empty", shown(.0))]
    NotEmpty(PathBuf),
    /// Something that is no folder is there.
    #[error("{} is no folder", shown(.0))]
    NoFolder(PathBuf),
    /// The disk or the rights.
    #[error("{} cannot be written", shown(.path))]
    Unwritten {
        /// The project's folder.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// Writes the files into a folder beside this one, and then gives that its name.
pub(super) fn write(folder: &Path, files: &[File]) -> Result<(), FolderError> {
    let unwritten = |cause| FolderError::Unwritten { path: folder.to_owned(), cause };
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(FolderError::NotEmpty(folder.to_owned())),
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(FolderError::NoFolder(folder.to_owned())),
        Err(error) => return Err(unwritten(error)),
    }
    let name = folder.file_name().ok_or_else(|| unwritten(io::Error::other("it has no name of its own")))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.new", std::process::id()));
    let new = folder.with_file_name(hidden);
    fs::create_dir(&new).map_err(unwritten)?;
    // An empty folder that is there is taken the place of.
    let written = fill(&new, files).and_then(|()| fs::rename(&new, folder));
    written.map_err(|error| {
        // Whatever stopped the writing is what there is to say.
        let _ = fs::remove_dir_all(&new);
        match error.kind() {
            io::ErrorKind::DirectoryNotEmpty => FolderError::NotEmpty(folder.to_owned()),
            _ => unwritten(error),
        }
    })
}

fn fill(folder: &Path, files: &[File]) -> io::Result<()> {
    for File { path, text } in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}
