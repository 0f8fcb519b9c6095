//! Which app a command is about: named on the command line, in `FLY_APP`, or in `./fly.toml`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;

use crate::{
    app::{AppName, AppNameError},
    protocol::{Failure, FailureCode},
    system::Environment,
};

/// Finds the app: `named`, then the variable `FLY_APP`, then `app` in the `fly.toml` of `directory`.
///
/// # Errors
/// [`AppFromError`] says which of them holds no app name, or that none is there.
pub fn find(named: Option<&str>, environment: &Environment, directory: &Path) -> Result<AppName, AppFromError> {
    if let Some(named) = named {
        return AppName::parse(named).map_err(|cause| AppFromError::Name { place: "on the command line".into(), cause });
    }
    match environment.var("FLY_APP") {
        Some(name) if !name.is_empty() => {
            return AppName::parse(&name.to_string_lossy()).map_err(|cause| AppFromError::Name { place: "in FLY_APP".into(), cause });
        }
        _ => {}
    }
    let Some(text) = read(&directory.join(FILE))? else { return Err(AppFromError::Nowhere) };
    let name = parse(&text)?.ok_or(AppFromError::NoKey)?;
    AppName::parse(&name).map_err(|cause| AppFromError::Name { place: format!("as `app` in ./{FILE}"), cause })
}

/// Why it is not known which app is meant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppFromError {
    /// Nothing names one.
    #[error("no app is named: there is none on the command line, FLY_APP is not set, and there is no ./{FILE}")]
    Nowhere,
    /// What names one is no app name.
    #[error("the app named {place} is no app name: {cause}")]
    Name {
        /// Where it is named.
        place: String,
        /// The rule that it breaks.
        #[source]
        cause: AppNameError,
    },
    /// The file names none.
    #[error("no app is named: ./{FILE} has no key `app`")]
    NoKey,
    /// The file is broken.
    #[error("./{FILE}:{line}:{column}: {text}")]
    Broken {
        /// The line, counted from 1.
        line: usize,
        /// The column in bytes, counted from 1.
        column: usize,
        /// What is wrong there.
        text: String,
    },
    /// The file cannot be read.
    #[error("./{FILE} cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

impl From<AppFromError> for Failure {
    fn from(error: AppFromError) -> Self {
        let hint = match &error {
            AppFromError::Broken { .. } | AppFromError::Unreadable(_) => "mend the file, or name the app: `flytoken … -a APP`",
            _ => "name the app: `flytoken … -a APP`",
        };
        Self { code: FailureCode::Usage, message: error.to_string(), hint: hint.into(), steps: Vec::new() }
    }
}

/// The one key of the file that matters here.
#[derive(Deserialize)]
struct FlyToml {
    app: Option<String>,
}

fn parse(text: &str) -> Result<Option<String>, AppFromError> {
    let file: FlyToml = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        AppFromError::Broken { line, column, text: error.message().to_lowercase() }
    })?;
    Ok(file.app)
}

fn read(path: &Path) -> Result<Option<String>, AppFromError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file").into());
    }
    let mut text = String::new();
    if file.take(MAX_SIZE + 1).read_to_string(&mut text)? as u64 > MAX_SIZE {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge).into());
    }
    Ok(Some(text))
}

/// The file that flyctl keeps beside an app's source.
const FILE: &str = "fly.toml";

/// A greater file is none that anybody wrote: reading it would only cost memory.
const MAX_SIZE: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_names_an_app_counts() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), "# x\napp = 'from-file'\n[build]\napp = 'not-this'\n").unwrap();
        let set = Environment::from_iter([("FLY_APP", "from-variable")]);
        let empty = Environment::from_iter([("FLY_APP", "")]);
        for (named, environment, expected) in [
            (Some("named"), &set, "named"),
            (None, &set, "from-variable"),
            (None, &empty, "from-file"),
            (None, &Environment::default(), "from-file"),
        ] {
            assert_eq!(find(named, environment, directory.path()).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (file, expected) in [
            (None, "there is no ./fly.toml"),
            (Some("primary_region = 'ams'"), "no key `app`"),
            (Some("[build]\napp = 'not-this'"), "no key `app`"),
            (Some("app = 'A B'"), "as `app` in ./fly.toml"),
            (Some("app = 'web'\nregion = = 'x'"), "./fly.toml:2:10:"),
            (Some("app = 7"), "./fly.toml:1:7:"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            if let Some(file) = file {
                std::fs::write(directory.path().join(FILE), file).unwrap();
            }
            let failure = Failure::from(find(None, &Environment::default(), directory.path()).unwrap_err());
            assert_eq!(failure.code, FailureCode::Usage);
            assert!(failure.message.contains(expected), "{}", failure.message);
        }
    }

    #[test]
    fn a_token_in_place_of_a_name_is_not_repeated() {
        let error = find(Some("FlyV1 fm2_canary"), &Environment::default(), Path::new("/nonexistent")).unwrap_err();
        assert!(!Failure::from(error).message.contains("canary"));
    }
}
