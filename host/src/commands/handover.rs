//! Becoming `flytokend`, for whatever no agent answers.

use std::{
    ffi::OsString,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::Command,
};

use super::{Context, asking::StandIn, failure};
use crate::{
    programs::{self, WHOLE, beside},
    protocol::{Failure, FailureCode, Reply, Request},
    trust::shown,
};

/// What this process was started with, for `flytokend` to begin anew with.
pub(super) struct Handover {
    arguments: Vec<OsString>,
    /// What was read from stdin before.
    input: Option<Vec<u8>>,
}

impl Handover {
    /// With these arguments, the program's name first, and an untouched stdin.
    pub(super) fn new(arguments: &[OsString]) -> Self {
        Self { arguments: arguments.to_vec(), input: None }
    }

    /// With this in place of stdin, from which it was read: no more than a pipe takes at once.
    pub(super) fn with_input(self, input: Vec<u8>) -> Self {
        Self { input: Some(input), ..self }
    }

    /// Has `flytokend` take the place of this process. Returns only if that cannot be started.
    pub(super) fn take_place(&self) -> Failure {
        match programs::own() {
            Ok(own) => {
                let program = beside(&own, WHOLE);
                let cause = self.exec(&program);
                unstarted(&program, &cause)
            }
            Err(cause) => unstarted(Path::new(WHOLE), &cause),
        }
    }

    fn exec(&self, program: &Path) -> io::Error {
        let mut command = Command::new(program);
        if let Some((name, arguments)) = self.arguments.split_first() {
            // Under the name that this process was started by: Docker starts its helpers so, and what leads to it from a stable place is found by it.
            command.arg0(name).args(arguments);
        }
        match self.input.as_deref().map(piped).transpose() {
            Ok(input) => input.map(|input| command.stdin(input)),
            Err(cause) => return cause,
        };
        command.exec()
    }
}

impl StandIn for Handover {
    fn answer(&self, _: Request, _: &Context) -> Result<Reply, Failure> {
        Err(self.take_place())
    }

    fn answer_own(&self, _: Request, _: &Context) -> Result<Reply, Failure> {
        Err(self.take_place())
    }

    // Nothing is begun here.
    fn revoke_replaced(&self) {}
    fn settle(&self) {}
}

/// The end of a pipe from which this is read.
fn piped(input: &[u8]) -> io::Result<io::PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(input)?;
    Ok(reader)
}

fn unstarted(program: &Path, cause: &io::Error) -> Failure {
    let folder = program.parent().unwrap_or(program);
    let message = format!("flytoken's other program cannot be started, {}: {cause}", shown(program));
    let hint = format!("install both into one folder, as `cargo install` does, and see that they are there: `ls -l {}`", shown(folder));
    failure(FailureCode::Misconfigured, message, hint)
}
