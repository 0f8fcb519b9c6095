//! The agent as a service: whether it is installed, and whether what starts then is this program.

use std::{fs, path::Path};

use super::{Context, check::Check};
use crate::{commands::agent, programs, service::Installed, trust::shown};

pub(super) fn check(context: &Context) -> Check {
    let (file, program) = match agent::found(context) {
        Installed::Not => return Check::ok("service", "not installed; `flytoken agent install` has the agent started for whoever asks"),
        Installed::Partly { lacks } => {
            return Check::fail("service", format!("half installed: there is no {}", shown(&lacks))).mended_by(INSTALL);
        }
        Installed::Foreign { file } => return Check::ok("service", format!("{}, which somebody else wrote", shown(&file))),
        Installed::Current { file } => return Check::ok("service", format!("installed, in {}", shown(&file))),
        Installed::Other { file, program } => (file, program),
    };
    // What is started there becomes this program.
    let own = programs::own().map(|own| programs::places(&own)).unwrap_or_default();
    let is_own = |program: &Path| fs::canonicalize(program).is_ok_and(|program| own.contains(&program));

    match program {
        Some(program) if !program.exists() => Check::fail("service", format!("{} runs {}, which is gone", shown(&file), shown(&program))),
        Some(program) if !is_own(&program) => {
            Check::warn("service", format!("{} runs another program than this one: {}", shown(&file), shown(&program)))
        }
        _ => Check::warn("service", format!("{} is of another version, or for other places than these", shown(&file))),
    }
    .mended_by(INSTALL)
}

const INSTALL: &str = "flytoken agent install";
