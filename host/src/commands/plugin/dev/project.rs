//! A project that becomes a component: how it is built, what it is built from, and where the component lies then.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use serde::Deserialize;

use super::super::super::failure;
use crate::{
    protocol::{Failure, FailureCode},
    trust::shown,
};

/// A folder that somebody develops a source in.
pub(super) struct Project {
    folder: PathBuf,
    tool: Tool,
}

/// What builds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    /// A script of its own, which goes before everything else.
    Script,
    /// Cargo, for `wasm32-wasip2`.
    Cargo,
    /// The script `build` of its `package.json`.
    Npm,
}

impl Tool {
    /// By which file a project says that this is its tool, in the order in which they are looked for.
    const MARKS: [(&'static str, Self); 3] = [("build.sh", Self::Script), ("Cargo.toml", Self::Cargo), ("package.json", Self::Npm)];

    fn command(self) -> Vec<&'static str> {
        match self {
            Self::Script => vec!["sh", "build.sh"],
            // What is built, and where, is told on standard output; what is wrong with it on standard error, as ever.
            Self::Cargo => vec!["cargo", "build", "--release", "--target", "wasm32-wasip2", "--message-format", "json-render-diagnostics"],
            Self::Npm => vec!["npm", "run", "--silent", "build"],
        }
    }

    /// How whoever lacks it comes by it.
    fn installed_by(self) -> &'static str {
        match self {
            Self::Script => "install `sh`",
            Self::Cargo => "install cargo as https://rustup.rs says",
            Self::Npm => "install Node.js from https://nodejs.org, or by the system's packages",
        }
    }
}

impl Project {
    /// Looks at a folder.
    ///
    /// # Errors
    /// Exit 2 if nothing in it says how it is built.
    pub(super) fn of(folder: &Path) -> Result<Self, Failure> {
        let tool = Tool::MARKS.into_iter().find(|(mark, _)| folder.join(mark).is_file());
        let Some((_, tool)) = tool else {
            let message = format!("{} holds no build.sh, Cargo.toml or package.json", shown(folder));
            return Err(failure(FailureCode::Usage, message, "begin one with `flytoken plugin new NAME --lang rust`"));
        };
        Ok(Self { folder: folder.to_owned(), tool })
    }

    /// Builds it, and says where the component is.
    ///
    /// # Errors
    /// What is missing, or that the tool failed: it has said why by itself then.
    pub(super) fn build(&self) -> Result<PathBuf, Failure> {
        let words = self.tool.command();
        let line = words.join(" ");
        let (program, arguments) = words.split_first().map_or(("", &[][..]), |(program, arguments)| (*program, arguments));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = command.output().map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => format!("{}, or see that PATH leads to it: `echo $PATH`", self.tool.installed_by()),
                _ => "see that it can be started".to_owned(),
            };
            failure(FailureCode::Misconfigured, format!("`{line}` does not start: {error}"), hint)
        })?;
        if !output.status.success() {
            return Err(failure(
                FailureCode::Misconfigured,
                format!("`{line}` failed: {}", output.status),
                "mend what it says above; `--once` runs it again without waiting for a change",
            ));
        }
        let component = if self.tool == Tool::Cargo { artifact(&output.stdout) } else { newest(&self.folder) };
        component.ok_or_else(|| {
            let hint = match self.tool {
                Tool::Cargo => "the crate needs `crate-type = [\"cdylib\"]` under `[lib]` in its Cargo.toml",
                Tool::Script | Tool::Npm => "have it write one .wasm file into the folder, or into `dist` there",
            };
            failure(FailureCode::Misconfigured, format!("`{line}` made no component"), hint)
        })
    }

    /// The files that it is built from, as far as somebody may change them.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.folder.clone()]);
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if name.starts_with('.') || MADE.contains(&name) || path.extension().is_some_and(|end| end == "wasm") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
                if files.len() + folders.len() > MOST_FILES {
                    return files;
                }
            }
        }
        files.sort();
        files
    }
}

/// What cargo says of something it made.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The component that cargo made last: what depends on nothing else is built before.
fn artifact(messages: &[u8]) -> Option<PathBuf> {
    let messages = messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Message>(line).ok());
    let made = messages.filter(|message| message.reason == "compiler-artifact").flat_map(|message| message.filenames);
    made.filter(|file| file.extension().is_some_and(|end| end == "wasm")).reduce(|_, last| last)
}

/// The component that was written last.
fn newest(folder: &Path) -> Option<PathBuf> {
    let folders = [folder.to_owned(), folder.join("dist")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten()).map(|entry| entry.path());
    let written = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    files.filter(|path| path.extension().is_some_and(|end| end == "wasm")).max_by_key(written)
}

/// Folders and files that builds make, so that no build leads to the next.
const MADE: [&str; 8] = ["target", "node_modules", "dist", "__pycache__", "wit_world", "bindings", "Cargo.lock", "package-lock.json"];

/// More files are no source of a token, but a folder that was meant to be another.
const MOST_FILES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_is_the_first_that_the_folder_has_a_mark_of() {
        let home = tempfile::tempdir().unwrap();
        assert!(Project::of(home.path()).is_err_and(|failure| failure.message.contains("holds no build.sh")));
        for (mark, tool) in Tool::MARKS.into_iter().rev() {
            fs::write(home.path().join(mark), "").unwrap();
            assert_eq!(Project::of(home.path()).ok().map(|project| project.tool), Some(tool));
        }
    }

    #[test]
    fn what_cargo_made_last_is_the_component() {
        let messages = r#"{"reason":"compiler-artifact","filenames":["/t/libsdk.rlib"]}
not json
{"reason":"compiler-artifact","filenames":["/t/other.wasm"]}
{"reason":"compiler-artifact","filenames":["/t/libcorp.rlib","/t/corp.wasm"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(artifact(messages.as_bytes()), Some("/t/corp.wasm".into()));
        assert_eq!(artifact(b"{\"reason\":\"build-finished\"}"), None);
    }

    #[test]
    fn what_a_build_makes_is_no_file_that_it_is_built_from() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path();
        for made in ["src/lib.rs", "target/x", ".venv/y", "node_modules/z", "corp.wasm", "wit/world.wit", "Cargo.toml", "Cargo.lock"] {
            fs::create_dir_all(folder.join(made).parent().unwrap()).unwrap();
            fs::write(folder.join(made), "").unwrap();
        }
        let files = Project::of(folder).unwrap_or_else(|failure| panic!("{}", failure.message)).files();
        assert_eq!(files, ["Cargo.toml", "src/lib.rs", "wit/world.wit"].map(|file| folder.join(file)));
    }
}
