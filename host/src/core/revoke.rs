//! Revoking a token that was minted here, by its name in the ledger.

use std::{sync::Arc, time::Duration};

use tokio::task::spawn_blocking;

use super::{Core, storage_failed};
use crate::{
    cache::Key,
    kind::Kind,
    mints::Mint,
    protocol::{Failure, FailureCode, Reply, RevokeOutcome},
    refusal::Refusal,
    revocation::{self, Revoked},
    runtime::Revocation,
};

impl Core {
    /// Has the token handed out no longer, then revoked where it was minted. One that was revoked before, or ended long ago, is left alone.
    pub(super) async fn revoke(&self, name: String) -> Result<Reply, Failure> {
        let resolver = &self.inner.resolver;
        let looking = {
            let (resolver, name) = (Arc::clone(resolver), name.clone());
            spawn_blocking(move || resolver.mints.find(&name)).await
        };
        let found = looking
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
            .map_err(|error| storage_failed("the ledger cannot be read", &error))?;
        let Some(mint) = found else { return Err(unknown()) };
        let reply = |outcome, at| Ok(Reply::Revoked { name: name.clone(), app: mint.app.clone(), kind: mint.kind, outcome, at });
        if let Some(at) = mint.revoked() {
            return reply(RevokeOutcome::AlreadyRevoked, Some(at));
        }
        if mint.until.after(LONG) <= resolver.clock.now() {
            return reply(RevokeOutcome::Ended, Some(mint.until));
        }
        let Revoked { outcome, at, written, dropped } = revocation::revoke(resolver, &name, &mint).await;
        // Whoever used it needs another one now.
        self.inner.forgive(|key: &Key| dropped.iter().any(|(gone, _)| gone == key));
        let revocation = outcome.map_err(|refusal| self.may_be_good(&name, &mint, &refusal))?;
        written.map_err(|error| storage_failed("the token is revoked at Fly, but that is not on disk here", &error))?;
        match revocation {
            Revocation::Revoked => reply(RevokeOutcome::Revoked, Some(at)),
            Revocation::AlreadyRevoked => reply(RevokeOutcome::AlreadyRevoked, None),
        }
    }

    fn may_be_good(&self, name: &str, mint: &Mint, refusal: &Refusal) -> Failure {
        let live = self.inner.resolver.live.load();
        let list = match (mint.kind, live.config.rule_for(&mint.app).organization) {
            (Kind::Org, organization) => format!("fly tokens list -s org -o {}", organization.unwrap_or("ORG")),
            _ => format!("fly tokens list -a {}", mint.app),
        };
        let again = refusal.command().map_or_else(|| "try again".to_owned(), |command| format!("run `{command}` and try again"));
        Failure {
            code: refusal.outcome().code(),
            message: format!("`{name}` is no longer handed out here, but may still be good at Fly: {}", refusal.text()),
            hint: format!("{again}, or revoke it by hand: `{list}` shows its id, `fly tokens revoke ID` revokes it"),
            steps: Vec::new(),
        }
    }
}

/// The name is not repeated: it may be a token pasted in the wrong place.
fn unknown() -> Failure {
    Failure {
        code: FailureCode::Usage,
        message: "no token of that name was minted here".into(),
        hint: "`flytoken minted` lists the names".into(),
        steps: Vec::new(),
    }
}

/// How long after its end a token has ended whatever the clocks say.
const LONG: Duration = Duration::from_hours(1);
