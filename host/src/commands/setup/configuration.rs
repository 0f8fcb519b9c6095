//! The configuration that setup writes, where there is none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    commands::{Context, config_file, failure},
    config,
    protocol::{Failure, FailureCode},
    trust::shown,
};

/// Where the configuration's file would be.
pub(super) enum Place {
    /// Here, where nothing is.
    Free(PathBuf),
    /// Something is here.
    Taken(PathBuf),
    /// Nowhere.
    None,
}

impl Place {
    pub(super) fn look(context: &Context) -> Self {
        match context.paths.config_file() {
            // Also a link that leads nowhere is somebody's.
            Some(path) if fs::symlink_metadata(&path).is_ok() => Self::Taken(path),
            Some(path) => Self::Free(path),
            None => Self::None,
        }
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) strict: bool,
    pub(super) audit: bool,
    /// The app of this folder, as an example.
    pub(super) app: Option<String>,
}

impl Configuration {
    /// Writes it, unless somebody else was faster.
    ///
    /// # Errors
    /// If it cannot be written, or does not hold beside what else is configured.
    pub(super) fn write(&self, path: &Path, context: &Context) -> Result<(), Failure> {
        let unwritten = |cause: io::Error| {
            let message = format!("{} cannot be written: {cause}", shown(path));
            failure(
                FailureCode::Misconfigured,
                message,
                "see that its folder is yours, or name another file: `export FLYTOKEN_CONFIG=/path/to/config.yaml`",
            )
        };
        // Somebody may have taken their time to answer.
        if fs::symlink_metadata(path).is_ok() {
            return Err(unwritten(io::ErrorKind::AlreadyExists.into()));
        }
        config_file::place(path, &self.text()).map_err(unwritten)?;
        let layers = context.paths.layers(rustix::process::getuid().as_raw());
        config::load(&layers).map(drop).map_err(|errors| {
            failure(
                FailureCode::Misconfigured,
                format!("the configuration does not hold:\n{errors}"),
                "mend it, then `flytoken config check`",
            )
        })
    }

    fn text(&self) -> String {
        let chain = if self.strict { "chain: strict" } else { "#chain: strict" };
        let audit = if self.audit { "audit: { file: audit.jsonl }" } else { "#audit: { file: audit.jsonl }" };
        let app = self.app.as_deref().unwrap_or("my-app");
        format!(
            "# Written by `flytoken setup`, to be changed as you like: README.md has every key, and `flytoken config show` what is in force.
version: 1

# The login only mints, and is never handed out itself, not even narrowed.
{chain}

# A line for each request: who asked, for what, and what was decided. `flytoken audit` shows them.
{audit}

# What is different for some apps.
#apps:
#  - match: {app}
#    deliver: {{ max-lifetime: 1h }}
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wanted_stands_there_as_a_comment() {
        let text = |strict, audit| Configuration { strict, audit, app: Some("web".into()) }.text();
        let in_force =
            |text: &str| text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(in_force(&text(false, false)), ["version: 1"]);
        assert_eq!(in_force(&text(true, true)), ["version: 1", "chain: strict", "audit: { file: audit.jsonl }"]);
        assert!(text(false, false).contains("#  - match: web\n"));
    }
}
