//! Tokens set by hand.

use std::{fmt::Display, sync::Arc};

use super::Core;
use crate::{
    app::AppName,
    cache::Key,
    check::{self, Wanted},
    config::Role,
    delivery::Narrowing,
    ids::Ids,
    keep,
    kind::Kind,
    lease::{Expiry, Lease, Provenance},
    protocol::{Failure, FailureCode, Reply},
    records::Record,
    runtime::{BrokeKind, Refused},
    sources::Source,
    token::ApiToken,
};

impl Core {
    /// Keeps a token set by hand. It is on disk when this returns: it cannot be had again.
    ///
    /// With `force` also one that cannot be used. Every answer is checked anew, so that it goes out once it can be used.
    pub(super) async fn set(&self, app: AppName, token: Arc<ApiToken>, force: bool) -> Result<Reply, Failure> {
        let resolver = &self.inner.resolver;
        let verdict = token.read().and_then(|bundle| bundle.verdict(resolver.clock.now()));
        let problem = match verdict {
            Ok(()) => None,
            Err(why) if force => Some(why.to_string()),
            Err(why) => return Err(not_usable(&why)),
        };
        let key = Key { app: app.clone(), kind: Kind::default() };
        let keeper = self.manual_keeper(&app)?;
        let lease = Lease {
            token,
            expiry: Expiry::Unknown,
            id: None,
            provenance: Provenance {
                source: keeper.config.name.clone(),
                kind: key.kind,
                obtained: resolver.clock.now(),
                sequence: resolver.sequence.next(),
                login: None,
                source_digest: keeper.digest,
                is_login: false,
            },
        };
        // An expiry that nobody states is the token's own, if it states one.
        let lease = Lease { expiry: Expiry::Never, ..lease };
        let wanted = Wanted {
            key: &key,
            ids: Ids::default(),
            organization: None,
            manual: true,
            deliver: Narrowing::default(),
            now: resolver.clock.now(),
        };
        let (lease, expiry) = match &problem {
            None => {
                let lease = check::check(lease, &wanted).map_err(|refusal| not_usable(&refusal.text()))?.lease;
                let expiry = lease.expiry;
                (lease, expiry)
            }
            Some(_) => (lease, Expiry::Unknown),
        };
        if !resolver.store.is_durable() {
            return Err(self.not_durable(&app));
        }
        let fingerprint = resolver.fingerprints.of(&lease.token);
        let (call, request) = keep::prepare(resolver, &keeper, &key);
        let Ok(loaded) = &keeper.loaded else { return Err(no_keeper(keeper.status().problem)) };
        loaded.keep(call, request, &lease).await.map_err(|refused| self.not_kept(&app, "set", &refused))?;
        resolver
            .tombstones
            .raise(&app, fingerprint)
            .map_err(|error| super::storage_failed("the token is kept, but was invalidated before", &error))?;
        self.drop_manual(&app, &keeper);
        Ok(Reply::Set { fingerprint, expiry, asked_before: self.asked_before(&app, &keeper), problem })
    }

    /// Forgets the token set by hand.
    pub(super) async fn unset(&self, app: AppName) -> Result<Reply, Failure> {
        let resolver = &self.inner.resolver;
        let key = Key { app: app.clone(), kind: Kind::default() };
        let keeper = self.manual_keeper(&app)?;
        let Ok(loaded) = &keeper.loaded else { return Err(no_keeper(keeper.status().problem)) };
        let (call, request) = keep::prepare(resolver, &keeper, &key);
        let existed = match keeper.config.grants.records {
            Some(grant) => Record::new(Arc::clone(resolver), &keeper.config.name, keeper.config.role, grant, key)
                .is_there()
                .map_err(|error| super::storage_failed("the token was not forgotten", &error))?,
            // It keeps its tokens elsewhere: that it forgets is all that can be told of it.
            None => true,
        };
        loaded.forget(call, request).await.map_err(|refused| self.not_kept(&app, "forgotten", &refused))?;
        self.drop_manual(&app, &keeper);
        Ok(Reply::Unset { existed })
    }

    /// The keeper that `set` writes to: the chain's own, else the one in that role.
    fn manual_keeper(&self, app: &AppName) -> Result<Arc<Source>, Failure> {
        let live = self.inner.resolver.live.load();
        let rule = live.config.rule_for(app);
        let in_chain = rule.chain.steps.iter().filter_map(|step| live.sources.find(&step.source));
        in_chain
            .chain(live.sources.all())
            .find(|source| source.config.role == Role::Manual)
            .cloned()
            .ok_or_else(|| no_keeper(Some("no source has the role `manual`".into())))
    }

    /// Sources that may answer before the manual one does.
    fn asked_before(&self, app: &AppName, keeper: &Source) -> Vec<String> {
        let live = self.inner.resolver.live.load();
        let rule = live.config.rule_for(app);
        rule.chain
            .steps
            .iter()
            .map(|step| &step.source)
            .take_while(|source| **source != keeper.config.name)
            .map(ToString::to_string)
            .collect()
    }

    /// What was cached of the former manual token goes, of every kind, and what failed is tried again.
    fn drop_manual(&self, app: &AppName, keeper: &Source) {
        let name = &keeper.config.name;
        self.inner.resolver.cache.take_where(|key, cached| key.app == *app && cached.lease.provenance.source == *name);
        self.inner.forgive(|key| key.app == *app);
    }

    fn not_durable(&self, app: &AppName) -> Failure {
        let why = self.inner.storage.problem.clone().unwrap_or_else(|| "there is no state directory".into());
        Failure {
            code: FailureCode::NeedsHuman,
            message: format!("the token for app `{app}` was not set, because it would be lost with this process: {why}"),
            hint: "see `flytoken status` for where state is kept, and mend that first".into(),
            steps: Vec::new(),
        }
    }

    /// The keeper did not do what it was asked to. Where its database cannot be used at all, that says more than the keeper can.
    fn not_kept(&self, app: &AppName, done: &str, refused: &Refused) -> Failure {
        let what = format!("the token for app `{app}` was not {done}");
        if let Err(error) = self.inner.resolver.store.kept().check() {
            return super::storage_failed(&what, &error);
        }
        let code = match refused {
            Refused::Said(refusal) => refusal.outcome().code(),
            Refused::Broke(broke) if broke.kind == BrokeKind::Denied => FailureCode::Misconfigured,
            Refused::Broke(_) => FailureCode::TryAgain,
        };
        let code = if code == FailureCode::NoToken { FailureCode::TryAgain } else { code };
        let hint = "mend that, then run the same command again; `flytoken doctor` may say more";
        Failure { code, message: format!("{what}: {}", keep::text(refused)), hint: hint.into(), steps: Vec::new() }
    }
}

fn not_usable(why: &dyn Display) -> Failure {
    Failure {
        code: FailureCode::Usage,
        message: format!("the token was not set: {why}"),
        hint: "copy it again, whole: `fly tokens create deploy` prints one long line; `--force` keeps it all the same".into(),
        steps: Vec::new(),
    }
}

fn no_keeper(why: Option<String>) -> Failure {
    Failure {
        code: FailureCode::Misconfigured,
        message: format!("no source keeps manual tokens: {}", why.unwrap_or_else(|| "it did not load".into())),
        hint: "run `flytoken config show`".into(),
        steps: Vec::new(),
    }
}
