//! `flytoken plugin list`: every source, its component, its pin and how it is.

use serde::Serialize;

use super::{
    super::{Context, failure, unexpected},
    SHORT,
    trial::size,
};
use crate::{
    config::{self, ComponentRef, SourceConfig},
    output::Table,
    plain,
    protocol::{Failure, FailureCode, Reply, Request, SourceStatus},
};

pub(super) fn run(json: bool, context: &Context) -> Result<(), Failure> {
    let layers = context.paths.layers(rustix::process::getuid().as_raw());
    let loaded = config::load(&layers).map_err(|errors| {
        failure(
            FailureCode::Misconfigured,
            format!("the configuration does not hold:\n{errors}"),
            "mend it, then run `flytoken config check`",
        )
    })?;
    let Reply::Status(status) = context.ask(Request::Status)? else { return Err(unexpected()) };
    let plugins: Vec<Plugin<'_>> = status
        .sources
        .iter()
        .filter_map(|source| {
            let config = loaded.config.sources.values().find(|config| config.name.as_str() == source.name)?;
            let step = loaded.config.chain.steps.iter().position(|step| step.source == config.name);
            Some(Plugin { step: step.map(|at| at + 1), ..Plugin::of(source, config) })
        })
        .collect();
    if json {
        return context.output.print_json(&Plugins { plugins: &plugins });
    }
    let paint = context.output.paint();
    let mut table =
        Table::new(paint, ["SOURCE", "STEP", "SHA256", "PIN", "GRANTS", "CALLS", "BROKE", "P50", "P99", "MEMORY", "COMPONENT", "STATE"]);
    for plugin in &plugins {
        let state = match (plugin.problem, plugin.sha256) {
            (Some(problem), Some(_)) => paint.bad(format!("the one before serves: {}", plain::line(problem))),
            (Some(problem), None) => paint.bad(format!("not loaded: {}", plain::line(problem))),
            (None, Some(_)) => paint.good("loaded"),
            (None, None) if plugin.disabled => paint.faint("disabled"),
            (None, None) => paint.fair("not loaded"),
        };
        table.row([
            plain::line(plugin.name),
            plugin.step.map_or_else(|| "-".into(), |step| step.to_string()),
            plugin.sha256.and_then(|digest| digest.get(..SHORT)).unwrap_or("-").to_owned(),
            plugin.pin.to_owned(),
            if plugin.grants.is_empty() { "-".into() } else { plugin.grants.join(" ") },
            plugin.calls.to_string(),
            if plugin.failures == 0 { "0".into() } else { paint.bad(plugin.failures.to_string()) },
            took(plugin.p50_us),
            took(plugin.p99_us),
            plugin.memory_bytes.map_or_else(|| "-".into(), size),
            plain::whole_line(plugin.component),
            state,
        ]);
    }
    context.output.print(&table.lines())
}

/// How long a call took, as people read it.
fn took(micros: Option<u64>) -> String {
    match micros {
        None => "-".into(),
        Some(micros) if micros < 10_000 => format!("{micros} us"),
        Some(micros) => format!("{} ms", micros / 1000),
    }
}

/// `plugin list --json`.
#[derive(Serialize)]
struct Plugins<'a> {
    plugins: &'a [Plugin<'a>],
}

#[derive(Serialize)]
struct Plugin<'a> {
    name: &'a str,
    component: &'a str,
    /// Of what is loaded.
    sha256: Option<&'a str>,
    /// `builtin`, `sha256`, `dev` or `none`.
    pin: &'static str,
    /// Which step of the default chain it is, from 1.
    step: Option<usize>,
    /// What somebody agreed to.
    imports: Option<Vec<&'a str>>,
    /// What the configuration grants it, by name.
    grants: Vec<&'static str>,
    /// Whether it was disabled.
    disabled: bool,
    calls: u64,
    failures: u64,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
    /// The most linear memory that a call took.
    memory_bytes: Option<u64>,
    /// Why the newest component is not the one in force.
    problem: Option<&'a str>,
}

impl<'a> Plugin<'a> {
    fn of(source: &'a SourceStatus, config: &'a SourceConfig) -> Self {
        let pin = match (&config.component, config.sha256, config.dev) {
            (ComponentRef::Builtin(_), _, _) => "builtin",
            (ComponentRef::File(_), Some(_), _) => "sha256",
            (ComponentRef::File(_), None, true) => "dev",
            (ComponentRef::File(_), None, false) => "none",
        };
        Self {
            name: &source.name,
            component: &source.component,
            sha256: source.sha256.as_deref(),
            pin,
            step: None,
            grants: config.grants.names(),
            disabled: source.disabled,
            calls: source.calls,
            failures: source.failures,
            p50_us: source.p50_us,
            p99_us: source.p99_us,
            memory_bytes: source.memory,
            imports: config.imports.as_ref().map(|imports| imports.iter().map(String::as_str).collect()),
            problem: source.problem.as_deref(),
        }
    }
}
