//! What was minted.

use std::{collections::HashSet, sync::Arc};

use tokio::task::spawn_blocking;

use super::{Core, storage_failed};
use crate::{
    mints::{Attempt, Mint},
    protocol::{Failure, MintReport, Reply},
    store::StoreError,
};

impl Core {
    /// Every mint of the ledger. In a command without an agent nothing is cached.
    pub(super) async fn minted(&self) -> Result<Reply, Failure> {
        let resolver = Arc::clone(&self.inner.resolver);
        let read = spawn_blocking(move || Ok::<_, StoreError>((resolver.mints.all()?, resolver.mints.charged()?)));
        let (mints, charged) = read
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
            .map_err(|error| storage_failed("the ledger cannot be read", &error))?;
        let cached: HashSet<String> = self.inner.resolver.cache.all().iter().filter_map(|(_, cached)| cached.lease.id.clone()).collect();
        let report = |(name, mint): (String, Mint)| MintReport {
            revoked: mint.revoked(),
            revoke_error: match &mint.revocation {
                Some(Attempt::Failed { why, .. }) => Some(why.clone()),
                Some(Attempt::Succeeded { .. }) | None => None,
            },
            cached: cached.contains(&name),
            name,
            app: mint.app,
            kind: mint.kind,
            source: mint.source.to_string(),
            at: mint.at,
            until: mint.until,
        };
        let budget = self.inner.resolver.live.load().config.budget.total;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Ok(Reply::Minted { mints: mints.into_iter().map(report).collect(), charged: count(charged), budget: count(budget) })
    }
}
