//! Never handing out a token again.

use super::{Core, lock, storage_failed};
use crate::{
    app::AppName,
    cache::Key,
    keep,
    kind::Kind,
    protocol::{Failure, FailureCode, Reply},
    token::Fingerprint,
    tombstones::Burial,
};

impl Core {
    /// Commits a tombstone, empties the cache of it and returns; the memories forget afterwards. With a fingerprint that token alone is
    /// meant, and a newer lease stays; without one, everything obtained so far.
    pub(super) async fn invalidate(&self, app: AppName, kind: Option<Kind>, fingerprint: Option<Fingerprint>) -> Result<Reply, Failure> {
        let resolver = &self.inner.resolver;
        let meant = |key: &Key| key.app == app && kind.is_none_or(|kind| key.kind == kind);
        let is_meant = |key: &Key, found: Fingerprint| meant(key) && fingerprint.is_none_or(|rejected| rejected == found);
        let mut tokens: Vec<_> = Kind::ALL
            .into_iter()
            .filter_map(|kind| {
                let key = Key { app: app.clone(), kind };
                let cached = resolver.cache.find(&key)?;
                is_meant(&key, cached.fingerprint).then(|| (cached.fingerprint, cached.lease.expiry.at()))
            })
            .collect();
        if let Some(rejected) = fingerprint
            && tokens.is_empty()
        {
            tokens.push((rejected, None));
        }
        // A number of its own: a resolution that runs right now obtained its secret before it, or seals it after.
        let cutoff = fingerprint.is_none().then(|| resolver.sequence.next());
        let burial = Burial { app: app.clone(), kind, tokens, cutoff, mint: None };
        let committing = {
            let resolver = std::sync::Arc::clone(resolver);
            tokio::task::spawn_blocking(move || resolver.tombstones.bury(&burial, resolver.clock.now())).await
        };
        // Dropped although the disk may have failed: not handing out is the safe side.
        let dropped = resolver.cache.take_where(|key, cached| is_meant(key, cached.fingerprint));
        self.inner.forgive(meant);
        match committing {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(storage_failed("the invalidation holds until the agent ends, but is not on disk", &error)),
            Err(_) => return Err(cut_off()),
        }
        let kinds = Kind::ALL.into_iter().filter(|each| kind.is_none_or(|kind| kind == *each));
        for key in kinds.map(|kind| Key { app: app.clone(), kind }) {
            // A newer lease than the rejected one stays remembered; the tombstone alone keeps the rejected one out.
            if fingerprint.is_none() || dropped.iter().any(|(gone, _)| *gone == key) {
                let resolver = std::sync::Arc::clone(resolver);
                lock(&self.inner.after).spawn(async move { keep::forget(&resolver, &key).await });
            }
        }
        self.inner.reap();
        Ok(Reply::Invalidated { fingerprints: dropped.into_iter().map(|(_, cached)| cached.fingerprint).collect() })
    }
}

fn cut_off() -> Failure {
    Failure {
        code: FailureCode::Internal,
        message: "the invalidation holds until the agent ends, but may not be on disk: flytoken failed while it wrote".into(),
        hint: "this is a defect of flytoken; invalidate it again: `flytoken invalidate APP`".into(),
        steps: Vec::new(),
    }
}
