//! `flytoken plugin compile`: has every component compiled that the configuration names, so that whoever starts next need not.

use std::{collections::BTreeMap, process::ExitCode};

use serde::Serialize;
use tokio::time::Instant;

use super::{
    super::{Context, failure, policy::effective},
    SHORT, runtime,
};
use crate::{
    admission::Unpinned,
    config::Config,
    output::Table,
    plain,
    protocol::{Failure, FailureCode, SourceStatus},
    sources::Sources,
};

pub(super) fn run(json: bool, context: &Context) -> Result<ExitCode, Failure> {
    let Some(folder) = context.paths.components_cache() else {
        let hint = "say where it is: `export XDG_CACHE_HOME=~/.cache`, or, in a unit, CacheDirectory=";
        return Err(failure(FailureCode::Misconfigured, "there is no folder in which compiled code could be kept", hint));
    };
    let effective = effective(context)?;
    let unpinned = if effective.policy.is_some() { Unpinned::Never } else { Unpinned::IfDev };
    let runtime = runtime(context)?;
    let mut compiled = Vec::new();
    for (name, source) in effective.config.sources.iter().filter(|(_, source)| source.enabled) {
        // One at a time, so that each has its own time.
        let alone = Config { sources: BTreeMap::from([(name.clone(), source.clone())]), ..(*effective.config).clone() };
        let begun = Instant::now();
        let loaded = Sources::load(&runtime, &alone, unpinned, &Sources::default());
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        compiled.extend(loaded.all().map(|source| Compiled { status: source.status(), milliseconds }));
    }
    if json {
        let sources = compiled.iter().map(Compiled::told).collect();
        context.output.print_json(&Told { folder: folder.display().to_string(), sources })?;
    } else {
        let paint = context.output.paint();
        let mut table = Table::new(paint, ["SOURCE", "SHA256", "TOOK", "STATE"]);
        for Compiled { status, milliseconds } in &compiled {
            let state = status.problem.as_ref().map_or_else(|| paint.good("compiled"), |problem| paint.bad(plain::line(problem)));
            let digest = status.sha256.as_ref().and_then(|digest| digest.get(..SHORT)).unwrap_or("-").to_owned();
            table.row([plain::line(&status.name), digest, format!("{milliseconds} ms"), state]);
        }
        context.output.print(&format!("{}\nin {}\n", table.lines(), plain::line(&folder.display().to_string())))?;
    }
    let all_are = compiled.iter().all(|source| source.status.problem.is_none());
    Ok(if all_are { ExitCode::SUCCESS } else { ExitCode::from(FailureCode::Misconfigured as u8) })
}

/// A source, and how long it took to load.
struct Compiled {
    status: SourceStatus,
    milliseconds: u64,
}

impl Compiled {
    fn told(&self) -> ToldSource<'_> {
        let SourceStatus { name, sha256, problem, .. } = &self.status;
        ToldSource { name, sha256: sha256.as_deref(), milliseconds: self.milliseconds, problem: problem.as_deref() }
    }
}

/// `plugin compile --json`.
#[derive(Serialize)]
struct Told<'a> {
    folder: String,
    sources: Vec<ToldSource<'a>>,
}

#[derive(Serialize)]
struct ToldSource<'a> {
    name: &'a str,
    sha256: Option<&'a str>,
    milliseconds: u64,
    problem: Option<&'a str>,
}
