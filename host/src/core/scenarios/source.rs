//! A source that answers as a scenario says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::time::sleep;

use super::{
    script::{Answer, Break, Intent, Life, Refusal as Says, Times},
    tokens::Tokens,
};
use crate::{
    lease::{Expiry, Lease, Provenance},
    refusal::Refusal,
    runtime::{BoxFuture, Broke, BrokeKind, Call, Refused, Revocation, SourceRequest},
    sequence::Obtained,
    sources::Code,
    system::Clock,
    token::Mask,
};

/// A source that answers from a list.
pub(super) struct Scripted {
    name: String,
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Intent>>,
    remembered: Mutex<Option<Lease>>,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
}

impl Scripted {
    pub(super) fn new(name: &str, answers: Vec<Answer>, tokens: Arc<Tokens>, clock: Arc<dyn Clock>) -> Self {
        Self {
            name: name.to_owned(),
            answers: Mutex::new(answers.into()),
            asked: Mutex::default(),
            remembered: Mutex::default(),
            tokens,
            clock,
        }
    }

    /// What each asking was for, in order.
    pub(super) fn asked(&self) -> Vec<Intent> {
        self.asked.lock().unwrap().clone()
    }

    fn next(&self, intent: crate::owner::Intent) -> Option<Answer> {
        self.asked.lock().unwrap().push(if intent.is_renewal() { Intent::Renew } else { Intent::Resolve });
        let mut answers = self.answers.lock().unwrap();
        let answer = answers.front_mut()?;
        let given = answer.clone();
        match &mut answer.times {
            Times::Always => {}
            Times::Some(0 | 1) => drop(answers.pop_front()),
            Times::Some(left) => *left -= 1,
        }
        drop(answers);
        Some(given)
    }

    async fn answer(&self, call: Call, request: SourceRequest) -> Result<Lease, Refused> {
        let Some(answer) = self.next(request.intent) else {
            return Err(Refused::Said(Refusal::Unavailable("the scenario foresees no more askings".into())));
        };
        let takes = answer.takes.duration();
        sleep(takes.min(call.timeout)).await;
        if takes > call.timeout {
            return Err(broke(BrokeKind::TimedOut));
        }
        if answer.remembers_after.is_some() {
            let remembered = self.remembered.lock().unwrap().as_ref().map(copy);
            return remembered.ok_or_else(|| Refused::Said(refusal(Says::Absent)));
        }
        match (&answer.gives, answer.says, answer.breaks) {
            (Some(name), None, None) => Ok(self.lease(name, &answer, &call)),
            (None, Some(says), None) => Err(Refused::Said(refusal(says))),
            (None, None, Some(Break::Trap)) => Err(broke(BrokeKind::Trapped)),
            (None, None, Some(Break::Memory)) => Err(broke(BrokeKind::OutOfMemory)),
            (None, None, Some(Break::Denied)) => Err(broke(BrokeKind::Denied)),
            (None, None, Some(Break::Panic)) => panic!("ordered by the scenario"),
            _ => panic!("an answer of `{}` gives, says or breaks", self.name),
        }
    }

    fn lease(&self, name: &str, answer: &Answer, call: &Call) -> Lease {
        let now = self.clock.now();
        let own = answer.token_lives.map_or(Expiry::Never, |life| Expiry::At(life.from(now)));
        let actions = answer.actions.as_deref().map_or(Mask::READ, |letters| letters.parse().unwrap());
        let expiry = match answer.lives.unwrap_or(Life::Never) {
            Life::For(life) => Expiry::At(life.from(now)),
            Life::Never => Expiry::Never,
            Life::Unknown => Expiry::Unknown,
        };
        let Obtained { at, sequence } = (call.obtained)();
        let provenance = Provenance { obtained: at, sequence, ..call.provenance.clone() };
        Lease { token: Arc::new(self.tokens.permission(name, own, actions)), expiry, id: None, provenance }
    }
}

impl Code for Scripted {
    fn resolve(&self, call: Call, request: SourceRequest) -> BoxFuture<'_, Result<Lease, Refused>> {
        Box::pin(self.answer(call, request))
    }

    fn keep<'a>(&'a self, _: Call, _: SourceRequest, lease: &'a Lease) -> BoxFuture<'a, Result<(), Refused>> {
        let after = self.answers.lock().unwrap().front().and_then(|answer| answer.remembers_after);
        Box::pin(async move {
            sleep(after.unwrap_or_else(|| panic!("`{}` remembers nothing", self.name)).duration()).await;
            *self.remembered.lock().unwrap() = Some(copy(lease));
            Ok(())
        })
    }

    fn forget(&self, _: Call, _: SourceRequest) -> BoxFuture<'_, Result<(), Refused>> {
        self.remembered.lock().unwrap().take();
        Box::pin(async { Ok(()) })
    }

    fn revoke<'a>(&'a self, _: Call, _: SourceRequest, _: &'a str) -> BoxFuture<'a, Result<Revocation, Refused>> {
        panic!("`{}` is no revoker", self.name)
    }

    fn is_revoker(&self) -> bool {
        false
    }

    fn imports(&self) -> &[String] {
        &[]
    }

    fn sha256(&self) -> [u8; 32] {
        [1; 32]
    }
}

fn copy(lease: &Lease) -> Lease {
    let Lease { token, expiry, id, provenance } = lease;
    Lease { token: Arc::clone(token), expiry: *expiry, id: id.clone(), provenance: provenance.clone() }
}

fn broke(kind: BrokeKind) -> Refused {
    Refused::Broke(Broke { kind, text: format!("{kind:?}") })
}

fn refusal(says: Says) -> Refusal {
    match says {
        Says::Absent => Refusal::Absent("nothing here".into()),
        Says::Unavailable => Refusal::Unavailable("down".into()),
        Says::NeedsHuman => Refusal::NeedsHuman { text: "log in".into(), command: None, url: None },
        Says::Misconfigured => Refusal::Misconfigured("no such setting".into()),
    }
}
