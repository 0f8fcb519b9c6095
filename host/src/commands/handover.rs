//! Becoming `flytokend`, for whatever no agent answers.

use std::{
    convert::Infallible,
    ffi::{CString, OsString},
    fs,
    io::{self, Write},
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::Path,
};

use nix::unistd::{dup2_stdin, execv};

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
    pub(super) fn with_input(self, input: &[u8]) -> Self {
        Self { input: Some(input.to_vec()), ..self }
    }

    /// Has `flytokend` take the place of this process. Returns only if that cannot be started.
    pub(super) fn take_place(&self) -> Failure {
        let program = match programs::own() {
            Ok(own) => beside(&own, WHOLE),
            Err(cause) => return nowhere(&cause),
        };
        if is_everybodys(&program) {
            return planted(&program);
        }
        match self.exec(&program) {
            Ok(never) => match never {},
            Err(cause) => unstarted(&program, &cause),
        }
    }

    /// Under the name that this process was started by: Docker starts its helpers so, and what leads to it from a stable place is found by it.
    fn exec(&self, program: &Path) -> io::Result<Infallible> {
        let path = text(program.as_os_str().to_owned())?;
        let arguments = self.arguments.iter().cloned().map(text).collect::<io::Result<Vec<_>>>()?;
        if let Some(input) = &self.input {
            dup2_stdin(piped(input)?)?;
        }
        // Not as the standard library does it, which has a shell run what is no program.
        Ok(execv(&path, &arguments)?)
    }
}

impl StandIn for Handover {
    fn answer(&self, _: Request, _: &Context) -> Result<Reply, Failure> {
        Err(self.take_place())
    }
}

/// Whether anybody may put a file there, without being able to replace those of others: then it is not of whoever put this program there.
fn is_everybodys(program: &Path) -> bool {
    const STICKY: u32 = 0o1002;
    let folder = program.parent().map(fs::metadata);
    folder.is_some_and(|folder| folder.is_ok_and(|folder| folder.permissions().mode() & STICKY == STICKY))
}

/// The end of a pipe from which this is read.
fn piped(input: &[u8]) -> io::Result<io::PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(input)?;
    Ok(reader)
}

fn text(argument: OsString) -> io::Result<CString> {
    Ok(CString::new(argument.into_vec())?)
}

fn nowhere(cause: &io::Error) -> Failure {
    let message = format!("the system does not say where this program lies, and so not where its other one is: {cause}");
    failure(
        FailureCode::Misconfigured,
        message,
        "see that /proc is there, `ls -l /proc/self/exe`; or start the other one by its path: `/usr/local/bin/flytokend`",
    )
}

fn planted(program: &Path) -> Failure {
    let folder = shown(program.parent().unwrap_or(program));
    let message = format!("{folder} is a folder of everybody's, so that anybody may have put {} there", shown(program));
    failure(FailureCode::Misconfigured, message, format!("have both programs in a folder of your own or of root's: `ls -ld {folder}`"))
}

fn unstarted(program: &Path, cause: &io::Error) -> Failure {
    let folder = shown(program.parent().unwrap_or(program));
    let message = format!("flytoken's other program cannot be started, {}: {cause}", shown(program));
    let hint = format!("install both into one folder, as `cargo install` does, and see that they are there: `ls -l {folder}`");
    failure(FailureCode::Misconfigured, message, hint)
}
