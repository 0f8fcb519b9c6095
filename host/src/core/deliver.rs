//! What leaves for one request: the lease, narrowed to what its client asked for and may have.

use std::{sync::Arc, time::Duration};

use super::Core;
use crate::{
    app::AppName,
    cache::{Cached, Key},
    delivery::{CannotDeliver, Exceeds, Narrowing},
    kind::Kind,
    protocol::{Delivered, Failure, FailureCode, LeaseFacts, Reply, Wish},
    token::{ApiToken, Fingerprint, Mask},
};

impl Core {
    /// How narrow the answer has to be, if it may be `most` at most.
    ///
    /// # Errors
    /// Exit 4 if the client wants more than the rule gives, exit 2 if it wants what cannot be.
    pub(super) fn narrowing(&self, key: &Key, wish: &Wish, most: Narrowing) -> Result<Narrowing, Failure> {
        let rule = self.inner.resolver.live.load().config.rule_for(&key.app).deliver.and(most);
        if rule.leaves_nothing() {
            return Err(nothing_left(&key.app));
        }
        let wanted = Narrowing { actions: wish.actions, max_lifetime: wish.max_lifetime.map(Duration::from_secs) };
        let valid_for = wish.valid_for.map(Duration::from_secs);
        if key.kind == Kind::Readonly && wish.actions.is_some_and(|actions| !actions.0.is_within(Mask::READ)) {
            return Err(contradiction("a readonly token reads only", "ask for `--kind deploy`, or for `--actions r`"));
        }
        if wanted.max_lifetime.is_some_and(|most| most.is_zero() || valid_for.is_some_and(|least| least > most)) {
            return Err(contradiction(
                "no token lives for at most --max-lifetime and has at least --valid-for left",
                "ask for a --max-lifetime of a second or more, and no less than --valid-for",
            ));
        }
        let narrowing = wanted.under(rule).map_err(|exceeds| denied(&key.app, &exceeds))?;
        match (valid_for, rule.max_lifetime) {
            (Some(wish), Some(most)) if wish > most => Err(denied(&key.app, &Exceeds::Lifetime { wish, most })),
            _ => Ok(narrowing),
        }
    }

    /// The lease as it leaves.
    ///
    /// # Errors
    /// As [`narrowing`](Self::narrowing), since the rule may be another by now, and exit 3 if the lease cannot be as narrow as that.
    pub(super) fn deliver(&self, key: &Key, cached: &Cached, wish: &Wish, most: Narrowing) -> Result<Reply, Failure> {
        let narrowing = self.narrowing(key, wish, most)?;
        if narrowing.is_nothing() {
            return Ok(whole(key, cached));
        }
        let applied = narrowing.apply(&cached.lease.token, self.inner.resolver.clock.now());
        let narrowed = applied.and_then(|narrowed| narrowed.with(wish.actions)).map_err(|why| cannot(key, cached, &why))?;
        let facts = LeaseFacts { expiry: cached.lease.expiry.earlier(narrowed.expiry), ..cached.facts(key) };
        Ok(Reply::Token(Delivered { token: Arc::new(narrowed.token), facts }))
    }

    /// The fingerprint of the lease that `token` was handed out from. A narrowed copy has its token's own, unless something was left out of
    /// it; then it is the cached lease that it shares a permission token with.
    pub(super) fn fingerprint(&self, app: &AppName, kind: Option<Kind>, token: &ApiToken) -> Fingerprint {
        let resolver = &self.inner.resolver;
        let whole = resolver.fingerprints.of(token);
        let kinds = Kind::ALL.into_iter().filter(|each| kind.is_none_or(|kind| kind == *each));
        let cached: Vec<_> = kinds.filter_map(|kind| resolver.cache.find(&Key { app: app.clone(), kind })).collect();
        if cached.iter().any(|cached| cached.fingerprint == whole) {
            return whole;
        }
        let parent = cached.iter().find(|cached| resolver.fingerprints.share_a_permission(token, &cached.lease.token));
        parent.map_or(whole, |parent| parent.fingerprint)
    }
}

/// The lease as it is.
pub(super) fn whole(key: &Key, cached: &Cached) -> Reply {
    Reply::Token(Delivered { token: Arc::clone(&cached.lease.token), facts: cached.facts(key) })
}

fn denied(app: &AppName, exceeds: &Exceeds) -> Failure {
    Failure {
        code: FailureCode::Denied,
        message: format!("app `{app}`: {exceeds}"),
        hint: "ask for less, or see what the rules give: `flytoken config show`, `flytoken policy show`".into(),
        steps: Vec::new(),
    }
}

fn nothing_left(app: &AppName) -> Failure {
    Failure {
        code: FailureCode::Denied,
        message: format!("app `{app}`: its `deliver` rule and the policy's have no action in common"),
        hint: "see `flytoken config show` and `flytoken policy show`".into(),
        steps: Vec::new(),
    }
}

fn contradiction(message: &str, hint: &str) -> Failure {
    Failure { code: FailureCode::Usage, message: message.into(), hint: hint.into(), steps: Vec::new() }
}

fn cannot(key: &Key, cached: &Cached, why: &CannotDeliver) -> Failure {
    let Key { app, kind } = key;
    Failure {
        code: FailureCode::NoToken,
        message: format!("the {kind} token for app `{app}` from {} cannot be as narrow as that: {why}", cached.lease.provenance.source),
        hint: format!("ask without --actions and --max-lifetime, or see `flytoken explain {app} --kind {kind}`"),
        steps: Vec::new(),
    }
}
