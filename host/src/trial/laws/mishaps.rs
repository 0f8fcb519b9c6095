//! A host that denies, fails or takes its time is met with a refusal.

use std::time::Duration;

use super::{
    Bench, Law, Verdict,
    bench::{Asked, UNSOUND},
};
use crate::{
    refusal::Refusal,
    runtime::{BoxFuture, BrokeKind, Refused, Use},
    trial::{Interface, Mishap, Terms},
};

pub(super) const DENIED: Law = Law {
    name: "denied",
    demands: "answers `misconfigured` or `unavailable` when the host denies what it asks for",
    remedy: "turn a denied call into `misconfigured`, with the line that the host gives",
    judge: |bench| goes_wrong(bench, Mishap::Denied),
};

pub(super) const FAILING: Law = Law {
    name: "failing",
    demands: "answers `unavailable` or `misconfigured` when the host fails at what it asks for",
    remedy: "turn a failure of the host into `unavailable`: `absent` would say that there is nothing",
    judge: |bench| goes_wrong(bench, Mishap::Failed),
};

pub(super) const LOGGED_OUT: Law = Law {
    name: "logged-out",
    demands: "answers when nobody is logged in",
    remedy: "turn a missing login into `needs-human` or `absent`",
    judge: logged_out,
};

pub(super) const SLOW: Law = Law {
    name: "slow-host",
    demands: "ends by itself when each call into the host takes its time",
    remedy: "ask for less, or give up in time with `unavailable`",
    judge: slow,
};

/// A part of the host that can answer otherwise than hoped for.
struct Part {
    interface: Interface,
    name: &'static str,
    /// What of it a call can meet with.
    meets: &'static [Mishap],
    /// How one sees in a call that it came to that.
    is_it: fn(&Use) -> bool,
}

const PARTS: [Part; 6] = [
    Part { interface: Interface::Reveal, name: "secrets.reveal", meets: &[Mishap::Denied], is_it: |what| matches!(what, Use::Reveal) },
    Part { interface: Interface::Records, name: "records", meets: &[Mishap::Failed], is_it: |what| matches!(what, Use::Records) },
    Part { interface: Interface::Command, name: "command", meets: BOTH, is_it: |what| matches!(what, Use::Command { .. }) },
    Part { interface: Interface::Files, name: "files", meets: BOTH, is_it: |what| matches!(what, Use::File(..)) },
    Part { interface: Interface::Http, name: "wasi:http", meets: BOTH, is_it: |what| matches!(what, Use::Http(_)) },
    Part { interface: Interface::Sockets, name: "wasi:sockets", meets: BOTH, is_it: |what| matches!(what, Use::Socket(_)) },
];

const BOTH: &[Mishap] = &[Mishap::Denied, Mishap::Failed];

fn goes_wrong(bench: &Bench, mishap: Mishap) -> BoxFuture<'_, Verdict> {
    Box::pin(async move {
        if !bench.is_sound().await {
            return Verdict::NotApplicable(UNSOUND.into());
        }
        let (mut broken, mut met) = (Vec::new(), Vec::new());
        for Part { interface, name, is_it, .. } in PARTS.into_iter().filter(|part| part.meets.contains(&mishap)) {
            let terms = Terms { mishap: Some((interface, mishap)), ..Terms::default() };
            let asked = bench.ask(&bench.question(), terms).await;
            if !asked.traced.uses.iter().any(is_it) {
                continue;
            }
            met.push(name);
            broken.extend(unfit(&asked).map(|what| format!("{name}: {what}")));
        }
        match (met.is_empty(), broken.is_empty()) {
            (true, _) => Verdict::NotApplicable("it asked for nothing that could be".into()),
            (false, true) => Verdict::Pass(met.join(", ")),
            (false, false) => Verdict::of(&broken),
        }
    })
}

/// What is wrong with an answer to a host that did not do its part. A lease that was had otherwise is fine.
fn unfit(asked: &Asked) -> Option<String> {
    match asked.own() {
        Ok(_) | Err(Refused::Said(Refusal::Unavailable(_) | Refusal::Misconfigured(_))) => None,
        Err(Refused::Said(refusal)) => Some(format!("it answered `{}`: {}", refusal.outcome().name(), refusal.text())),
        Err(Refused::Broke(broke)) => Some(broke.text.clone()),
    }
}

fn logged_out(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        if !bench.inspected.imports.iter().any(|import| import.name.starts_with("flytoken:source/login@")) {
            return Verdict::NotApplicable("it does not import `login`".into());
        }
        if !bench.is_sound().await {
            return Verdict::NotApplicable(UNSOUND.into());
        }
        let asked = bench.ask(&bench.question(), Terms { logged_out: true, ..Terms::default() }).await;
        asked.broke().map_or_else(|| Verdict::Pass(asked.kind().into()), |broke| Verdict::Fail(broke.text.clone()))
    })
}

fn slow(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        if !bench.is_sound().await {
            return Verdict::NotApplicable(UNSOUND.into());
        }
        let terms = Terms { slow: Some(EACH), timeout: Some(IN_ALL), ..Terms::default() };
        let asked = bench.ask(&bench.question(), terms).await;
        let into_the_host = asked.traced.uses.len();
        match asked.broke() {
            Some(broke) if broke.kind == BrokeKind::TimedOut => {
                Verdict::Fail(format!("with {EACH:?} for each call into the host, it {}", broke.text))
            }
            Some(broke) => Verdict::Fail(broke.text.clone()),
            None if into_the_host == 0 => Verdict::NotApplicable("it asked the host for nothing that takes time".into()),
            None => Verdict::pass(),
        }
    })
}

/// How long each call into the host takes.
const EACH: Duration = Duration::from_millis(40);

/// How long the whole may take: many calls, and a program that runs for real.
const IN_ALL: Duration = Duration::from_secs(2);
