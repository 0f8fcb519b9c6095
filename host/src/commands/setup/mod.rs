//! `flytoken setup`: what is there, a configuration where there is none, and the agent.

mod configuration;

use std::path::Path;

use self::configuration::{Configuration, Place};
use super::{Context, agent, consent, doctor, failure};
use crate::{
    app_from,
    cli::Setup,
    output::Table,
    plain,
    protocol::{Failure, FailureCode},
    trust::shown,
};

pub(super) fn run(setup: Setup, context: &Context) -> Result<(), Failure> {
    if !setup.yes && !consent::somebody_is_there() {
        let hint = "add `--yes`, with `--strict`, `--audit` or `--no-agent` where you want it otherwise than usual";
        return Err(failure(FailureCode::NeedsHuman, "setup asks up to three questions, and nobody is at a terminal to answer", hint));
    }
    let app = app_from::find(None, &context.environment, Path::new("."));
    let place = Place::look(context);
    let mut table = Table::new(context.output.paint(), []);
    let mut to_do = Vec::new();
    for (what, how, command) in doctor::essentials(context) {
        table.fact(what, how);
        to_do.extend(command);
    }
    match &app {
        Ok(app) => table.fact("app", app.as_str()),
        Err(why) => table.fact("app", plain::whole_line(&why.to_string())),
    }
    table.fact(
        "config",
        match &place {
            Place::Free(path) => format!("none yet; it would be {}", shown(path)),
            Place::Taken(path) => format!("{}, which stays as it is", shown(path)),
            Place::None => "there is no place for one: HOME is not set".into(),
        },
    );
    let wants_agent = !setup.no_agent;
    let (is_installed, is_possible) = match (agent::installed(context), agent::can_be_installed(context)) {
        (Err(failure), _) => (false, Err(failure.message)),
        (Ok(installed), possible) => (installed.is_some(), possible),
    };
    table.fact(
        "agent",
        match (is_installed, &is_possible) {
            (true, Ok(())) => "is installed".into(),
            (false, Ok(())) => "is not installed".into(),
            (true, Err(why)) => format!("is installed, and nobody is there to start it: {}", plain::whole_line(why)),
            (false, Err(why)) => format!("cannot be started by anybody here: {}; every command works by itself", plain::whole_line(why)),
        },
    );
    context.output.print(&table.lines())?;

    if let Place::Free(path) = &place {
        let wanted = ask_what_to_write(setup, app.as_ref().ok().map(ToString::to_string), context);
        wanted.write(path, context)?;
        context.output.print(&format!("\nwrote {}\n", shown(path)))?;
    }
    if wants_agent
        && is_possible.is_ok()
        && (is_installed || setup.yes || consent::is_agreed("Have the agent started whenever somebody asks?", true, context))
    {
        context.output.print("\n")?;
        agent::install(context)?;
    }
    to_do.push(app.map_or_else(|_| "flytoken get APP".into(), |_| "flytoken get".into()));
    context.output.print(&format!("\nNext: `{}`\n", to_do.join("`, then `")))
}

fn ask_what_to_write(setup: Setup, app: Option<String>, context: &Context) -> Configuration {
    let agreed = |said: bool, question: &str| said || (!setup.yes && consent::is_agreed(question, false, context));
    Configuration {
        strict: agreed(setup.strict, "Shall your login only mint, and never be handed out itself, not even narrowed?"),
        audit: agreed(setup.audit, "Shall every request be put on record, in audit.jsonl beside the configuration?"),
        app,
    }
}
