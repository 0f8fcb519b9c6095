//! What every source has to keep to before it is trusted: one law a name, judged by what a component does on trial.

mod answers;
mod bench;
mod calls;
mod contract;
mod keeper;
mod memory;
mod mishaps;
mod names;
mod renewal;
mod revoker;
mod texts;

use crate::runtime::BoxFuture;

pub use self::{
    bench::Bench,
    contract::{UNLOADED, does_not_load, is_no_source},
};

/// One law.
pub struct Law {
    /// Its name.
    pub name: &'static str,
    /// What it demands.
    pub demands: &'static str,
    /// What to do about a component that breaks it.
    pub remedy: &'static str,
    judge: for<'a> fn(&'a Bench) -> BoxFuture<'a, Verdict>,
}

/// How a component stands to a law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It keeps to it; what there is to say, which may be nothing.
    Pass(String),
    /// It breaks it: how.
    Fail(String),
    /// It has nothing to do with it: why.
    NotApplicable(String),
}

impl Verdict {
    fn pass() -> Self {
        Self::Pass(String::new())
    }

    /// Of a list of ways in which it is broken, the first counts, and how many more there are.
    fn of(broken: &[String]) -> Self {
        match broken {
            [] => Self::pass(),
            [one] => Self::Fail(one.clone()),
            [first, rest @ ..] => Self::Fail(format!("{first} (and {} more)", rest.len())),
        }
    }
}

/// A law and how the component stands to it.
pub struct Ruling {
    /// The law.
    pub law: &'static Law,
    /// How it stands.
    pub verdict: Verdict,
}

/// Judges a component by every law.
pub async fn judge(bench: &Bench) -> Vec<Ruling> {
    let mut rulings = Vec::with_capacity(LAWS.len());
    for law in LAWS {
        rulings.push(Ruling { law, verdict: (law.judge)(bench).await });
    }
    rulings
}

/// Every law, in the order in which they are judged. What is said about texts comes last: by then all have been seen.
pub const LAWS: &[Law] = &[
    contract::CONTRACT,
    contract::GRANTED,
    contract::NEEDED,
    answers::KNOWN,
    answers::IN_TIME,
    answers::NO_CRASH,
    answers::ASKS,
    answers::LEASES,
    names::UNUSUAL,
    renewal::RENEWAL,
    mishaps::DENIED,
    mishaps::FAILING,
    mishaps::LOGGED_OUT,
    mishaps::SLOW,
    memory::MEMORY,
    calls::ALIKE,
    calls::STEADY,
    keeper::NOTHING,
    keeper::KEPT,
    keeper::NEWER,
    keeper::OLDER,
    keeper::FORGOTTEN,
    keeper::FORGET_NOTHING,
    keeper::APPS,
    keeper::KINDS,
    revoker::UNKNOWN,
    texts::TEXTS,
    texts::LOG,
];
