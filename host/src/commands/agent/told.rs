//! What `agent install` and `agent uninstall` did or would do, for people and for machines.

use crate::{
    commands::{Context, failure},
    output::{Paint, Table, json},
    protocol::{Failure, FailureCode},
    service::{Definition, Invocation, Service, ServiceFile},
    trust,
};

/// The service that the agent of this user and profile would be.
///
/// # Errors
/// Exit 7 if it cannot be one.
pub(in crate::commands) fn service(context: &Context) -> Result<Service, Failure> {
    let Context { program, environment, paths, .. } = context;
    let definition = Definition::here(program, environment, paths).map_err(|error| {
        failure(
            FailureCode::Misconfigured,
            error.to_string(),
            "name a short path in a directory of your own: `export FLYTOKEN_SOCKET=~/.flytoken/agent.sock`",
        )
    })?;
    Service::of(&definition, environment, paths).map_err(|error| {
        failure(
            FailureCode::Misconfigured,
            error.to_string(),
            "have folders and variables named by plain text; see what they hold with `env`",
        )
    })
}

/// Files and commands, in the order in which they came.
#[derive(Debug, Default)]
pub(in crate::commands) struct Told {
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    File { path: String, state: FileState, text: Option<String> },
    Command { command: String, state: CommandState },
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum FileState {
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
pub(in crate::commands) enum CommandState {
    Done,
    WouldRun,
}

impl Told {
    pub(super) fn file(&mut self, file: &ServiceFile, state: FileState) {
        let text = matches!(state, FileState::WouldWrite).then(|| file.text.clone());
        self.steps.push(Step::File { path: trust::shown(&file.path), state, text });
    }

    pub(super) fn command(&mut self, invocation: &Invocation, state: CommandState) {
        self.steps.push(Step::Command { command: invocation.to_string(), state });
    }

    /// Whether nothing was done, and nothing was to do.
    pub(in crate::commands) fn is_nothing(&self) -> bool {
        self.steps.is_empty()
    }

    /// A line for each.
    pub(in crate::commands) fn text(&self, paint: Paint) -> String {
        let mut table = Table::new(paint, []);
        for step in &self.steps {
            match step {
                Step::File { path, state, .. } => table.fact(state.words(), path),
                Step::Command { command, state } => table.fact(state.words(), command),
            }
        }
        table.lines()
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
