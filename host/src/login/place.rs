//! Where the login is looked for.

use std::path::{Path, PathBuf};

use crate::system::Environment;

use super::LoginOrigin;

/// Where the login is looked for when no variable of the caller holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the directory where `flyctl` keeps its `config.yml`; it need not exist yet.
    Directory(PathBuf),
    /// In a file that holds the token and nothing else, as systemd hands it to a service.
    Credential(PathBuf),
    /// Nowhere: neither `FLY_CONFIG_DIR` nor `HOME` is set.
    Nowhere,
}

impl Place {
    /// Where `flyctl` would look: `FLY_CONFIG_DIR`, unless it is empty, else `.fly` in the home directory.
    pub fn of_flyctl(environment: &Environment) -> Self {
        let named = environment.var("FLY_CONFIG_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
        named.or_else(|| environment.home().map(|home| home.join(".fly"))).map_or(Self::Nowhere, |path| Self::directory(&path))
    }

    /// Where an agent looks: the systemd credential `fly-login` if the service was given one, else where `flyctl` would.
    pub fn of_agent(environment: &Environment) -> Self {
        let directory = environment.var("CREDENTIALS_DIRECTORY").map(Path::new).filter(|path| path.is_absolute());
        match directory.map(|path| path.join(CREDENTIAL)) {
            Some(credential) if credential.exists() => Self::Credential(credential),
            _ => Self::of_flyctl(environment),
        }
    }

    /// In `path` instead of `flyctl`'s own directory, as a profile may say.
    pub fn directory(path: &Path) -> Self {
        // The process may change its directory later, and a watched path must have parents.
        Self::Directory(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// The file that holds the login, if there is a place at all.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Directory(directory) => Some(directory.join(FILE)),
            Self::Credential(file) => Some(file.clone()),
            Self::Nowhere => None,
        }
    }

    /// The lock under which `flyctl` rewrites that file.
    pub(super) fn lock(&self) -> Option<PathBuf> {
        match self {
            Self::Directory(directory) => Some(directory.join(LOCK)),
            Self::Credential(_) | Self::Nowhere => None,
        }
    }

    /// How a login found here is labelled.
    pub(super) fn origin(&self) -> LoginOrigin {
        match self {
            Self::Credential(file) => LoginOrigin::Credential(file.clone()),
            Self::Directory(_) | Self::Nowhere => LoginOrigin::File(self.file().unwrap_or_default()),
        }
    }
}

const FILE: &str = "config.yml";
const LOCK: &str = "flyctl.config.lock";
const CREDENTIAL: &str = "fly-login";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_where_flyctl_keeps_it() {
        let none: &[(&str, &str)] = &[];
        let cases = [
            (none, None),
            (&[("HOME", "/home/ada")], Some("/home/ada/.fly/config.yml")),
            (&[("HOME", "/home/ada"), ("FLY_CONFIG_DIR", "/srv/fly")], Some("/srv/fly/config.yml")),
            (&[("HOME", "/home/ada"), ("FLY_CONFIG_DIR", "")], Some("/home/ada/.fly/config.yml")),
            (&[("HOME", "relative")], None),
        ];
        for (variables, expected) in cases {
            let environment: Environment = variables.iter().copied().collect();
            assert_eq!(Place::of_flyctl(&environment).file(), expected.map(PathBuf::from), "{variables:?}");
        }
    }

    #[test]
    fn a_service_that_was_given_a_credential_uses_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let environment: Environment = [("CREDENTIALS_DIRECTORY", path.as_os_str()), ("HOME", "/home/ada".as_ref())].into_iter().collect();
        assert_eq!(Place::of_agent(&environment), Place::Directory("/home/ada/.fly".into()));
        std::fs::write(path.join("fly-login"), "fo1_canary").unwrap();
        assert_eq!(Place::of_agent(&environment), Place::Credential(path.join("fly-login")));
    }
}
