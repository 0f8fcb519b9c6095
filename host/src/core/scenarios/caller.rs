//! A caller of a scenario, and whether they saw what they must see.

use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::{script::Get, time::Length, tokens::Tokens};
use crate::{
    cache::Key,
    core::Core,
    protocol::{Failure, Reply, Request, Wish},
};

/// Somebody who asks.
pub(super) struct Caller {
    pub(super) core: Core,
    pub(super) tokens: Arc<Tokens>,
    pub(super) at: Length,
    pub(super) verb: &'static str,
    pub(super) get: Get,
    pub(super) is_refresh: bool,
}

impl Caller {
    /// Asks as a connection does, and tells what was seen that must not be.
    pub(super) async fn call(self) -> Vec<String> {
        let Get { app, kind, valid_for, sees, fails, steps, after, hang_up, .. } = &self.get;
        let request = if self.is_refresh {
            Request::Refresh { app: app.clone(), kind: Some(*kind) }
        } else {
            let wish = Wish { valid_for: valid_for.map(|length| length.duration().as_secs()), ..Wish::default() };
            Request::Get { app: app.clone(), kind: *kind, wish }
        };
        let begun = Instant::now();
        let asking = async {
            match self.core.at_once(&request) {
                Some(reply) => Ok(reply),
                None => self.core.answer(request).await,
            }
        };
        let answer = match hang_up {
            None => asking.await,
            Some(patience) => match timeout(patience.duration(), asking).await {
                Ok(answer) => answer,
                Err(_) => return Vec::new(),
            },
        };
        let waited = Length::of(begun.elapsed());
        let found = self.seen(&answer);
        let expected = match (sees, fails) {
            (Some(token), None) => format!("gave {token}"),
            (None, Some(code)) => format!("failed with {code:?}"),
            _ => panic!("a caller sees a token or a failure"),
        };
        let mut told = Vec::new();
        let what = format!("at {}: {} {app}:", self.at, self.verb);
        if found != expected || !waited.is_about(*after) {
            told.push(format!("{what} {found} after {waited}, not {} after {after}", expected.trim_start_matches("gave ")));
        }
        for (source, text) in steps {
            let steps = answer.as_ref().err().map_or(&[][..], |failure| &failure.steps);
            let said = steps.iter().find(|step| step.source == *source).map_or("nothing", |step| &step.text);
            if !said.contains(text.as_str()) {
                told.push(format!("{what} `{source}` said: {said}; not: {text}"));
            }
        }
        told
    }

    fn seen(&self, answer: &Result<Reply, Failure>) -> String {
        match answer {
            Ok(Reply::Token(delivered)) => format!("gave {}", self.tokens.name(&delivered.token)),
            Ok(Reply::Refreshed { leases }) => {
                // A refresh gives no token away: what is cached now is what it brought.
                let key = Key { app: self.get.app.clone(), kind: self.get.kind };
                let cached = self.core.inner.resolver.cache.find(&key).expect("a refreshed lease is cached");
                assert_eq!(leases[0].fingerprint, cached.fingerprint);
                format!("gave {}", self.tokens.name(&cached.lease.token))
            }
            Ok(_) => "gave something else".into(),
            Err(failure) => format!("failed with {:?}", failure.code),
        }
    }
}
