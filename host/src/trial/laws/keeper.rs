//! What is kept is what is given, until it is forgotten; each app and kind by itself.

use std::time::Duration;

use super::{
    Bench, Law, Verdict,
    bench::{UNSOUND, about, named, question},
};
use crate::{
    config::Role,
    kind::Kind,
    lease::Lease,
    refusal::Refusal,
    runtime::Refused,
    token::ApiToken,
    trial::{Question, Terms, facts::are_equal},
};

/// A law of keepers: its name, what it demands, what to do, and how it is tried.
macro_rules! law {
    ($constant:ident, $name:literal, $demands:literal, $remedy:literal, $judge:ident) => {
        pub(super) const $constant: Law = Law {
            name: $name,
            demands: $demands,
            remedy: $remedy,
            judge: |bench| {
                Box::pin(async {
                    match applies(bench) {
                        Some(why) => Verdict::NotApplicable(why.into()),
                        None if !bench.is_sound().await => Verdict::NotApplicable(UNSOUND.into()),
                        None => $judge(bench).await.map_or_else(Verdict::Fail, |()| Verdict::pass()),
                    }
                })
            },
        };
    };
}

law!(NOTHING, "keeper-nothing", "has `absent` for what it was never handed", "answer `absent` when the record is empty", nothing);
law!(KEPT, "keeper-keep", "gives the very token that it was handed", "save the lease as it came, and answer with it", kept);
law!(NEWER, "keeper-newer", "gives the newer of two", "save what comes, in place of what was there", newer);
law!(
    OLDER,
    "keeper-older",
    "does not let an older lease take the place of a newer one",
    "leave it to the host, which refuses the older one; do not remove what is kept before you save",
    older
);
law!(FORGOTTEN, "keeper-forget", "has `absent` for what it was told to forget", "remove the record in `forget`", forgotten);
law!(
    FORGET_NOTHING,
    "keeper-forget-nothing",
    "takes it well to forget what it never had",
    "to forget nothing is no refusal: `records.remove` says so too",
    forget_nothing
);
law!(APPS, "keeper-apps", "keeps each app by itself", "answer from the record of this call alone", apps);
law!(KINDS, "keeper-kinds", "keeps each kind by itself", "answer from the record of this call alone", kinds);

/// Why these laws are none for this component.
fn applies(bench: &Bench) -> Option<&'static str> {
    (!bench.trial.loaded().is_keeper()).then_some("it does not export `keeper`")
}

type Tried = Result<(), String>;

async fn nothing(bench: &Bench) -> Tried {
    is_absent(bench, &about_app("keeper-of-nothing")).await
}

async fn kept(bench: &Bench) -> Tried {
    let question = about_app("keeper-keeps");
    let lease = bench.trial.made_up_lease(&question, HOUR);
    keep(bench, &question, &lease).await?;
    gives(bench, &question, &lease.token).await
}

async fn newer(bench: &Bench) -> Tried {
    let question = about_app("keeper-newer");
    let (older, newer) = (bench.trial.made_up_lease(&question, HOUR), bench.trial.made_up_lease(&question, HOUR));
    keep(bench, &question, &older).await?;
    keep(bench, &question, &newer).await?;
    gives(bench, &question, &newer.token).await
}

async fn older(bench: &Bench) -> Tried {
    let question = about_app("keeper-older");
    let (older, newer) = (bench.trial.made_up_lease(&question, HOUR), bench.trial.made_up_lease(&question, HOUR));
    keep(bench, &question, &newer).await?;
    // It may say that it did not, and need not.
    let said = bench.trial.keep(&question, &older).await;
    if let Err(Refused::Broke(broke)) = said.answer {
        return Err(broke.text);
    }
    // What the user sets by hand always takes the place of what was there.
    let wanted = if bench.trial.source().role == Role::Manual { &older } else { &newer };
    gives(bench, &question, &wanted.token).await
}

async fn forgotten(bench: &Bench) -> Tried {
    let question = about_app("keeper-forgets");
    let lease = bench.trial.made_up_lease(&question, HOUR);
    keep(bench, &question, &lease).await?;
    forget(bench, &question).await?;
    is_absent(bench, &question).await
}

async fn forget_nothing(bench: &Bench) -> Tried {
    forget(bench, &about_app("keeper-forgets-nothing")).await
}

async fn apps(bench: &Bench) -> Tried {
    let (one, other) = (about_app("keeper-one"), about_app("keeper-other"));
    apart(bench, &one, &other).await
}

async fn kinds(bench: &Bench) -> Tried {
    let one = about_app("keeper-kinds");
    let other = question(one.key.app.clone(), Kind::Ssh);
    if bench.trial.source().role == Role::Manual {
        // A token that was set by hand is for every kind.
        let lease = bench.trial.made_up_lease(&one, HOUR);
        keep(bench, &one, &lease).await?;
        return gives(bench, &other, &lease.token).await;
    }
    apart(bench, &one, &other).await
}

/// What is kept for one is not given for another, nor forgotten with it.
async fn apart(bench: &Bench, one: &Question, other: &Question) -> Tried {
    let (lease, second) = (bench.trial.made_up_lease(one, HOUR), bench.trial.made_up_lease(other, HOUR));
    keep(bench, one, &lease).await?;
    is_absent(bench, other).await?;
    keep(bench, other, &second).await?;
    gives(bench, one, &lease.token).await?;
    forget(bench, other).await?;
    gives(bench, one, &lease.token).await
}

async fn keep(bench: &Bench, question: &Question, lease: &Lease) -> Tried {
    let ended = bench.trial.keep(question, lease).await;
    bench.listen(&about(question), &ended.traced);
    ended.answer.map_err(|refused| format!("it did not keep {}: {}", about(question), said(&refused)))
}

async fn forget(bench: &Bench, question: &Question) -> Tried {
    let ended = bench.trial.forget(question).await;
    bench.listen(&about(question), &ended.traced);
    ended.answer.map_err(|refused| format!("it did not forget {}: {}", about(question), said(&refused)))
}

async fn gives(bench: &Bench, question: &Question, token: &ApiToken) -> Tried {
    match resolve(bench, question).await {
        Ok(lease) if are_equal(&lease.token, token) => Ok(()),
        Ok(_) => Err(format!("{}: it gave another token", about(question))),
        Err(refused) => Err(format!("{}: {}", about(question), said(&refused))),
    }
}

async fn resolve(bench: &Bench, question: &Question) -> Result<Lease, Refused> {
    let ended = bench.trial.resolve(question, &Terms::default()).await;
    bench.listen(&about(question), &ended.traced);
    ended.answer
}

async fn is_absent(bench: &Bench, question: &Question) -> Tried {
    match resolve(bench, question).await {
        Err(Refused::Said(Refusal::Absent(_))) => Ok(()),
        Err(refused) => Err(format!("{}: it did not answer `absent`: {}", about(question), said(&refused))),
        Ok(_) => Err(format!("{}: it gave a lease", about(question))),
    }
}

fn said(refused: &Refused) -> &str {
    match refused {
        Refused::Said(refusal) => refusal.text(),
        Refused::Broke(broke) => &broke.text,
    }
}

fn about_app(app: &str) -> Question {
    question(named(app), Kind::Deploy)
}

const HOUR: Duration = Duration::from_hours(1);
