//! `flytoken plugin inspect`: what a component exports and imports, and which grants it needs. Nothing of it runs.

use std::{fmt::Write as _, process::ExitCode};

use serde::Serialize;

use super::{super::Context, Candidate};
use crate::{
    cli::PluginInspect,
    hex,
    output::{Paint, Table},
    protocol::{Failure, FailureCode},
    runtime::{Inspected, Needs},
};

pub(super) fn run(inspect: &PluginInspect, context: &Context) -> Result<ExitCode, Failure> {
    let candidate = Candidate::read(&inspect.file, context)?;
    if inspect.json {
        context.output.print_json(&Account::of(&candidate))?;
    } else {
        context.output.print(&text(&candidate, context.output.paint()))?;
    }
    let loads = candidate.inspected.unavailable().is_none();
    Ok(if loads { ExitCode::SUCCESS } else { ExitCode::from(FailureCode::Misconfigured as u8) })
}

/// ```text
/// sha256   9f2c…
/// size     43112 bytes
/// built    for flytoken:source 0.1.0
/// exports  source, keeper
///
/// IMPORT                         NEEDS
/// flytoken:source/login@0.1.0    the grant login
/// flytoken:source/secrets@0.1.0  nothing
///
/// grants:
///   login: true
/// ```
pub(super) fn text(candidate: &Candidate, paint: Paint) -> String {
    let inspected = &candidate.inspected;
    let mut facts = Table::new(paint, []);
    facts.fact("sha256", hex::encode(&candidate.sha256));
    facts.fact("size", format!("{} bytes", candidate.bytes.len()));
    facts.fact("built", format!("for flytoken:source {}", inspected.version));
    facts.fact("exports", parts(inspected).join(", "));
    let mut imports = Table::new(paint, ["IMPORT", "NEEDS"]);
    for import in &inspected.imports {
        imports.row([import.name.clone(), needs(import.needs, paint)]);
    }
    let mut text = format!("{}\n{}", facts.lines(), imports.lines());
    let grants = inspected.grants();
    if !grants.is_empty() {
        text.push_str("\ngrants:\n");
        for (_, example) in grants {
            let _ = writeln!(text, "  {example}");
        }
    }
    text
}

fn parts(inspected: &Inspected) -> Vec<&'static str> {
    let parts = [("source", true), ("keeper", inspected.is_keeper), ("revoker", inspected.is_revoker)];
    parts.into_iter().filter_map(|(name, is_there)| is_there.then_some(name)).collect()
}

fn needs(needs: Needs, paint: Paint) -> String {
    match needs {
        Needs::Nothing => "nothing".into(),
        Needs::Grant { name, .. } => paint.fair(format!("the grant {name}")),
        Needs::OtherVersion => paint.bad("another version of flytoken: it does not load here"),
        Needs::Unknown => paint.bad("what this flytoken does not offer: it does not load here"),
    }
}

/// `plugin inspect --json`.
#[derive(Serialize)]
struct Account<'a> {
    sha256: String,
    bytes: usize,
    version: &'a str,
    keeper: bool,
    revoker: bool,
    exports: &'a [String],
    imports: Vec<Import<'a>>,
    grants: Vec<Grant>,
}

#[derive(Serialize)]
struct Import<'a> {
    name: &'a str,
    /// The grant that it needs.
    grant: Option<&'static str>,
    /// Whether any grant can give it.
    offered: bool,
}

#[derive(Serialize)]
struct Grant {
    name: &'static str,
    example: &'static str,
}

impl<'a> Account<'a> {
    fn of(candidate: &'a Candidate) -> Self {
        let inspected = &candidate.inspected;
        let imports = inspected.imports.iter().map(|import| Import {
            name: &import.name,
            grant: if let Needs::Grant { name, .. } = import.needs { Some(name) } else { None },
            offered: !matches!(import.needs, Needs::OtherVersion | Needs::Unknown),
        });
        Self {
            sha256: hex::encode(&candidate.sha256),
            bytes: candidate.bytes.len(),
            version: &inspected.version,
            keeper: inspected.is_keeper,
            revoker: inspected.is_revoker,
            exports: &inspected.exports,
            imports: imports.collect(),
            grants: inspected.grants().into_iter().map(|(name, example)| Grant { name, example }).collect(),
        }
    }
}
