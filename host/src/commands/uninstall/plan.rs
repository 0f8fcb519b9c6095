//! Everything there is to do, in its order, and what became of it.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    agent::{AgentLock, Holder},
    cli::Uninstall,
    commands::{Context, agent, docker, failure, unexpected},
    config::KeyPlace,
    leavings::{Leavings, Purpose},
    output::{Table, json},
    plain,
    protocol::{Failure, FailureCode, Reply, Request},
    store::{KeySearch, Patience, SystemKeyring},
    time::Timestamp,
    trust::shown,
};

/// Steps, each with what became of it.
pub(super) struct Plan {
    pub(super) steps: Vec<(Step, Outcome)>,
}

/// One thing to do.
pub(super) enum Step {
    /// A token at Fly that is good until then.
    Revoke { name: String, until: Timestamp },
    /// What `agent install` did, in words.
    Service(String),
    /// What `docker install` did, in words.
    Docker(String),
    /// An agent that runs.
    Stop(u32),
    /// The key in the keyring.
    ForgetKey,
    /// The key file, the databases with the ledger in them, components.
    RemoveState(Leavings),
    /// What can be made again.
    Remove(Leavings),
    /// Something that is left, and why.
    Keep { what: String, why: &'static str },
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    ToDo,
    Done,
    Failed(String),
    Kept,
}

impl Plan {
    /// Looks at what there is. Makes nothing.
    ///
    /// # Errors
    /// If it cannot be told what was minted, or what lies where.
    pub(super) fn look(uninstall: Uninstall, context: &Context) -> Result<Self, Failure> {
        let paths = &context.paths;
        let mut steps = Vec::new();
        for (name, until) in mints(context)? {
            if uninstall.no_revoke {
                steps.push(Step::Keep { what: name, why: "good at Fly until it ends by itself" });
            } else {
                steps.push(Step::Revoke { name, until });
            }
        }
        if let Some(service) = agent::installed(context)? {
            steps.push(Step::Service(service));
        }
        // One for all profiles.
        if paths.profile().is_none()
            && let Some(files) = docker::installed(context)?
        {
            steps.push(Step::Docker(files));
        }
        let socket = paths.socket().ok().flatten();
        if let Some(Ok(Holder::Agent(Some(pid)))) = socket.map(AgentLock::holder) {
            steps.push(Step::Stop(pid));
        }
        if let Some(state) = paths.state()
            && let Ok(Some(KeyPlace::Keyring)) = KeySearch::recorded(state)
        {
            steps.push(Step::ForgetKey);
        }
        let mut others = Vec::new();
        let mut remove = |folder: Option<&Path>, purpose, step: fn(Leavings) -> Step| {
            let Some(folder) = folder else { return Ok(()) };
            let found = Leavings::look(folder, purpose).map_err(|cause| unreadable(folder, &cause))?;
            if let Some(leavings) = found {
                others.extend(leavings.others.iter().cloned());
                steps.push(step(leavings));
            }
            Ok::<_, Failure>(())
        };
        remove(paths.state(), Purpose::State, Step::RemoveState)?;
        // Without a runtime directory it is in the state folder, and gone with that.
        let socket_folder = socket.and_then(Path::parent).filter(|folder| paths.state().is_none_or(|state| !folder.starts_with(state)));
        remove(socket_folder, Purpose::Socket, Step::Remove)?;
        // Shared by all profiles.
        remove(paths.cache().filter(|_| paths.profile().is_none()), Purpose::Cache, Step::Remove)?;
        for other in others {
            let why = if other.ends_with("profiles") { PROFILES } else { "not flytoken's" };
            steps.push(Step::Keep { what: shown(&other), why });
        }
        let configuration = [paths.config_file(), paths.config().map(Path::to_owned)].into_iter().flatten().find(|path| path.exists());
        if let Some(configuration) = configuration {
            steps.push(Step::Keep { what: shown(&configuration), why: "your configuration" });
        }
        let outcome = |step: &Step| if matches!(step, Step::Keep { .. }) { Outcome::Kept } else { Outcome::ToDo };
        Ok(Self { steps: steps.into_iter().map(|step| (outcome(&step), step)).map(|(outcome, step)| (step, outcome)).collect() })
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.iter().all(|(_, outcome)| *outcome == Outcome::Kept)
    }

    /// How many steps failed.
    pub(super) fn problems(&self) -> usize {
        self.steps.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count()
    }

    /// A line for each step.
    pub(super) fn text(&self, context: &Context) -> String {
        let (paint, moments) = (context.output.paint(), context.moments());
        let mut table = Table::new(paint, []);
        for (step, outcome) in &self.steps {
            let what = match step {
                Step::Revoke { until, .. } => format!("{}, good until {}", step.what(), moments.both(*until)),
                Step::Keep { why, .. } => format!("{}: {why}", step.what()),
                _ => step.what(),
            };
            let (state, problem) = match outcome {
                Outcome::ToDo | Outcome::Kept => (step.action().to_owned(), String::new()),
                Outcome::Done => (paint.good(step.past()), String::new()),
                Outcome::Failed(why) => (paint.bad("failed"), format!(": {why}")),
            };
            table.row([state, format!("{what}{problem}")]);
        }
        table.lines()
    }

    /// The same for machines.
    pub(super) fn json(&self) -> json::Uninstalled {
        let step = |(step, outcome): &(Step, Outcome)| {
            let (state, problem) = match outcome {
                Outcome::ToDo => ("would-do", None),
                Outcome::Done => ("done", None),
                Outcome::Failed(why) => ("failed", Some(why.clone())),
                Outcome::Kept => ("kept", None),
            };
            json::UninstallStep { action: step.action(), what: step.what(), state, problem }
        };
        json::Uninstalled { steps: self.steps.iter().map(step).collect() }
    }
}

impl Step {
    fn action(&self) -> &'static str {
        match self {
            Self::Revoke { .. } => "revoke",
            Self::Service(_) | Self::Stop(_) => "stop",
            Self::Docker(_) | Self::ForgetKey | Self::RemoveState(_) | Self::Remove(_) => "remove",
            Self::Keep { .. } => "keep",
        }
    }

    fn past(&self) -> &'static str {
        match self {
            Self::Revoke { .. } => "revoked",
            Self::Service(_) | Self::Stop(_) => "stopped",
            Self::Docker(_) | Self::ForgetKey | Self::RemoveState(_) | Self::Remove(_) => "removed",
            Self::Keep { .. } => "kept",
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Revoke { name, .. } => plain::line(name),
            Self::Service(files) => format!("the agent that was installed, with {files}"),
            Self::Docker(files) => format!("what Docker asks flytoken by, in {files}"),
            Self::Stop(pid) => format!("the agent, process {pid}"),
            Self::ForgetKey => "the key in the keyring".into(),
            Self::RemoveState(leavings) => {
                format!("{}: {} of the key, the databases and their locks", shown(&leavings.folder), files(leavings))
            }
            Self::Remove(leavings) => format!("{}: {}", shown(&leavings.folder), files(leavings)),
            Self::Keep { what, .. } => what.clone(),
        }
    }
}

/// Where the key is looked for; nowhere without a state folder.
pub(super) fn key_search(context: &Context) -> Option<KeySearch<'_>> {
    let directory = context.paths.state()?;
    let environment = &context.environment;
    Some(KeySearch { directory, environment, keyring: Arc::new(SystemKeyring), wanted: None, patience: Patience::of(KEY_PATIENCE) })
}

/// Every mint that is still good. Where nothing was ever kept none was made, and looking would make the databases.
fn mints(context: &Context) -> Result<Vec<(String, Timestamp)>, Failure> {
    if !context.paths.state().is_some_and(|state| state.join("kept.redb").exists()) {
        return Ok(Vec::new());
    }
    let reply = context.ask_own(Request::Minted);
    context.stand_in.settle();
    let Reply::Minted { mints, .. } = reply? else { return Err(unexpected()) };
    let now = context.clock.now();
    let good = mints.into_iter().filter(|mint| mint.revoked.is_none() && mint.until > now);
    Ok(good.map(|mint| (mint.name, mint.until)).collect())
}

fn files(leavings: &Leavings) -> String {
    match leavings.ours.len() {
        1 => "1 file".into(),
        count => format!("{count} files"),
    }
}

fn unreadable(folder: &Path, cause: &std::io::Error) -> Failure {
    let hint = format!("see that it is yours, and can be read: `ls -ld {}`", shown(folder));
    failure(FailureCode::Misconfigured, format!("cannot look into {}: {cause}", shown(folder)), hint)
}

const PROFILES: &str = "other profiles; each with `flytoken --profile NAME uninstall`";

/// Nobody makes a key while it is looked at.
const KEY_PATIENCE: Duration = Duration::ZERO;
