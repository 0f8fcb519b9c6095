//! Whoever is at the other end of a connection, as far as it has to be known, and whether it still is.

use std::{os::fd::AsFd, sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::timeout};

use crate::attestation::{Attested, Attestor, Facts, Peer, Wanted};
use crate::protocol::Failure;

/// Whoever is at the other end of one connection.
#[derive(Clone)]
pub(super) struct Client {
    attested: Arc<Attested>,
    attestor: Attestor,
}

impl Client {
    /// Somebody of whom no more is known than what came with the connection.
    pub(super) fn new(facts: Facts, attestor: Attestor) -> Self {
        Self { attested: Arc::new(Attested::unseen(facts, Wanted::default())), attestor }
    }

    /// Somebody who showed the bearer.
    pub(super) fn by_bearer(attestor: Attestor) -> Self {
        Self { attested: Arc::new(Attested::by_bearer()), attestor }
    }

    /// As it was looked at last.
    pub(super) fn attested(&self) -> &Arc<Attested> {
        &self.attested
    }

    /// Looks at the client as far as it has to be known and is not yet.
    pub(super) async fn look(&mut self, socket: impl AsFd, wanted: Wanted) {
        // Whoever has become another is not looked at anew: what it asked for before is under way.
        if self.attested.covers(wanted) || self.attested.confirm().is_err() {
            return;
        }
        let known = self.attested.facts();
        let facts = Facts { pid: known.pid, uid: known.uid, gid: known.gid, ..Facts::default() };
        if let Some(attested) = self.attestor.look_at_once(Peer::of(&socket, facts.clone()), wanted) {
            self.attested = Arc::new(attested);
            return;
        }
        let (peer, attestor) = (Peer::of(&socket, facts.clone()), self.attestor.clone());
        // Off this thread: a slow file system, or a long executable, shall hold up nobody else.
        let looking = spawn_blocking(move || attestor.look(peer, wanted));
        let attested = timeout(LOOK_LIMIT, looking).await.ok().and_then(Result::ok);
        self.attested = Arc::new(attested.unwrap_or_else(|| Attested::unclear(facts, wanted)));
    }

    /// Whether it may hear an answer, by the last look at it.
    ///
    /// # Errors
    /// What one that has changed hears instead, and for the last time; where that is not enforced it is only told in the log.
    pub(super) fn may_hear(&self, enforces: bool) -> Result<(), Failure> {
        let Err(unconfirmed) = self.attested.last_confirmed() else { return Ok(()) };
        let uid = self.attested.facts().uid;
        if !enforces {
            tracing::warn!(uid, "would hang up on a client: {unconfirmed}");
            return Ok(());
        }
        tracing::warn!(uid, "hung up on a client: {unconfirmed}");
        Err(unconfirmed.into())
    }
}

/// How long looking at a client may take. A file system that never answers must not keep its connection open.
const LOOK_LIMIT: Duration = Duration::from_secs(5);
