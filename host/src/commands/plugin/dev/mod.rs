//! `flytoken plugin dev`: builds a project and asks its component, again at each change.

mod project;

use std::{process::ExitCode, time::Duration};

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
        return once(&project, dev, context);
    }
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|cause| failure(FailureCode::Internal, cause.to_string(), "see that the system has threads left: `ulimit -u`"))?;
    let _inside = runtime.enter();
    let places = || Places { files: project.files(), folders: Vec::new() };
    let mut changes = Changes::of(places());
    loop {
        // Whatever is wrong is for the next change to mend.
        if let Err(failure) = once(&project, dev, context) {
            context.output.report(&failure, false);
        }
        context.output.say_to_person(|paint| paint.faint("waiting for a change; Ctrl-C ends it"));
        changes.follow(places());
        runtime.block_on(changed(&mut changes, &project));
        context.output.say_to_person(|paint| paint.strong("\nsomething changed"));
    }
}

/// Builds it, asks it and shows what came of it.
fn once(project: &Project, dev: &PluginDev, context: &Context) -> Result<ExitCode, Failure> {
    context.output.say_to_person(|paint| paint.faint("building"));
    let component = project.build()?;
    let ran = ask(&component, &dev.on_trial, &dev.asked, context)?;
    show(&ran, context)?;
    Ok(ran.exit())
}

/// Waits until a file is other than it was, or there is one that was not there.
async fn changed(changes: &mut Changes, project: &Project) {
    let before = project.files();
    let new_file = async {
        while project.files() == before {
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
