//! `flytoken docker install` and `uninstall`: one line of Docker's configuration, and a link.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    Context, failure,
    place::{Place, Program, folders},
};
use crate::{
    cli::{DockerInstall, DockerUninstall},
    commands::{
        config_file,
        told::{FileState, Told},
    },
    docker::{HELPER, PROGRAM, REGISTRY},
    plain,
    protocol::{Failure, FailureCode},
    trust::shown,
};

pub(super) fn install(options: DockerInstall, context: &Context) -> Result<(), Failure> {
    let place = Place::look(context)?.ok_or_else(nowhere)?;
    let link = match &place.program {
        Program::Ours(path) => (path.clone(), FileState::Unchanged),
        Program::Other(path) => return Err(in_the_way(path)),
        Program::Missing => (room_for_a_link(&place, context)?, FileState::WouldWrite),
    };
    let file = match place.configuration.helper() {
        Some(helper) if helper == HELPER => FileState::Unchanged,
        Some(helper) if !options.force => return Err(another(&helper, &place.file)),
        Some(_) | None => FileState::WouldWrite,
    };
    let wanted = |state| state == FileState::WouldWrite && !options.dry_run;
    let done = |state| if wanted(state) { FileState::Written } else { state };
    if wanted(link.1) {
        put_link(&place.flytoken, &link.0)?;
    }
    if wanted(file) {
        write(&place, Some(HELPER))?;
    }
    let mut told = Told::default();
    told.file(&link.0, done(link.1), None);
    told.file(&place.file, done(file), None);
    if options.json {
        return context.output.print_json(&told.json());
    }
    context.output.print(&told.text(context.output.paint()))?;
    if options.dry_run {
        return Ok(());
    }
    if place.configuration.has_login() {
        let text =
            format!("\n{} still has a login for {REGISTRY}, which nobody asks any more: `docker logout {REGISTRY}`\n", shown(&place.file));
        context.output.print(&text)?;
    }
    context.output.print(&format!("\nNext, where ./fly.toml is or with FLY_APP set: `docker push {REGISTRY}/APP`\n"))
}

pub(super) fn uninstall(options: DockerUninstall, context: &Context) -> Result<(), Failure> {
    let told = if options.dry_run { would_undo(context)? } else { undo(context)? };
    if options.json {
        return context.output.print_json(&told.json());
    }
    if told.is_nothing() {
        return context.output.print(&format!("Docker does not ask flytoken for {REGISTRY}.\n"));
    }
    context.output.print(&told.text(context.output.paint()))
}

/// What `install` did and is to be undone, in words; none if nothing is.
///
/// # Errors
/// If it cannot be told.
pub(in crate::commands) fn installed(context: &Context) -> Result<Option<String>, Failure> {
    let told = would_undo(context)?;
    Ok((!told.is_nothing()).then(|| told.paths().collect::<Vec<_>>().join(" and ")))
}

/// Undoes it. A file of Docker's stays, without what was written into it.
///
/// # Errors
/// If Docker's file cannot be used or written, or the link not be removed.
pub(in crate::commands) fn undo(context: &Context) -> Result<Told, Failure> {
    undone(context, FileState::Written, FileState::Removed, |place, link| match link {
        Some(link) => fs::remove_file(link).map_err(|cause| {
            let link = shown(link);
            failure(FailureCode::Misconfigured, format!("cannot remove {link}: {cause}"), format!("type `rm {link}`"))
        }),
        None => write(place, None),
    })
}

fn would_undo(context: &Context) -> Result<Told, Failure> {
    undone(context, FileState::WouldWrite, FileState::WouldRemove, |_, _| Ok(()))
}

/// First the line of the file, so that nothing asks for a program that is gone.
fn undone(
    context: &Context,
    written: FileState,
    removed: FileState,
    carry_out: impl Fn(&Place, Option<&Path>) -> Result<(), Failure>,
) -> Result<Told, Failure> {
    let mut told = Told::default();
    let Some(place) = Place::look(context)? else { return Ok(told) };
    if place.is_installed() {
        carry_out(&place, None)?;
        told.file(&place.file, written, None);
    }
    // What is no link, a packager or somebody else has put there.
    if let Program::Ours(path) = &place.program
        && path.is_symlink()
    {
        carry_out(&place, Some(path))?;
        told.file(path, removed, None);
    }
    Ok(told)
}

fn write(place: &Place, helper: Option<&str>) -> Result<(), Failure> {
    let text = place.configuration.with_helper(helper).map_err(|error| unwritten(&place.file, &error.to_string()))?;
    config_file::place(&place.file, &text).map_err(|cause| unwritten(&place.file, &cause.to_string()))
}

fn unwritten(file: &Path, why: &str) -> Failure {
    let folder = shown(file.parent().unwrap_or(file));
    let message = format!("{} cannot be written: {why}", shown(file));
    failure(FailureCode::Misconfigured, message, format!("see that its folder is yours, and can be written: `ls -ld {folder}`"))
}

/// Where the link is made: beside this program if it lies in PATH, else in a folder of PATH below the home directory.
fn room_for_a_link(place: &Place, context: &Context) -> Result<PathBuf, Failure> {
    let folders = folders(context);
    let beside = place.flytoken.parent().map(Path::to_owned);
    let home = context.paths.home().map(Path::to_owned);
    let own = home.map(|home| [".local/bin", "bin", ".cargo/bin"].map(|folder| home.join(folder))).into_iter().flatten();
    let room = beside.into_iter().chain(own).find(|folder| folders.contains(folder) && is_writable(folder));
    room.map(|folder| folder.join(PROGRAM)).ok_or_else(|| {
        let message = format!("there is no {PROGRAM} in PATH for Docker to start, and no folder of PATH is yours to put it in");
        let hint = format!("have it there, then try again: `sudo ln -s {} /usr/local/bin/{PROGRAM}`", shown(&place.flytoken));
        failure(FailureCode::Misconfigured, message, hint)
    })
}

fn is_writable(folder: &Path) -> bool {
    folder.is_dir() && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

fn put_link(flytoken: &Path, link: &Path) -> Result<(), Failure> {
    let made = match symlink(flytoken, link) {
        // A link to a program that is gone: PATH finds nothing there.
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && link.is_symlink() && !link.exists() => {
            fs::remove_file(link).and_then(|()| symlink(flytoken, link))
        }
        made => made,
    };
    made.map_err(|cause| {
        let (link, flytoken) = (shown(link), shown(flytoken));
        failure(
            FailureCode::Misconfigured,
            format!("cannot make the link {link}: {cause}"),
            format!("type `ln -s {flytoken} {link}`, then try again"),
        )
    })
}

fn nowhere() -> Failure {
    let message = "there is no place for Docker's configuration: neither DOCKER_CONFIG nor HOME is set";
    failure(FailureCode::Misconfigured, message, "say where it is: `export DOCKER_CONFIG=/path/to/folder`")
}

fn in_the_way(path: &Path) -> Failure {
    let path = shown(path);
    let message = format!("{path} comes first in PATH, so that Docker would start it in place of flytoken");
    failure(FailureCode::Misconfigured, message, format!("if it may go: `rm {path}`, then `flytoken docker install`"))
}

fn another(helper: &str, file: &Path) -> Failure {
    let message = format!("{} has another helper for {REGISTRY}: `{}`", shown(file), plain::line(helper));
    failure(FailureCode::Misconfigured, message, "to take its place: `flytoken docker install --force`")
}
