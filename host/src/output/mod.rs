//! The one module that prints.
//!
//! Results go to stdout, everything else to stderr. Colours are for terminals and for nobody who set `NO_COLOR`. Nothing is buffered:
//! what held a token is not left behind in memory that nobody wipes.

pub mod caveats;
pub mod json;
mod log;
mod moment;
mod paint;
mod panics;
mod report;
mod screen;
mod table;
mod tree;

use std::{
    io::{self, IsTerminal},
    os::fd::{AsFd, BorrowedFd},
};

use serde::Serialize;
use zeroize::Zeroizing;

pub use log::init_log;
pub use moment::{Moments, rough};
pub use paint::Paint;
pub use panics::init_panics;
pub use report::failure as told;
pub use screen::Screen;
pub use table::Table;
pub use tree::Tree;

use crate::{
    plain,
    protocol::{Failure, FailureCode},
    system::Environment,
};

/// Stdout and stderr, and what they are.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    out: Paint,
    err: Paint,
    err_is_terminal: bool,
}

impl Output {
    /// This process's own stdout and stderr.
    pub fn of_this_process(environment: &Environment) -> Self {
        let plain = environment.text("NO_COLOR").is_some() || environment.text("TERM") == Some("dumb");
        let err_is_terminal = io::stderr().is_terminal();
        Self { out: Paint::new(!plain && io::stdout().is_terminal()), err: Paint::new(!plain && err_is_terminal), err_is_terminal }
    }

    /// The colours of stdout.
    pub fn paint(&self) -> Paint {
        self.out
    }

    /// Whether stderr takes colours.
    pub fn stderr_has_colours(&self) -> bool {
        self.err.is_on()
    }

    /// Prints a result as it is.
    ///
    /// # Errors
    /// If it cannot be written. A reader that went away is no error: it has seen enough.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        write_all(io::stdout().as_fd(), text.as_bytes())
            .or_else(|cause| if cause.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(unwritten(&cause)) })
    }

    /// Prints a result as one line of JSON, and wipes its text: it may hold a token.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub fn print_json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut length = Length(0);
        serde_json::to_writer(&mut length, value).map_err(|cause| unwritten(&cause.into()))?;
        // In one place: a text that has to grow leaves a copy behind.
        let mut text = Zeroizing::new(Vec::with_capacity(length.0 + 1));
        serde_json::to_writer(&mut *text, value).map_err(|cause| unwritten(&cause.into()))?;
        text.push(b'\n');
        debug_assert_eq!(text.len(), length.0 + 1, "it grew, and left a copy behind");
        self.print(std::str::from_utf8(&text).unwrap_or_default())
    }

    /// Says something to the user: whoever uses stdout does not see it. If stderr cannot be written, nobody is there to be told.
    pub fn say(&self, text: &str) {
        let _ = write_all(io::stderr().as_fd(), format!("{text}\n").as_bytes());
    }

    /// Says something if a person is at the terminal.
    pub fn say_to_person(&self, text: impl FnOnce(Paint) -> String) {
        if self.err_is_terminal {
            self.say(&text(self.err));
        }
    }

    /// Reports a failure: as JSON on stdout if that is wanted there, else for people on stderr.
    pub fn report(&self, failure: &Failure, json: bool) {
        if json {
            // There is nowhere left to say that this cannot be written; the exit code still tells.
            let _ = self.print_json(&json::Failed::from(failure));
        } else {
            self.say(&report::failure(failure, self.err));
        }
    }

    /// Passes on what clap has to say, without repeating a token that was typed in the wrong place.
    ///
    /// # Errors
    /// As [`Self::print`], for help that was asked for.
    pub fn pass_on(&self, error: &clap::Error) -> Result<(), Failure> {
        let text = |paint: Paint| {
            let styled = error.render();
            if paint.is_on() { styled.ansi().to_string() } else { styled.to_string() }
        };
        if error.use_stderr() {
            self.say(plain::masked(&text(self.err)).trim_end());
            return Ok(());
        }
        self.print(&text(self.out))
    }
}

fn write_all(descriptor: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(descriptor, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            // A terminal or pipe that another program made non-blocking: wait until it takes more.
            Err(rustix::io::Errno::AGAIN) => {
                rustix::event::poll(&mut [rustix::event::PollFd::from_borrowed_fd(descriptor, rustix::event::PollFlags::OUT)], None)?;
            }
            Err(cause) => return Err(cause.into()),
        }
    }
    Ok(())
}

fn unwritten(cause: &io::Error) -> Failure {
    Failure {
        code: FailureCode::Internal,
        message: format!("cannot write to stdout: {cause}"),
        hint: "see where standard output leads to, and that it has room: `df -h`".into(),
        steps: Vec::new(),
    }
}

/// How long a text would be.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
