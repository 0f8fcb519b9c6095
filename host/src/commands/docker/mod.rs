//! `flytoken docker`, and what it has installed: `docker-credential-flytoken`, which is flytoken under another name.

mod credential;
mod install;
mod place;

pub(super) use credential::answer;
pub(super) use install::{installed, undo};
pub(super) use place::{Place, Program};

use super::{Context, failure};
use crate::{
    cli::{Docker, DockerAction},
    protocol::Failure,
};

pub(super) fn run(docker: Docker, context: &Context) -> Result<(), Failure> {
    match docker.action {
        DockerAction::Install(options) => install::install(options, context),
        DockerAction::Uninstall(options) => install::uninstall(options, context),
    }
}
