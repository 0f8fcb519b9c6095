//! What there is of Docker's here: its file, and the program that it would start.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Context, failure};
use crate::{
    docker::{self, Configuration, HELPER, PROGRAM},
    programs::{CLIENT, installed_path},
    protocol::{Failure, FailureCode},
    trust::shown,
};

/// Docker's configuration, and the program.
pub(in crate::commands) struct Place {
    /// The file, existing or not.
    pub(in crate::commands) file: PathBuf,
    /// What it says.
    pub(in crate::commands) configuration: Configuration,
    /// What PATH has under the helper's name.
    pub(in crate::commands) program: Program,
    /// This program, where it is to be found after an upgrade as well.
    pub(super) flytoken: PathBuf,
}

/// What a client that starts the helper by its name would start.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commands) enum Program {
    /// This very program.
    Ours(PathBuf),
    /// Another one.
    Other(PathBuf),
    /// Nothing.
    Missing,
}

impl Place {
    /// Looks; none without a place for Docker's configuration. Changes nothing.
    ///
    /// # Errors
    /// If Docker's file cannot be used.
    pub(in crate::commands) fn look(context: &Context) -> Result<Option<Self>, Failure> {
        let Some(file) = docker::file(&context.environment) else { return Ok(None) };
        let configuration = Configuration::read(&file).map_err(|error| {
            let file = shown(&file);
            failure(
                FailureCode::Misconfigured,
                format!("{file} cannot be used: {error}"),
                format!("mend it: `jq . {file}` says whether it is JSON"),
            )
        })?;
        let flytoken = installed_path(CLIENT, &context.program, context.environment.var("PATH"));
        let flytoken = flytoken.map_err(|cause| {
            let message = format!("the system does not say where this program lies: {cause}");
            failure(FailureCode::Misconfigured, message, "start it by its path: `/usr/local/bin/flytoken docker install`")
        })?;
        let program = program(&folders(context), &flytoken);
        Ok(Some(Self { file, configuration, program, flytoken }))
    }

    /// Whether Docker asks flytoken for tokens.
    pub(in crate::commands) fn is_installed(&self) -> bool {
        self.configuration.helper().as_deref() == Some(HELPER)
    }
}

/// The folders of PATH that are of use to programs that run elsewhere as well.
pub(super) fn folders(context: &Context) -> Vec<PathBuf> {
    let path = context.environment.var("PATH").unwrap_or_default();
    std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect()
}

fn program(folders: &[PathBuf], flytoken: &Path) -> Program {
    let found = folders.iter().map(|folder| folder.join(PROGRAM)).find(|path| path.is_file());
    match found {
        Some(path) if is_same(&path, flytoken).unwrap_or(false) => Program::Ours(path),
        Some(path) => Program::Other(path),
        None => Program::Missing,
    }
}

fn is_same(path: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::canonicalize(path)? == fs::canonicalize(other)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_first_program_of_the_name_counts_and_is_ours_if_it_leads_to_this_one() {
        let home = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| home.path().join(name));
        fs::create_dir(&first).unwrap();
        fs::create_dir(&second).unwrap();
        let flytoken = second.join("flytoken");
        fs::write(&flytoken, "").unwrap();
        let folders = [first.clone(), second.clone()];
        assert_eq!(program(&folders, &flytoken), Program::Missing);
        symlink("flytoken", second.join(PROGRAM)).unwrap();
        assert_eq!(program(&folders, &flytoken), Program::Ours(second.join(PROGRAM)));
        symlink("nowhere", first.join(PROGRAM)).unwrap();
        assert_eq!(program(&folders, &flytoken), Program::Ours(second.join(PROGRAM)), "a link to nothing is no program");
        fs::remove_file(first.join(PROGRAM)).unwrap();
        fs::write(first.join(PROGRAM), "").unwrap();
        assert_eq!(program(&folders, &flytoken), Program::Other(first.join(PROGRAM)));
    }
}
