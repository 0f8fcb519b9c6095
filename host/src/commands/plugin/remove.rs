//! `flytoken plugin remove`: removes a source that was added, and its component.

use std::fs;

use serde_yaml::Value;

use super::super::{Context, consent, failure};
use crate::{
    cli::PluginRemove,
    config::{self, ComponentRef, Pin},
    protocol::{Failure, FailureCode},
    trust::shown,
};

pub(super) fn run(remove: &PluginRemove, context: &Context) -> Result<(), Failure> {
    let name = &remove.name;
    let misconfigured = |message: String, hint: &str| failure(FailureCode::Misconfigured, message, hint);
    let path = context.paths.drop_in(name).filter(|path| path.is_file());
    let Some(path) = path else {
        return Err(misconfigured(format!("`{name}` was not added here"), "`flytoken plugin list` shows every source there is"));
    };
    let io_failed = |error: std::io::Error| {
        misconfigured(format!("{}: {error}", shown(&path)), "see that it can be read and removed: `flytoken config path` names its folder")
    };
    let text = fs::read_to_string(&path).map_err(io_failed)?;
    let is_alone = serde_yaml::from_str::<Value>(&text).is_ok_and(|value| {
        let only = |value: &Value, key: &str| value.as_mapping().is_some_and(|map| map.len() == 1 && map.contains_key(key));
        only(&value, "sources") && value.get("sources").is_some_and(|sources| only(sources, name.as_str()))
    });
    let pin = Pin::found_in(&text, name);
    let (Ok(pin), true) = (pin, is_alone) else {
        return Err(misconfigured(
            format!("{} holds more than `{name}`, and is left as it is", shown(&path)),
            "take its lines out by hand; `flytoken config show` says where they are",
        ));
    };
    let layers = context.paths.layers(rustix::process::getuid().as_raw());
    let loaded = config::load(&layers).map_err(|errors| {
        misconfigured(format!("the configuration does not hold:\n{errors}"), "mend it, then run `flytoken config check`")
    })?;
    let config = &loaded.config;
    if config.asks(name) {
        return Err(misconfigured(
            format!("a chain still names `{name}`"),
            "take it out of `chain` first: `flytoken config show` says where",
        ));
    }
    if !remove.yes {
        let question = format!("Remove `{name}`, its settings and grants in {} with it?", shown(&path));
        consent::ask(&question, "add `--yes`", context)?;
    }
    fs::remove_file(&path).map_err(io_failed)?;
    let runs_it = |component: &ComponentRef| *component == ComponentRef::File(pin.component.clone());
    let is_shared = config.sources.values().any(|source| source.name != *name && runs_it(&source.component));
    // What lies elsewhere is not of our keeping.
    let is_kept_here = context.paths.plugins().is_some_and(|folder| pin.component.parent() == Some(&folder));
    if is_kept_here && !is_shared {
        let _ = fs::remove_file(&pin.component);
    }
    context.output.print(&format!("{name}: removed\n"))
}
