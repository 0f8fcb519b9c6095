//! From the command line to a component on trial.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    super::{Context, failure, usage},
    Candidate, name_of, runtime,
};
use crate::{
    cli::OnTrial,
    config::{Described, Role, SourceName},
    protocol::{Failure, FailureCode},
    runtime::{Inspected, LoadError},
    trial::Trial,
    trust::shown,
};

/// A component that is loaded, and what it says of itself.
pub(super) struct Loaded {
    pub(super) trial: Trial,
    pub(super) inspected: Inspected,
}

/// Reads the file, and loads it with what is granted.
pub(super) fn load(on_trial: &OnTrial, context: &Context) -> Result<Loaded, Failure> {
    let folder = Path::new(".").canonicalize().map_err(|error| usage(format!("the current folder: {error}")))?;
    let name = name_of(&on_trial.file).unwrap_or_else(|| SourceName::parse("it").expect("two letters are a name"));
    let settings = on_trial.setting.iter().cloned().collect();
    let (component, home) = (folder.join(&on_trial.file), context.environment.home());
    let described = Described {
        name: &name,
        component: &component,
        grants: &on_trial.grant,
        may_leak: on_trial.may_leak,
        settings: &settings,
        timeout: on_trial.timeout,
        memory: on_trial.memory,
        folder: &folder,
        home: home.as_deref(),
    };
    let source = described.source().map_err(|errors| {
        let hint = "an entry is written as under `grants` in a configuration file";
        failure(FailureCode::Usage, errors.to_string(), hint)
    })?;
    let Candidate { bytes, inspected, .. } = Candidate::read(&on_trial.file, context)?;
    let role = on_trial.role.unwrap_or(if inspected.is_keeper { Role::Memory } else { Role::Live });
    let source = crate::config::SourceConfig { role, ..source };
    let loaded = Trial::load(&runtime(context)?, source, &bytes, Arc::clone(&context.clock), &context.environment);
    let trial = loaded.map_err(|error| {
        let message = format!("{} {error}", shown(&on_trial.file));
        failure(FailureCode::Misconfigured, message, hint(&error, &inspected))
    })?;
    Ok(Loaded { trial, inspected })
}

/// What to add to the command line.
fn hint(error: &LoadError, inspected: &Inspected) -> String {
    let LoadError::Ungranted { grant, .. } = error else {
        return "a source is built for the world of `flytoken:source` 0.1: see the folder `wit` of flytoken".into();
    };
    let example = inspected.grants().into_iter().find(|(name, _)| name == grant).map_or(*grant, |(_, example)| example);
    format!("add --grant '{}'", example.strip_suffix(": true").unwrap_or(example))
}

/// How long something took, as people read it.
pub(super) fn span(took: Duration) -> String {
    if took < Duration::from_millis(10) { format!("{} us", took.as_micros()) } else { format!("{} ms", took.as_millis()) }
}

/// The same for machines.
pub(super) fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// So much memory, as people read it.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{}.{} MiB", bytes >> 20, (bytes & 0xf_ffff) * 10 >> 20) }
}
