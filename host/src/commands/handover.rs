//! Becoming `flytokend`, for whatever no agent answers.

use std::{
    convert::Infallible,
    ffi::{CString, OsString},
    fs,
    io::{self, Write},
    os::unix::{ffi::OsStringExt, fs::MetadataExt},
    path::Path,
};

use nix::unistd::{dup2_stdin, execv};

use super::{Context, ROOT, asking::StandIn, failure};
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
        let own = match programs::own() {
            Ok(own) => own,
            Err(cause) => return nowhere(&cause),
        };
        let program = beside(&own, WHOLE);
        if let Some(owner) = stranger(&program, &own) {
            return foreign(&program, owner);
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

/// Who owns the other program, if that is neither root, nor this user, nor who owns this one: in a folder into which others may put files as well
/// it may be theirs. Who could replace it after this look could replace this program, too.
fn stranger(program: &Path, own: &Path) -> Option<u32> {
    let owner = fs::symlink_metadata(program).ok()?.uid();
    let mut trusted = [ROOT, rustix::process::geteuid().as_raw()].into_iter().chain(fs::metadata(own).map(|own| own.uid()));
    (!trusted.any(|trusted| trusted == owner)).then_some(owner)
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

fn foreign(program: &Path, owner: u32) -> Failure {
    let program = shown(program);
    let message = format!(
        "flytoken's other program is not run, {program}: it belongs to user {owner}, and neither to root, nor to you, nor to who owns this one"
    );
    failure(
        FailureCode::Misconfigured,
        message,
        format!("install both anew, into one folder, as `cargo install` does; if it is right as it is: `sudo chown root {program}`"),
    )
}

fn unstarted(program: &Path, cause: &io::Error) -> Failure {
    let folder = shown(program.parent().unwrap_or(program));
    let message = format!("flytoken's other program cannot be started, {}: {cause}", shown(program));
    let hint = format!("install both into one folder, as `cargo install` does, and see that they are there: `ls -l {folder}`");
    failure(FailureCode::Misconfigured, message, hint)
}
