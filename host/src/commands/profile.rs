//! `flytoken profile`: several accounts side by side, and which one is in force.

use std::{collections::BTreeSet, fs, path::Path};

use super::{Context, administrators, doctor, quoted::Quoted, usage};
use crate::{
    agent::{AgentLock, Holder},
    cli::{Profile, ProfileAction, ProfileFormat, ProfileUse},
    config::ProfileName,
    output::{Table, json},
    paths::Paths,
    protocol::Failure,
    trust::shown,
};

pub(super) fn run(profile: &Profile, context: &Context) -> Result<(), Failure> {
    match &profile.action {
        None => list(profile.list.json, context),
        Some(ProfileAction::List(form)) => list(form.json, context),
        Some(ProfileAction::Prompt(prompt)) => match context.paths.profile() {
            Some(profile) => context.output.print(&prompt.format.replace("%p", profile.as_str())),
            None => Ok(()),
        },
        Some(ProfileAction::Use(other)) => switch(other, context),
    }
}

/// What there is of one profile.
struct Found {
    name: String,
    current: bool,
    logged_in: bool,
    agent: Option<u32>,
    paths: Paths,
}

fn list(json: bool, context: &Context) -> Result<(), Failure> {
    let profiles = profiles(context)?;
    if json {
        let shown = |path: Option<&Path>| path.map(|path| path.display().to_string());
        let profile = |found: &Found| json::Profile {
            name: found.name.clone(),
            current: found.current,
            logged_in: found.logged_in,
            agent: found.agent,
            config: shown(found.paths.config()),
            fly: shown(found.paths.fly()),
        };
        return context.output.print_json(&json::Profiles { profiles: profiles.iter().map(profile).collect() });
    }
    let paint = context.output.paint();
    let mut table = Table::new(paint, ["", "PROFILE", "LOGIN", "AGENT", "FLY"]);
    for found in &profiles {
        table.row([
            if found.current { paint.good("*") } else { String::new() },
            if found.current { paint.strong(&found.name) } else { found.name.clone() },
            if found.logged_in { paint.good("present") } else { paint.fair("none") },
            found.agent.map_or_else(|| paint.faint("-"), |pid| format!("process {pid}")),
            found.paths.fly().map(shown).unwrap_or_default(),
        ]);
    }
    context.output.print(&table.lines())
}

/// Each profile there is.
fn profiles(context: &Context) -> Result<Vec<Found>, Failure> {
    let current = context.paths.profile().map_or(DEFAULT, ProfileName::as_str);
    names(context)?.into_iter().map(|name| Ok(found(paths(&name, context)?, current == name, name, context))).collect()
}

/// The default one, the one in force, and whatever has a folder.
///
/// # Errors
/// None where a profile is in force.
pub(super) fn names(context: &Context) -> Result<Vec<String>, Failure> {
    let default = paths(DEFAULT, context)?;
    let mut names: BTreeSet<String> = context.paths.profile().map(ToString::to_string).into_iter().collect();
    for folder in [default.config(), default.state()].into_iter().flatten() {
        let entries = fs::read_dir(folder.join("profiles")).into_iter().flatten().flatten().take(MOST);
        // What is no profile's name is somebody's own folder.
        let folders = entries.filter(|entry| entry.path().is_dir()).filter_map(|entry| entry.file_name().into_string().ok());
        names.extend(folders.filter(|name| ProfileName::parse(name).is_ok_and(|name| !name.is_default())));
    }
    Ok([DEFAULT.to_owned()].into_iter().chain(names).collect())
}

fn found(paths: Paths, current: bool, name: String, context: &Context) -> Found {
    let agent = match paths.socket() {
        Ok(Some(socket)) => match AgentLock::holder(socket) {
            Ok(Holder::Agent(pid)) => pid,
            Ok(_) | Err(_) => None,
        },
        Ok(None) | Err(_) => None,
    };
    Found { current, logged_in: doctor::has_login_file(&paths, context), agent, name, paths }
}

/// Where things of that profile lie.
fn paths(name: &str, context: &Context) -> Result<Paths, Failure> {
    Paths::new(&context.environment, Some(name), administrators(&context.environment))
        .map_err(|error| usage(error.to_string(), "name a profile by 1 to 32 of `a-z`, `0-9` and `-`: `flytoken profile use work`"))
}

fn switch(other: &ProfileUse, context: &Context) -> Result<(), Failure> {
    let paths = paths(&other.name, context)?;
    let (set, is, unset, quoted) = match other.format {
        ProfileFormat::Bash => ("export ", "=", "unset ", Quoted::Posix),
        ProfileFormat::Fish => ("set -gx ", " ", "set -e ", Quoted::Fish),
    };
    let line = |name: &str, value: Option<&str>| {
        let mut line = [if value.is_some() { set } else { unset }, name].concat();
        if let Some(value) = value {
            line.push_str(is);
            quoted.push(value, &mut line);
        }
        line + "\n"
    };
    // So that `fly`, typed in the same shell, means the same account.
    let fly = paths.profile().and_then(|_| paths.fly()).and_then(Path::to_str);
    let profile = paths.profile().map(ProfileName::as_str);
    context.output.print(&[line("FLYTOKEN_PROFILE", profile), line("FLY_CONFIG_DIR", fly)].concat())?;
    if let Some(profile) = paths.profile()
        && !doctor::has_login_file(&paths, context)
    {
        context.output.say_to_person(|paint| {
            paint.faint(format!("{profile}: nobody is logged in yet; once these lines are in force, `fly auth login`"))
        });
    }
    Ok(())
}

/// The profile that everything belongs to when none is named.
const DEFAULT: &str = "default";

/// More folders are no people's accounts.
const MOST: usize = 1000;
