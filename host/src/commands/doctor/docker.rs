//! Whether Docker gets a token when it asks for one.

use super::check::Check;
use crate::{
    commands::{
        Context,
        docker::{Place, Program},
    },
    docker::{PROGRAM, REGISTRY},
    trust::shown,
};

/// Says nothing where Docker has no configuration.
pub(super) fn check(context: &Context) -> Option<Check> {
    let place = match Place::look(context) {
        Ok(Some(place)) if place.file.exists() => place,
        Ok(_) => return None,
        Err(failure) => return Some(Check::warn("docker", failure.message).mended_as(&failure.hint)),
    };
    let file = shown(&place.file);
    if !place.is_installed() {
        let stale = format!("a login for {REGISTRY} lies in {file}, and ends within minutes of being written");
        return place.configuration.has_login().then(|| Check::warn("docker", stale).mended_by(INSTALL));
    }
    Some(match &place.program {
        Program::Ours(path) => Check::ok("docker", format!("asks {} for {REGISTRY}", shown(path))),
        Program::Missing => Check::fail("docker", format!("asks for {REGISTRY} by {PROGRAM}, which PATH does not find")).mended_by(INSTALL),
        Program::Other(path) => {
            let path = shown(path);
            Check::fail("docker", format!("asks {path} for {REGISTRY}, which is not this flytoken"))
                .mended_by(format!("rm {path}; {INSTALL}"))
        }
    })
}

const INSTALL: &str = "flytoken docker install";
