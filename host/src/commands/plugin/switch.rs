//! `flytoken plugin enable` and `disable`: whether a source runs, written down in a file of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::Path,
    thread,
    time::Duration,
};

use serde::Deserialize;
use tokio::time::Instant;

use super::super::{Context, config_file::place, failure, unexpected};
use crate::{
    config::{self, KeyPath, Loaded, SourceName},
    protocol::{Failure, FailureCode, Reply, Request},
    trust::shown,
};

pub(super) fn run(name: &SourceName, enable: bool, context: &Context) -> Result<(), Failure> {
    let done = if enable { "enabled" } else { "disabled" };
    let Some(path) = context.paths.disabled() else {
        let hint = format!("write into it, or take out of it: `sources: {{ {name}: {{ enabled: {enable} }} }}`");
        return Err(misconfigured("FLYTOKEN_CONFIG names the one file that counts, or HOME is not set", hint));
    };
    let before = load(context)?;
    let Some(source) = before.config.sources.get(name) else {
        return Err(misconfigured(format!("there is no source `{name}`"), "`flytoken plugin list` shows every source there is"));
    };
    if source.enabled == enable {
        return context.output.print(&format!("{name}: {done} already\n"));
    }
    let old = read(&path)?;
    let mut disabled = old.as_deref().map_or_else(|| Ok(BTreeSet::new()), |text| listed(text, &path))?;
    if enable {
        disabled.remove(name)
    } else {
        disabled.insert(name.clone())
    };
    put(&path, &disabled)?;
    let settled = load(context).and_then(|loaded| says(name, enable, &loaded));
    if let Err(failure) = settled {
        // A configuration that does not hold would leave the agent with the one before, in which nothing has changed.
        match old {
            Some(text) => place(&path, &text).map_err(|error| unwritable(&path, &error))?,
            None => fs::remove_file(&path).map_err(|error| unwritable(&path, &error))?,
        }
        return Err(failure);
    }
    wait(name, enable, context)?;
    context.output.print(&format!("{name}: {done}\n"))
}

/// The configuration, which has to hold.
fn load(context: &Context) -> Result<Loaded, Failure> {
    let layers = context.paths.layers(rustix::process::getuid().as_raw());
    config::load(&layers)
        .map_err(|errors| misconfigured(format!("the configuration does not hold:\n{errors}"), "mend it, then run `flytoken config check`"))
}

/// Checks that what was written counts: another file may say otherwise.
fn says(name: &SourceName, enable: bool, loaded: &Loaded) -> Result<(), Failure> {
    if loaded.config.sources.get(name).is_some_and(|source| source.enabled == enable) {
        return Ok(());
    }
    let key = KeyPath::default().key("sources").key(name.as_str()).key("enabled");
    let place = loaded.origins.of(&key).map_or_else(String::new, |origin| format!(" in {origin}"));
    Err(misconfigured(
        format!("`sources.{name}.enabled` is {}{place}, and counts", !enable),
        "change it there; `flytoken config show` says where each value comes from",
    ))
}

/// Waits until a running agent goes by what was written, so that who disables a source can rely on it.
fn wait(name: &SourceName, enable: bool, context: &Context) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Reply::Status(status) = context.ask(Request::Status)? else { return Err(unexpected()) };
        let is_so = status.sources.iter().any(|source| source.name == name.as_str() && source.disabled != enable);
        if is_so {
            return Ok(());
        }
        if Instant::now() > deadline {
            let why = status.config.problem.map_or_else(String::new, |problem| format!(": {problem}"));
            return Err(failure(
                FailureCode::Agent,
                format!("it is written down, and the agent does not go by it{why}"),
                "`flytoken status` says more; or start the agent again",
            ));
        }
        thread::sleep(PAUSE);
    }
}

/// The file as `disable` writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sources: BTreeMap<SourceName, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    enabled: bool,
}

/// The sources that the file disables.
fn listed(text: &str, path: &Path) -> Result<BTreeSet<SourceName>, Failure> {
    let odd = || {
        misconfigured(
            format!("{} is not as it was written, and is left as it is", shown(path)),
            "change it by hand; `flytoken config show` says where each value comes from",
        )
    };
    let file: File = serde_yaml::from_str(text).map_err(|_| odd())?;
    file.sources.into_iter().map(|(name, entry)| if entry.enabled { Err(odd()) } else { Ok(name) }).collect()
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(misconfigured(format!("{}: {error}", shown(path)), "see that it can be read: `flytoken config path` names its folder"))
        }
    }
}

/// Writes the file, or removes it where nothing is left to say.
fn put(path: &Path, disabled: &BTreeSet<SourceName>) -> Result<(), Failure> {
    if disabled.is_empty() {
        return fs::remove_file(path).map_err(|error| unwritable(path, &error));
    }
    let mut text = "# Written by `flytoken plugin disable`; `flytoken plugin enable` takes it out again.\nsources:\n".to_owned();
    for name in disabled {
        let _ = writeln!(text, "  {name}: {{ enabled: false }}");
    }
    place(path, &text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    misconfigured(
        format!("{} cannot be written: {error}", shown(path)),
        "see that its folder can be written to: `flytoken config path` names it",
    )
}

fn misconfigured(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    failure(FailureCode::Misconfigured, message, hint)
}

/// An agent that follows its files does so within milliseconds; one that compiles a large component meanwhile takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(20);
