//! What a component is: what it exports, imports and is granted.

use super::{Bench, LAWS, Law, Ruling, Verdict};
use crate::{command::EnvValue, config::Grants, http::HeaderValueFrom, runtime::BoxFuture};

pub(super) const CONTRACT: Law = Law {
    name: "contract",
    demands: "exports `source` of flytoken:source 0.1, and imports what this host offers",
    remedy: "build it for the world of `flytoken:source` 0.1 in the folder `wit` of flytoken",
    judge: |bench| {
        let verdict = Verdict::Pass(format!("flytoken:source {}", bench.inspected.version));
        Box::pin(std::future::ready(verdict))
    },
};

pub(super) const GRANTED: Law = Law {
    name: "grants-given",
    demands: "loads with what it is granted",
    remedy: "grant what it imports with `--grant`, or do without the import",
    judge: |_| Box::pin(std::future::ready(Verdict::pass())),
};

pub(super) const NEEDED: Law = Law {
    name: "grants-needed",
    demands: "is granted nothing that it does not import",
    remedy: "leave the grant out: what a source is not granted nobody has to think about",
    judge: needed,
};

/// The rulings on a file that is no source, and why.
pub fn is_no_source(why: &str) -> Vec<Ruling> {
    broken(CONTRACT.name, why)
}

/// The rulings on a component that does not load, and why.
pub fn does_not_load(why: &str) -> Vec<Ruling> {
    broken(GRANTED.name, why)
}

fn broken(name: &str, why: &str) -> Vec<Ruling> {
    let at = LAWS.iter().position(|law| law.name == name);
    let verdict = |place| match Some(place).cmp(&at) {
        std::cmp::Ordering::Less => Verdict::pass(),
        std::cmp::Ordering::Equal => Verdict::Fail(why.to_owned()),
        std::cmp::Ordering::Greater => Verdict::NotApplicable(UNLOADED.into()),
    };
    LAWS.iter().enumerate().map(|(place, law)| Ruling { law, verdict: verdict(place) }).collect()
}

/// What every law says of a component that there is nothing to ask of.
pub const UNLOADED: &str = "not judged: it does not load";

fn needed(bench: &Bench) -> BoxFuture<'_, Verdict> {
    let unneeded = unneeded(&bench.trial.source().grants, bench.trial.loaded().imports());
    let lines: Vec<_> = unneeded.iter().map(|name| format!("grant it does not need: `{name}`")).collect();
    Box::pin(std::future::ready(Verdict::of(&lines)))
}

/// The names of grants that nothing imported makes use of.
fn unneeded(grants: &Grants, imports: &[String]) -> Vec<&'static str> {
    let imports = |prefix: &str| imports.iter().any(|import| import.starts_with(prefix));
    let headers = || grants.http.iter().flat_map(|grant| grant.headers.values());
    let secrets = || grants.commands.iter().flat_map(|grant| grant.env.values()).any(|value| matches!(value, EnvValue::Secret(_)));
    let is_needed = |name: &str| match name {
        "login" => imports("flytoken:source/login@") || secrets() || headers().any(|from| *from == HeaderValueFrom::Login),
        "records" => imports("flytoken:source/records@"),
        "commands" => imports("flytoken:source/command@"),
        "files" => imports("flytoken:source/files@") || headers().any(|from| matches!(from, HeaderValueFrom::File(_))),
        "http" => imports("wasi:http/"),
        "sockets" => imports("wasi:sockets/"),
        "env" => imports("wasi:cli/environment@"),
        "may-leak" => grants.way_to_read().is_some() && grants.way_out().is_some(),
        // Every source imports `secrets`; whether it reveals one, only a call tells.
        _ => true,
    };
    grants.names().into_iter().filter(|name| !is_needed(name)).collect()
}
