//! `flytoken config`: the configuration's files, what is in force, and what is wrong.

use serde::Serialize;

use super::{Context, failure};
use crate::{
    cli::{Config, ConfigAction},
    config::{Layers, Loaded, load},
    protocol::{Failure, FailureCode},
};

pub(super) fn run(config: &Config, context: &Context) -> Result<(), Failure> {
    let layers = context.paths.layers(rustix::process::getuid().as_raw());
    match config.action {
        ConfigAction::Path(form) => path(context, form.json),
        ConfigAction::Show(form) => {
            let loaded = loaded(&layers)?;
            if form.json { context.output.print_json(&loaded.show_json()) } else { context.output.print(&loaded.show()) }
        }
        ConfigAction::Check(form) => check(context, &layers, form.json),
    }
}

fn path(context: &Context, json: bool) -> Result<(), Failure> {
    let path = context.paths.config_file().ok_or_else(|| {
        failure(
            FailureCode::Misconfigured,
            "there is no place for a configuration file: HOME is not set",
            "say where it is: `export FLYTOKEN_CONFIG=/path/to/config.yaml`",
        )
    })?;
    let path = path.display().to_string();
    if json { context.output.print_json(&Path { path: &path }) } else { context.output.print(&format!("{path}\n")) }
}

fn check(context: &Context, layers: &Layers, json: bool) -> Result<(), Failure> {
    let files: Vec<String> = loaded(layers)?.read.iter().map(|file| file.display().to_string()).collect();
    if json {
        return context.output.print_json(&Checked { files: &files });
    }
    let found = if files.is_empty() { "there are no files: the built-in defaults are in force".into() } else { files.join(", ") };
    context.output.print(&format!("{}: {found}\n", context.output.paint().good("ok")))
}

/// The configuration in force, or everything that is wrong, one line each.
pub(super) fn loaded(layers: &Layers) -> Result<Loaded, Failure> {
    load(layers).map_err(|errors| {
        let message = format!("the configuration does not hold:\n{errors}");
        failure(FailureCode::Misconfigured, message, "mend it, then run `flytoken config check`; a running agent goes on with what it has")
    })
}

/// `config path --json`.
#[derive(Serialize)]
struct Path<'a> {
    path: &'a str,
}

/// `config check --json`, if all is well.
#[derive(Serialize)]
struct Checked<'a> {
    files: &'a [String],
}
