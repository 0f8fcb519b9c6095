//! The configuration files: which there are, in which order, and reading one with care.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    position::Position,
    problem::{ConfigError, Problem},
};
use crate::plain::whole_line;

/// Where configuration files are looked for. Later ones lie over earlier ones: the system's, then the user's.
#[derive(Debug, Clone)]
pub struct Layers {
    /// The system's folder, such as `/etc/flytoken`.
    pub system: PathBuf,
    /// The user's own files; none without a home directory.
    pub user: Option<UserFiles>,
    /// The home directory, which people call `~`.
    pub home: Option<PathBuf>,
    /// The user who, besides root, may own and write what is read.
    pub uid: u32,
}

/// The user's own files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserFiles {
    /// `config.yaml` and `config.d/*.yaml` in this folder, as far as they exist.
    Folder(PathBuf),
    /// This one file, which must exist, since somebody named it.
    Named(PathBuf),
}

impl Layers {
    /// The folders in which a change can change the configuration, existing or not: what an agent watches.
    pub fn folders(&self) -> Vec<PathBuf> {
        let pair = |folder: &Path| [folder.to_owned(), folder.join(DROP_INS)];
        let mut folders = Vec::from(pair(&self.system));
        match &self.user {
            Some(UserFiles::Folder(folder)) => folders.extend(pair(folder)),
            Some(UserFiles::Named(file)) => folders.extend(file.parent().map(Path::to_owned)),
            None => {}
        }
        folders
    }

    /// The files to read, in order, each with whether it must be there; and what is wrong with the folders.
    pub(super) fn files(&self) -> (Vec<(PathBuf, bool)>, Vec<ConfigError>) {
        let (mut files, mut errors) = (Vec::new(), Vec::new());
        let mut folder = |folder: &Path| {
            files.push((folder.join(MAIN), false));
            let drop_ins = folder.join(DROP_INS);
            match list(&drop_ins) {
                Ok(found) => files.extend(found.into_iter().map(|file| (file, false))),
                Err(problem) => errors.push(self.error(&drop_ins, None, problem)),
            }
        };
        folder(&self.system);
        match &self.user {
            Some(UserFiles::Folder(user)) => folder(user),
            Some(UserFiles::Named(file)) => files.push((file.clone(), true)),
            None => {}
        }
        (files, errors)
    }

    /// What people call a file.
    pub(crate) fn name(&self, path: &Path) -> String {
        let below_home = self.home.as_deref().filter(|home| home.parent().is_some()).and_then(|home| path.strip_prefix(home).ok());
        let name = below_home.map_or_else(|| path.display().to_string(), |rest| format!("~/{}", rest.display()));
        whole_line(&name)
    }

    /// An error about a whole file.
    pub(super) fn error(&self, path: &Path, position: Option<Position>, problem: Problem) -> ConfigError {
        ConfigError { file: self.name(path), position, key: String::new(), problem: Box::new(problem) }
    }

    /// The text of a file, or nothing if it does not exist.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<String>, ConfigError> {
        let unreadable = |error: &io::Error| self.error(path, None, Problem::Unreadable(error.to_string()));
        if let Err(error) = fs::symlink_metadata(path) {
            return if is_missing(&error) { Ok(None) } else { Err(unreadable(&error)) };
        }
        // A link whose target is gone was meant to be something: an error, unlike a file that is not there.
        fs::metadata(path).map_err(|error| unreadable(&error)).and_then(|data| {
            // A pipe or device could block the agent or never end.
            if data.is_file() { Ok(()) } else { Err(self.error(path, None, Problem::Unreadable("it is not a file".into()))) }
        })?;
        let real = crate::trust::check(path, self.uid).map_err(|error| self.error(path, None, Problem::Untrusted(error.to_string())))?;
        let mut bytes = Vec::new();
        File::open(real).and_then(|file| file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)).map_err(|error| unreadable(&error))?;
        if bytes.len() > MAX_FILE {
            return Err(self.error(path, None, Problem::TooLarge(MAX_FILE / 1024)));
        }
        // The parser takes an editor's byte order mark for a column of the first line, and the second line for another document.
        if bytes.starts_with("\u{feff}".as_bytes()) {
            bytes.drain(.."\u{feff}".len());
        }
        String::from_utf8(bytes).map(Some).map_err(|error| {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let good = String::from_utf8_lossy(good);
            let line = good.matches('\n').count() + 1;
            let column = good.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
            self.error(path, Some(Position { line, column }), Problem::NotText)
        })
    }
}

/// The files of a folder that count, sorted by name; none if there is no folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let unreadable = |error: io::Error| Problem::Unreadable(error.to_string());
    let entries = match fs::read_dir(folder) {
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        // An editor's hidden copies are no configuration.
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|end| end == "yaml") {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(Problem::TooManyFiles(MAX_FILES));
        }
    }
    files.sort();
    Ok(files)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

const MAIN: &str = "config.yaml";
const DROP_INS: &str = "config.d";

/// Largest file: a thousand times a long configuration, and small enough to read at every change.
const MAX_FILE: usize = 1 << 20;

/// Most files in one `config.d`.
const MAX_FILES: usize = 256;
