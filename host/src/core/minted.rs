//! What was minted.

use std::{collections::HashSet, sync::Arc};

use tokio::task::spawn_blocking;

use super::{Core, storage_failed};
use crate::protocol::{Failure, MintReport, Reply};

impl Core {
    /// Every mint of the ledger. In a command without an agent nothing is cached.
    pub(super) async fn minted(&self) -> Result<Reply, Failure> {
        let resolver = Arc::clone(&self.inner.resolver);
        let read = spawn_blocking(move || Ok((resolver.mints.all()?, resolver.mints.charged()?))).await;
        let (mints, charged) = match read {
            Ok(read) => read.map_err(|error: crate::store::StoreError| storage_failed("the ledger cannot be read", &error))?,
            Err(error) => return Err(storage_failed("the ledger cannot be read", &error)),
        };
        let cached: HashSet<String> = self.inner.resolver.cache.all().iter().filter_map(|(_, cached)| cached.lease.id.clone()).collect();
        let report = |(name, mint): (String, crate::mints::Mint)| MintReport {
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
