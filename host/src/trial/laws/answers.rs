//! Every question has an answer that can be used, or a reason.

use super::{
    Bench, Law, Verdict,
    bench::{Asked, UNSOUND},
};
use crate::{
    refusal::Refusal,
    runtime::{BoxFuture, BrokeKind, Refused},
    trial::Holds,
};

pub(super) const KNOWN: Law = Law {
    name: "known-app",
    demands: "has a lease that holds for an app that it knows, of one kind at least",
    remedy: "see what it does with `flytoken plugin run`, with the same app and grants",
    judge: known,
};

pub(super) const IN_TIME: Law = Law {
    name: "in-time",
    demands: "answers within its time, for apps known and unknown and every kind",
    remedy: "bound what it waits for, or give it more time: --timeout",
    judge: |bench| broke(bench, |kind| kind == BrokeKind::TimedOut),
};

pub(super) const NO_CRASH: Law = Law {
    name: "no-crash",
    demands: "neither crashes nor runs into a limit, for apps known and unknown and every kind",
    remedy: "answer with a refusal in place of a panic; what it wrote before is shown by `flytoken plugin run`",
    judge: |bench| broke(bench, |kind| matches!(kind, BrokeKind::Trapped | BrokeKind::Limit(_))),
};

pub(super) const ASKS: Law = Law {
    name: "asks-for-granted",
    demands: "asks for nothing while it runs that it is not granted",
    remedy: "grant it, or do not ask",
    judge: asks,
};

pub(super) const LEASES: Law = Law {
    name: "leases",
    demands: "gives tokens alone: whole, not ended, and none but of Fly's form",
    remedy: "hand over the token itself, and leave out what has ended",
    judge: leases,
};

fn known(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        let Some(app) = &bench.known else {
            return Verdict::NotApplicable("no app was named that it knows: --app".into());
        };
        let asked = bench.asked().await;
        let about: Vec<&Asked> = asked.iter().filter(|asked| asked.question.key.app == *app).collect();
        let held: Vec<&str> = about.iter().filter(|asked| holds(asked)).map(|asked| asked.question.key.kind.as_str()).collect();
        if !held.is_empty() {
            return Verdict::Pass(held.join(", "));
        }
        Verdict::Fail(format!("it has none for `{app}`: {}", by_text(&about)))
    })
}

fn holds(asked: &Asked) -> bool {
    asked.answer.as_ref().is_ok_and(|facts| matches!(facts.holds, Holds::Yes { .. }))
}

/// What each kind came to, with kinds of which the same is to be said in one.
fn by_text(about: &[&Asked]) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for asked in about {
        let (text, kind) = (said(asked), asked.question.key.kind.as_str());
        match groups.iter_mut().find(|(known, _)| *known == text) {
            Some((_, kinds)) => kinds.push(kind),
            None => groups.push((text, vec![kind])),
        }
    }
    let lines: Vec<String> = groups.iter().map(|(text, kinds)| format!("{}: {text}", kinds.join(", "))).collect();
    lines.join("; ")
}

/// What it came to, in a few words.
fn said(asked: &Asked) -> String {
    match &asked.answer {
        Ok(facts) => match &facts.holds {
            Holds::Yes { .. } => "a lease".into(),
            Holds::No(refusal) => refusal.text().to_owned(),
        },
        Err(Refused::Said(refusal)) => refusal.text().to_owned(),
        Err(Refused::Broke(broke)) => broke.text.clone(),
    }
}

fn broke(bench: &Bench, is_meant: fn(BrokeKind) -> bool) -> BoxFuture<'_, Verdict> {
    Box::pin(async move {
        let broken = bench.asked().await.iter().filter_map(|asked| {
            let broke = asked.broke().filter(|broke| is_meant(broke.kind))?;
            Some(format!("{}: {}", asked.about(), broke.text))
        });
        Verdict::of(&broken.collect::<Vec<_>>())
    })
}

fn asks(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        let asked = bench.asked().await.iter();
        let denied = asked.flat_map(|asked| asked.traced.denied.iter().map(|text| format!("{}: {text}", asked.about())));
        Verdict::of(&denied.collect::<Vec<_>>())
    })
}

fn leases(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        let asked = bench.asked().await;
        let leases = asked.iter().filter_map(|asked| Some((asked, asked.answer.as_ref().ok()?)));
        // One that is for something else is the chain's to pass over.
        let bad = leases.clone().filter_map(|(asked, facts)| match &facts.holds {
            Holds::No(refusal @ (Refusal::Misconfigured(_) | Refusal::NeedsHuman { .. })) => {
                Some(format!("{}: {}", asked.about(), refusal.text()))
            }
            Holds::No(_) | Holds::Yes { .. } => None,
        });
        let bad: Vec<_> = bad.collect();
        match (leases.count(), bad.is_empty(), bench.is_sound().await) {
            (0, _, false) => Verdict::NotApplicable(UNSOUND.into()),
            (0, ..) => Verdict::NotApplicable("it gave none; name an app that it knows: --app".into()),
            (count, true, _) => Verdict::Pass(format!("{count} of {} answers", asked.len())),
            _ => Verdict::of(&bad),
        }
    })
}
