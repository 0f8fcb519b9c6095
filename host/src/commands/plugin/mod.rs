//! `flytoken plugin`: sources of one's own.

mod add;
mod check;
mod compile;
mod dev;
mod inspect;
mod list;
mod new;
mod remove;
mod run;
mod switch;
mod trial;

use std::{fs::File, io::Read, path::Path, process::ExitCode};

use sha2::{Digest, Sha256};

use super::{Context, failure};
use crate::{
    cli::{Plugin, PluginAction},
    config::SourceName,
    output::Output,
    protocol::{Failure, FailureCode},
    runtime::{CompileLimits, Inspected, LoadError, Runtime},
    trust::shown,
};

pub(super) fn run(plugin: &Plugin, context: &Context) -> Result<ExitCode, Failure> {
    match &plugin.action {
        PluginAction::New(new) => new::run(new, context).map(|()| ExitCode::SUCCESS),
        PluginAction::Inspect(inspect) => inspect::run(inspect, context),
        PluginAction::Dev(dev) => dev::run(dev, context),
        PluginAction::Run(run) => run::run(run, context),
        PluginAction::Check(check) => check::run(check, context),
        PluginAction::Add(add) => add::run(add, context).map(|()| ExitCode::SUCCESS),
        PluginAction::List(form) => list::run(form.json, context).map(|()| ExitCode::SUCCESS),
        PluginAction::Compile(form) => compile::run(form.json, context),
        PluginAction::Enable(switch) => switch::run(&switch.name, true, context).map(|()| ExitCode::SUCCESS),
        PluginAction::Disable(switch) => switch::run(&switch.name, false, context).map(|()| ExitCode::SUCCESS),
        PluginAction::Remove(remove) => remove::run(remove, context).map(|()| ExitCode::SUCCESS),
    }
}

/// A component that somebody has in a file, read once: what is looked at here is what is kept.
struct Candidate {
    bytes: Vec<u8>,
    sha256: [u8; 32],
    inspected: Inspected,
}

impl Candidate {
    /// Reads the file and looks at the component in it, compiled apart.
    fn read(file: &Path, context: &Context) -> Result<Self, Failure> {
        Self::try_read(file, context)?.map_err(|error| failure(FailureCode::Misconfigured, format!("{} {error}", shown(file)), NO_SOURCE))
    }

    /// The same, where a file that is no source is no failure of the command.
    fn try_read(file: &Path, context: &Context) -> Result<Result<Self, LoadError>, Failure> {
        let about = |error: &dyn std::fmt::Display| format!("{}: {error}", shown(file));
        let mut bytes = Vec::new();
        File::open(file).and_then(|file| file.take(LoadError::MOST_BYTES as u64 + 1).read_to_end(&mut bytes)).map_err(|error| {
            failure(FailureCode::Usage, about(&error), "name the file of a component: `flytoken plugin inspect corp.wasm`")
        })?;
        let runtime = runtime(context)?;
        // In reports it goes by the name of its file.
        let name = name_of(file).unwrap_or_else(|| SourceName::parse("it").expect("two letters are a name"));
        let inspected = runtime.inspect(&name, &bytes);
        Ok(inspected.map(|inspected| Self { sha256: Sha256::digest(&bytes).into(), bytes, inspected }))
    }
}

/// The name that a source of this file has unless somebody says otherwise.
fn name_of(file: &Path) -> Option<SourceName> {
    SourceName::parse(&file.file_stem()?.to_str()?.replace('_', "-")).ok()
}

fn runtime(context: &Context) -> Result<Runtime, Failure> {
    let output: Output = context.output;
    let slow = move |_: &SourceName| output.say_to_person(|paint| paint.faint("compiling it, once; that may take a minute"));
    Runtime::with_limits(context.paths.components_cache().as_deref(), CompileLimits::new(&context.environment), slow).map_err(|error| {
        failure(FailureCode::Internal, error.to_string(), "see that the system has memory and threads left: `ulimit -v -u`")
    })
}

/// What to do about a file that is no source.
const NO_SOURCE: &str = "a source is built for the world of `flytoken:source` 0.1: see the folder `wit` of flytoken";

/// Digits of a digest that tell components apart at a glance.
const SHORT: usize = 12;
