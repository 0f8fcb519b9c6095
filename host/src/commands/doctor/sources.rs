//! The sources that the configuration names, and whether they could answer.

use super::{Context, agent::Running, check::Check};
use crate::{
    config::{ComponentRef, Config, SourceConfig, SourceName},
    protocol::{Failure, Reply, Request, SourceStatus, Status},
};

/// One check for each source that is not as it is configured, or one for all of them. Without an agent the components are loaded here,
/// unless all are built in.
pub(super) fn checks(context: &Context, config: &Config, running: &Result<Running, Failure>) -> Vec<Check> {
    let is_own = |source: &SourceConfig| matches!(source.component, ComponentRef::File(_));
    match running {
        Ok(Running::Status(status)) => of(status, config),
        Ok(Running::None) if config.sources.values().any(|source| is_own(source)) => match context.ask(Request::Status) {
            Ok(Reply::Status(status)) => of(&status, config),
            Ok(_) => Vec::new(),
            Err(failure) => vec![Check::fail("sources", failure.message).mended_by("flytoken status")],
        },
        // Who is told nothing, or has had to hear why already.
        Ok(Running::None | Running::Reserved) | Err(_) => Vec::new(),
    }
}

fn of(status: &Status, config: &Config) -> Vec<Check> {
    let troubled = status.sources.iter().filter_map(|source| Some(check(source, source.problem.as_ref()?, config)));
    let mut checks: Vec<Check> = troubled.collect();
    if checks.is_empty() {
        let loaded = status.sources.iter().filter(|source| source.sha256.is_some()).count();
        checks.push(Check::ok("sources", format!("all {loaded} are loaded")));
    }
    checks
}

fn check(source: &SourceStatus, problem: &str, config: &Config) -> Check {
    let name = &source.name;
    let is_asked = SourceName::parse(name).is_ok_and(|name| config.asks(&name));
    let check = match (source.sha256.is_some(), is_asked) {
        (true, _) => Check::warn("sources", format!("`{name}` does not load, and the one before serves: {problem}")),
        (false, true) => Check::fail("sources", format!("`{name}` stands in a chain and is not loaded: {problem}")),
        (false, false) => Check::warn("sources", format!("`{name}` is not loaded, and no chain asks it: {problem}")),
    };
    check.mended_by("flytoken plugin list")
}
