//! `flytoken plugin new`: a project for a source of one's own.

use std::{
    fmt::Write as _,
    path::{Path, absolute},
};

use super::super::{Context, failure};
use crate::{
    causes::with_causes,
    cli::PluginNew,
    protocol::{Failure, FailureCode},
    scaffold::{FolderError, Project},
    trust::shown,
};

pub(super) fn run(new: &PluginNew, context: &Context) -> Result<(), Failure> {
    let project = Project::new(&new.name, new.lang, &new.needs).map_err(|error| {
        failure(FailureCode::Usage, error.to_string(), "give it another name: `flytoken plugin new corp-tokens --lang rust`")
    })?;
    let folder = new.dir.clone().unwrap_or_else(|| new.name.as_str().into());
    let whole = absolute(&folder).map_err(|error| failure(FailureCode::Usage, error.to_string(), "name a folder with `--dir`"))?;
    project.write(&whole).map_err(|error| {
        let hint = match error {
            FolderError::NotEmpty(_) | FolderError::NoFolder(_) => "name another with `--dir`",
            FolderError::Unwritten { .. } => "see that the folder around it is there and can be written to",
        };
        failure(FailureCode::Usage, with_causes(&error), hint)
    })?;
    context.output.print(&text(new, &project, &folder, &whole))
}

/// ```text
/// corp: a source in ./corp; README.md there explains each of these
///
///   cd corp
///   cargo test
///   …
///
/// And for the configuration:
///
/// sources: …
/// ```
fn text(new: &PluginNew, project: &Project, folder: &Path, whole: &Path) -> String {
    let name = &new.name;
    let component = project.component();
    let mut text = format!("{name}: written to {}; its README.md explains each of these:\n\n  cd {}\n", shown(folder), shown(folder));
    for step in project.steps() {
        let _ = writeln!(text, "  {step}");
    }
    let named = if new.name.as_str() == file_stem(component) { String::new() } else { format!(" --name {name}") };
    for command in ["inspect", "run", "check", "add"] {
        let app = if matches!(command, "run" | "check") { " --app my-app" } else { "" };
        let named = if command == "add" { named.as_str() } else { "" };
        let _ = writeln!(text, "  flytoken plugin {command} {component}{app}{named}");
    }
    let _ = write!(
        text,
        "\n`flytoken plugin dev --app my-app` builds and asks it again at each change. In an agent, while you work\non it, these lines run it unpinned; they belong into a file of config.d, beside the one that\n`flytoken config path` prints:\n\n{}",
        project.configuration(whole)
    );
    text
}

fn file_stem(path: &str) -> &str {
    Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}
