//! `flytoken plugin dev`: builds a project and asks its component, again at each change.

mod project;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tokio::{runtime::Builder, time::sleep};

use self::project::Project;
use super::{
    super::{Context, failure},
    run::{ask, show},
};
use crate::{
    changes::{Changes, Places},
    cli::PluginDev,
    protocol::{Failure, FailureCode},
};

pub(super) fn run(dev: &PluginDev, context: &Context) -> Result<ExitCode, Failure> {
    let project = Project::of(&dev.folder)?;
    if dev.once {
        return build(&project, context).and_then(|component| shown(&component, dev, context));
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|cause| failure(FailureCode::Internal, cause.to_string(), "see that the system has threads left: `ulimit -u`"))?;
    let _inside = runtime.enter();
    let places = |files| Places { files, folders: Vec::new() };
    let mut changes = Changes::of(places(project.files()));
    loop {
        let built = build(&project, context);
        // What is new by now the build has made; what comes after that is its author's.
        let known = project.files();
        // Whatever is wrong is for the next change to mend.
        if let Err(failure) = built.and_then(|component| shown(&component, dev, context)) {
            context.output.report(&failure, false);
        }
        context.output.say_to_person(|paint| paint.faint("waiting for a change; Ctrl-C ends it"));
        changes.follow(places(known.clone()));
        runtime.block_on(changed(&mut changes, &project, &known));
        context.output.say_to_person(|paint| paint.strong("\nsomething changed"));
    }
}

fn build(project: &Project, context: &Context) -> Result<PathBuf, Failure> {
    context.output.say_to_person(|paint| paint.faint("building"));
    project.build()
}

/// Asks it and shows what came of it.
fn shown(component: &Path, dev: &PluginDev, context: &Context) -> Result<ExitCode, Failure> {
    let ran = ask(component, &dev.on_trial, &dev.asked, context)?;
    show(&ran, context)?;
    Ok(ran.exit())
}

/// Waits until a file is other than it was, or there are others than those that are known.
async fn changed(changes: &mut Changes, project: &Project, known: &[PathBuf]) {
    let new_file = async {
        while project.files() == known {
            sleep(LOOK).await;
        }
    };
    // One wait that is never given up to begin anew: an event that came just before would be lost, and the files not looked at.
    tokio::select! {
        () = changes.wait(LOOK) => {}
        () = new_file => {}
    }
}

/// How long a new file goes unnoticed at most; for others there are events.
const LOOK: Duration = Duration::from_secs(1);
