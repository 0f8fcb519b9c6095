//! What `install` and `uninstall` did or would do, of the agent and of Docker's helper: for people and for machines.

use std::path::Path;

use crate::{
    output::{Paint, Table, json},
    service::Invocation,
    trust,
};

/// Files and commands, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Told {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    File { path: String, state: FileState, text: Option<String> },
    Command { command: String, state: CommandState },
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileState {
    Written,
    Unchanged,
    WouldWrite,
    Removed,
    WouldRemove,
    /// Somebody else's, and left as it is.
    Foreign,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandState {
    Done,
    WouldRun,
}

impl Told {
    /// A file, and what it would say if it would be written and that is of interest.
    pub(super) fn file(&mut self, path: &Path, state: FileState, text: Option<&str>) {
        let text = text.filter(|_| state == FileState::WouldWrite).map(str::to_owned);
        self.steps.push(Step::File { path: trust::shown(path), state, text });
    }

    pub(super) fn command(&mut self, invocation: &Invocation, state: CommandState) {
        self.steps.push(Step::Command { command: invocation.to_string(), state });
    }

    /// Whether nothing was done, and nothing was to do.
    pub(super) fn is_nothing(&self) -> bool {
        self.steps.is_empty()
    }

    /// A line for each.
    pub(super) fn text(&self, paint: Paint) -> String {
        let mut table = Table::new(paint, []);
        for step in &self.steps {
            match step {
                Step::File { path, state, .. } => table.fact(state.words(), path),
                Step::Command { command, state } => table.fact(state.words(), command),
            }
        }
        table.lines()
    }

    /// The paths of all files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::File { path, .. } => Some(path.as_str()),
            Step::Command { .. } => None,
        })
    }

    /// The paths of the files that are removed, or would be.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::File { path, state: FileState::Removed | FileState::WouldRemove, .. } => Some(path.as_str()),
            Step::File { .. } | Step::Command { .. } => None,
        })
    }

    /// The files that would be written, and what they would say.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.steps.iter().filter_map(|step| match step {
            Step::File { path, text: Some(text), .. } => Some((path.as_str(), text.as_str())),
            Step::File { .. } | Step::Command { .. } => None,
        })
    }

    /// The same for machines.
    pub(super) fn json(&self) -> json::Installed<'_> {
        let mut installed = json::Installed::default();
        for step in &self.steps {
            match step {
                Step::File { path, state, text } => {
                    installed.files.push(json::InstalledFile { path, state: state.word(), text: text.as_deref() });
                }
                Step::Command { command, state } => installed.commands.push(json::InstalledCommand { command, state: state.word() }),
            }
        }
        installed
    }
}

impl FileState {
    fn words(self) -> &'static str {
        match self {
            Self::Written => "wrote",
            Self::Unchanged => "unchanged",
            Self::WouldWrite => "would write",
            Self::Removed => "removed",
            Self::WouldRemove => "would remove",
            Self::Foreign => "not ours",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::WouldWrite => "would-write",
            Self::Removed => "removed",
            Self::WouldRemove => "would-remove",
            Self::Foreign => "foreign",
        }
    }
}

impl CommandState {
    fn words(self) -> &'static str {
        match self {
            Self::Done => "ran",
            Self::WouldRun => "would run",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::WouldRun => "would-run",
        }
    }
}
