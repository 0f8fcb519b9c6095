//! From the command line to a component on trial.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    super::{Context, failure, usage},
    Candidate, NO_SOURCE, name_of, runtime,
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

/// Why there is nothing to try.
pub(super) enum Refused {
    /// It is no source that this host could ever load.
    NoSource(String),
    /// It does not load with these grants.
    NotLoaded { why: String, hint: String },
}

/// Reads the file, and loads it with what is granted.
///
/// # Errors
/// Exit 2 for what the command line says, exit 7 for the component.
pub(super) fn load(file: &Path, on_trial: &OnTrial, context: &Context) -> Result<Loaded, Failure> {
    let about = |why: &str| format!("{} {why}", shown(file));
    try_load(file, on_trial, context)?.map_err(|refused| match refused {
        Refused::NoSource(why) => failure(FailureCode::Misconfigured, about(&why), NO_SOURCE),
        Refused::NotLoaded { why, hint } => failure(FailureCode::Misconfigured, about(&why), hint),
    })
}

/// The same, where a component that cannot be tried is no failure.
///
/// # Errors
/// Exit 2 for what the command line says.
pub(super) fn try_load(file: &Path, on_trial: &OnTrial, context: &Context) -> Result<Result<Loaded, Refused>, Failure> {
    let folder = Path::new(".")
        .canonicalize()
        .map_err(|error| usage(format!("the current folder: {error}"), "go to a folder that there is: `cd`"))?;
    let name = name_of(file).unwrap_or_else(|| SourceName::parse("it").expect("two letters are a name"));
    let settings = on_trial.setting.iter().cloned().collect();
    let (component, home) = (folder.join(file), context.environment.home());
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
    let Candidate { bytes, inspected, .. } = match Candidate::try_read(file, context)? {
        Ok(candidate) => candidate,
        Err(error) => return Ok(Err(Refused::NoSource(error.to_string()))),
    };
    if let Some(import) = inspected.unavailable() {
        return Ok(Err(Refused::NoSource(format!("imports `{}`, which this flytoken does not offer", import.name))));
    }
    let role = on_trial.role.unwrap_or(if inspected.is_keeper { Role::Memory } else { Role::Live });
    let source = crate::config::SourceConfig { role, ..source };
    let given = source.grants.names();
    let loaded = Trial::load(&runtime(context)?, source, &bytes, Arc::clone(&context.clock), &context.environment);
    Ok(match loaded {
        Ok(trial) => Ok(Loaded { trial, inspected }),
        Err(error) => Err(not_loaded(&error, &inspected, &given)),
    })
}

/// Why, and every grant to add at once: on the command line, since there is no configuration that the error could point to.
fn not_loaded(error: &LoadError, inspected: &Inspected, given: &[&str]) -> Refused {
    let LoadError::Ungranted { interface, grant, .. } = error else {
        return Refused::NotLoaded { why: error.to_string(), hint: NO_SOURCE.into() };
    };
    let missing = inspected.grants().into_iter().filter(|(name, _)| !given.contains(name));
    let options: Vec<_> = missing.map(|(_, example)| format!("--grant '{}'", example.strip_suffix(": true").unwrap_or(example))).collect();
    Refused::NotLoaded {
        why: format!("imports `{interface}`, which needs the grant `{grant}`"),
        hint: format!("add {}", options.join(" ")),
    }
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
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{}.{} MiB", bytes >> 20, ((bytes & 0xf_ffff) * 10) >> 20) }
}
