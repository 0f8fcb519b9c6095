//! A client, and a hold on its process: whether it still is whom the facts are about.

use std::sync::OnceLock;

use super::{Facts, Wanted};
#[cfg(target_os = "linux")]
use super::{
    ancestry::Ancestor,
    executable::Running,
    process::{Process, lives},
};
use crate::protocol::{Failure, FailureCode};

/// A client as it was found, and a hold on its process.
///
/// Attested once a connection, and confirmed before each answer: what is done for one program is not handed to another that has taken its
/// place. Where nobody wanted to know anything, nothing is held and everything is confirmed.
#[derive(Debug)]
pub struct Attested {
    facts: Facts,
    wanted: Wanted,
    #[cfg(target_os = "linux")]
    hold: Option<Hold>,
    /// Once something is wrong it stays so: the same program coming back could be anybody's doing.
    wrong: OnceLock<Unconfirmed>,
}

/// A process that is held.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Hold {
    /// None on kernels before 6.5.
    pub(super) pidfd: Option<std::os::fd::OwnedFd>,
    /// None where there is no `/proc`, or nobody may look into it.
    pub(super) process: Option<Process>,
    /// None where it may not be looked at.
    pub(super) running: Option<Running>,
    /// The nearest one that is not flytoken, if the process is.
    pub(super) ancestor: Option<Ancestor>,
}

#[cfg(target_os = "linux")]
impl Hold {
    pub(super) fn holds(&self) -> bool {
        let itself = match (&self.process, &self.running, &self.pidfd) {
            // This one tells that it lives as well: what has ended runs nothing.
            (Some(process), Some(running), _) => process.runs(running.identity),
            (_, _, Some(pidfd)) => lives(pidfd),
            (Some(process), None, None) => process.is_there(),
            (None, _, None) => false,
        };
        itself && self.ancestor.as_ref().is_none_or(Ancestor::holds)
    }
}

impl Attested {
    /// Somebody about whom nobody wants to know more than this.
    pub fn unseen(facts: Facts, wanted: Wanted) -> Self {
        Self {
            facts,
            wanted,
            #[cfg(target_os = "linux")]
            hold: None,
            wrong: OnceLock::new(),
        }
    }

    /// Somebody who showed the bearer of this agent, and of whom nothing else will ever be known.
    pub fn by_bearer() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self::unseen(Facts { uid, gid, by_bearer: true, ..Facts::default() }, Wanted::ALL)
    }

    /// Somebody who was gone, or had become another, before it could be told who it is.
    pub fn changed(facts: Facts, wanted: Wanted) -> Self {
        let wrong = Unconfirmed::Changed { pid: facts.pid };
        Self { wrong: wrong.into(), ..Self::unseen(facts, wanted) }
    }

    /// Somebody of whom it cannot be told at this moment who it is.
    pub fn unclear(facts: Facts, wanted: Wanted) -> Self {
        let wrong = Unconfirmed::Unclear { pid: facts.pid };
        Self { wrong: wrong.into(), ..Self::unseen(facts, wanted) }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn held(facts: Facts, wanted: Wanted, hold: Hold) -> Self {
        Self { hold: Some(hold), ..Self::unseen(facts, wanted) }
    }

    /// Who it was when it was looked at.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether it was looked at as far as this.
    pub fn covers(&self, wanted: Wanted) -> bool {
        self.wanted.covers(wanted)
    }

    /// Looks whether the process still is there and runs what it ran.
    ///
    /// # Errors
    /// [`Unconfirmed`], from the first time on that it does not.
    pub fn confirm(&self) -> Result<(), Unconfirmed> {
        self.last_confirmed()?;
        #[cfg(target_os = "linux")]
        if self.hold.as_ref().is_some_and(|hold| !hold.holds()) {
            return Err(*self.wrong.get_or_init(|| Unconfirmed::Changed { pid: self.facts.pid }));
        }
        Ok(())
    }

    /// What came of the last look.
    ///
    /// # Errors
    /// [`Unconfirmed`] if it no longer was there or ran something else.
    pub fn last_confirmed(&self) -> Result<(), Unconfirmed> {
        self.wrong.get().map_or(Ok(()), |wrong| Err(*wrong))
    }
}

/// Why a client is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unconfirmed {
    /// The process that connected is gone, or runs another program.
    #[error("the process that connected{} has ended, or runs another program by now", number(*pid))]
    Changed {
        /// Its number.
        pid: Option<u32>,
    },
    /// It could not be told in time what it runs, or there were no descriptors left to look at it.
    #[error("it cannot be told at this moment what the process that connected{} runs", number(*pid))]
    Unclear {
        /// Its number.
        pid: Option<u32>,
    },
}

impl From<Unconfirmed> for Failure {
    fn from(unconfirmed: Unconfirmed) -> Self {
        let (code, hint) = match unconfirmed {
            Unconfirmed::Changed { .. } => (
                FailureCode::Denied,
                "ask in the program that is to have the answer, and wait for it there: whoever takes its place gets nothing",
            ),
            Unconfirmed::Unclear { .. } => (FailureCode::TryAgain, "try again in a moment"),
        };
        Self { code, message: unconfirmed.to_string(), hint: hint.into(), steps: Vec::new() }
    }
}

fn number(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
