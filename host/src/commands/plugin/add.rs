//! `flytoken plugin add`: keeps a component under its digest, and writes the configuration that pins it.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    super::{Context, config_file::place, consent, failure, usage},
    Candidate,
    inspect::text,
    name_of,
};
use crate::{
    causes::with_causes,
    cli::PluginAdd,
    config::{self, BUILTINS, Chain, Grants, OnFailure, Pin, SourceName, Step, Unexpected},
    hex,
    protocol::{Failure, FailureCode},
    runtime::Needs,
    store::{PrivateFileError, ensure_directory, replace},
    trust::shown,
};

pub(super) fn run(add: &PluginAdd, context: &Context) -> Result<(), Failure> {
    let Some(name) = add.name.clone().or_else(|| name_of(&add.file)) else {
        return Err(usage(format!("{} is no name for a source", shown(&add.file)), "give one with `--name`"));
    };
    if BUILTINS.contains(&name.as_str()) {
        // It would run with what the built-in source is granted.
        return Err(usage(format!("`{name}` is the name of a built-in source"), "give another with `--name`"));
    }
    let folder = context.paths.plugins().ok_or_else(|| no_place("components"))?;
    let candidate = Candidate::read(&add.file, context)?;
    if let Some(import) = candidate.inspected.unavailable() {
        let what = if import.needs == Needs::OtherVersion { "in another version" } else { "not at all" };
        let message = format!("{} imports `{}`, which this flytoken offers {what}", shown(&add.file), import.name);
        return Err(failure(FailureCode::Misconfigured, message, "build it against `flytoken:source` 0.1 and WASI 0.2"));
    }
    let component = folder.join(format!("{}.wasm", hex::encode(&candidate.sha256)));
    let pin = Pin { component, sha256: candidate.sha256, imports: candidate.inspected.import_names().into_iter().collect() };
    let file = Drop::look(&name, context)?;
    if let Drop::Pinned { pin: old, .. } = &file
        && *old == pin
        && old.component.is_file()
    {
        return context.output.print(&format!("{name}: this component is added already\n"));
    }
    agree(add, &name, &candidate, &pin, &file, context)?;
    keep(&folder, &pin, &candidate.bytes)?;
    write(&name, &candidate, &pin, &file, context)
}

/// The file in which the source is configured.
enum Drop {
    /// There is none, and here it will be.
    Missing(PathBuf),
    /// It holds a pin.
    Pinned { path: PathBuf, text: String, pin: Pin },
    /// It is there and looks otherwise.
    Odd { path: PathBuf, why: Unexpected },
    /// `FLYTOKEN_CONFIG` names the one file that counts, which is nobody's but the user's.
    Elsewhere,
}

impl Drop {
    fn look(name: &SourceName, context: &Context) -> Result<Self, Failure> {
        let Some(path) = context.paths.drop_in(name) else {
            return if context.paths.config_file().is_some() { Ok(Self::Elsewhere) } else { Err(no_place("configuration files")) };
        };
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Missing(path)),
            Err(error) => Err(failure(
                FailureCode::Misconfigured,
                format!("{}: {error}", shown(&path)),
                format!("see that it can be read: `ls -l {}`", shown(&path)),
            )),
            Ok(text) => Ok(match Pin::found_in(&text, name) {
                Ok(pin) => Self::Pinned { path, text, pin },
                Err(why) => Self::Odd { path, why },
            }),
        }
    }
}

/// Shows what there is to agree to, and has somebody agree.
fn agree(add: &PluginAdd, name: &SourceName, candidate: &Candidate, pin: &Pin, file: &Drop, context: &Context) -> Result<(), Failure> {
    let before = if let Drop::Pinned { pin, .. } = file { Some(pin) } else { None };
    let Some(before) = before else {
        context.output.print(&text(candidate, context.output.paint()))?;
        context.output.print("\n")?;
        if add.yes || add.yes_to_imports {
            return Ok(());
        }
        return consent::ask(&format!("Add it as `{name}`?"), "look at it, and add `--yes`", context);
    };
    let more: Vec<&String> = pin.imports.difference(&before.imports).collect();
    let less: Vec<&String> = before.imports.difference(&pin.imports).collect();
    let paint = context.output.paint();
    let mut changes = format!("sha256  {} -> {}\n", hex::encode(&before.sha256), hex::encode(&pin.sha256));
    for import in &candidate.inspected.imports {
        if more.contains(&&import.name) {
            let needs =
                if let Needs::Grant { name, .. } = import.needs { format!(", which needs the grant {name}") } else { String::new() };
            let _ = writeln!(changes, "{}{needs}", paint.bad(format!("+ {}", import.name)));
        }
    }
    for import in less {
        let _ = writeln!(changes, "{}", paint.good(format!("- {import}")));
    }
    context.output.print(&format!("{changes}\n"))?;
    match (more.len(), add) {
        (_, PluginAdd { yes_to_imports: true, .. }) | (0, PluginAdd { yes: true, .. }) => Ok(()),
        (0, _) => consent::ask(&format!("Update `{name}`?"), "look at it, and add `--yes`", context),
        (more, _) => {
            let question = format!("`{name}` imports {more} more than was agreed to. Update it?");
            consent::ask(&question, "look at what it wants, and add `--yes-to-imports`", context)
        }
    }
}

/// Keeps the component under its digest, whole or not at all.
fn keep(folder: &Path, pin: &Pin, bytes: &[u8]) -> Result<(), Failure> {
    let kept = ensure_directory(folder).and_then(|()| replace(&pin.component, bytes));
    kept.map_err(|error: PrivateFileError| {
        let message = format!("the component cannot be kept: {}", with_causes(&error));
        failure(FailureCode::Misconfigured, message, error.hint())
    })
}

/// Writes the pin down, and says what is left to do.
fn write(name: &SourceName, candidate: &Candidate, pin: &Pin, file: &Drop, context: &Context) -> Result<(), Failure> {
    let paste = |lines: String| format!("sources:\n  {name}:\n{lines}");
    let (path, text) = match file {
        Drop::Missing(path) => (path, pin.file(name, &candidate.inspected.grants())),
        Drop::Pinned { path, text, .. } => (path, pin.put_into(text, name).map_err(|why| odd(path, &why, &paste(pin.lines("    "))))?),
        Drop::Odd { path, why } => return Err(odd(path, why, &paste(pin.lines("    ")))),
        Drop::Elsewhere => {
            context.output.say(&format!("{name}: FLYTOKEN_CONFIG names the one file that counts; these lines belong there:"));
            return context.output.print(&paste(pin.lines("    ")));
        }
    };
    place(path, &text).map_err(|error| {
        failure(
            FailureCode::Misconfigured,
            format!("{} cannot be written: {error}", shown(path)),
            format!("see that its folder can be written to: `ls -ld {}`", shown(path.parent().unwrap_or(path))),
        )
    })?;
    let layers = context.paths.layers(rustix::process::getuid().as_raw());
    let loaded = config::load(&layers).map_err(|errors| {
        failure(
            FailureCode::Misconfigured,
            format!("{} is written, and the configuration does not hold:\n{errors}", shown(path)),
            "mend it, then run `flytoken config check`",
        )
    })?;
    context.output.print(&format!("{name}: added; its configuration is {}\n", shown(path)))?;
    let config = &loaded.config;
    if !config.asks(name) {
        let chain = chain_with(name, &config.chain);
        context.output.print(&format!("{name}: no chain asks it yet; where it should be asked it stands in one: `chain: [{chain}]`\n"))?;
    }
    let granted = config.sources.get(name).map(|source| source.grants.clone()).unwrap_or_default();
    if matches!(file, Drop::Missing(_)) && !candidate.inspected.grants().is_empty() && grants_nothing(&granted) {
        context.output.print(&format!("{name}: it needs grants; they stand in that file, for you to put in force\n"))?;
    }
    Ok(())
}

/// The chain in force with the source in it: after what only remembers, before all that obtains.
fn chain_with(name: &SourceName, chain: &Chain) -> String {
    let text = |step: &Step| match step.on_failure {
        OnFailure::Continue => step.source.to_string(),
        OnFailure::Stop => format!("{{ use: {}, on-failure: stop }}", step.source),
    };
    let mut steps: Vec<String> = chain.steps.iter().map(text).collect();
    let at = usize::from(chain.steps.first().is_some_and(|step| step.source.as_str() == "storage"));
    steps.insert(at, name.to_string());
    steps.join(", ")
}

/// Whether no grant is in force. Memory is a limit and no ability.
fn grants_nothing(grants: &Grants) -> bool {
    grants.are_within(&Grants::default())
}

fn odd(path: &Path, why: &Unexpected, lines: &str) -> Failure {
    let message = format!("{} is left as it is: in it {why}", shown(path));
    failure(
        FailureCode::Misconfigured,
        message,
        format!("put these lines in their place there, then run `flytoken config check`:\n{lines}"),
    )
}

fn no_place(what: &str) -> Failure {
    failure(FailureCode::Misconfigured, format!("there is no place for {what}: HOME is not set"), "say where that is: `export HOME=~`")
}
