//! What every resolution shares: the configuration and sources in force, the login, what is remembered and what was rejected.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{sync::Semaphore, task::spawn_blocking};
use tracing::warn;

use crate::{
    app::AppName,
    cache::{Cache, Cached, Key, Moments, Terms},
    chain,
    command::Commands,
    config::{Config, EffectiveRule, Role, SourceName},
    denials::DeniedCalls,
    events::Events,
    explanations::Explanations,
    health::Health,
    ids::{Ids, Learnt},
    keep,
    lease::{Lease, Provenance},
    login::{Generation, LoginWatch, Standing},
    mints::{Mint, Mints, NoMint},
    owner::{Intent, Run, Upstream},
    replaced::{self, Replaced},
    runtime::BoxFuture,
    sequence::Sequence,
    sources::Sources,
    store::Store,
    system::{Clock, Defect, Draw, Environment},
    token::FingerprintKey,
    tombstones::{Tombstones, Verdict},
};

/// What every resolution shares. Whoever changes one of these does it through a method here, and nothing holds a lock across an await.
pub struct Resolver {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The configuration and the sources it names, replaced together.
    pub live: ArcSwap<Live>,
    /// The databases.
    pub store: Arc<Store>,
    /// The numbers that apps have at Fly.
    pub learnt: Learnt,
    /// The ledger of mints, and their budget.
    pub mints: Mints,
    /// Mints that are to be revoked because a newer one has their place.
    pub replaced: Arc<Replaced>,
    /// Which sources are not asked for a while.
    pub health: Health,
    /// What was invalidated.
    pub tombstones: Tombstones,
    /// The user's login.
    pub login: LoginWatch,
    /// Runs granted programs.
    pub commands: Commands,
    /// Names tokens in logs.
    pub fingerprints: Arc<FingerprintKey>,
    /// Orders secrets.
    pub sequence: Sequence,
    /// The checked leases.
    pub cache: Arc<Cache>,
    /// How the last resolutions went.
    pub explanations: Explanations,
    /// What happened last.
    pub events: Events,
    /// What sources were denied and is not on record yet.
    pub denied: DeniedCalls,
    /// The variables this process was started with, for sources that were granted some.
    pub environment: Environment,
    /// Spreads what would else happen in step.
    pub draw: Draw,
    /// The turns of keepers that remember and forget. They wait for the disk, each in a sandbox: without a bound all sandboxes would
    /// after a thousand answers, and whoever asks next would wait for a thousand syncs.
    pub keeping: Semaphore,
    /// What goes wrong in a behaviour that orders it.
    pub defect: Defect,
    /// Whether what is obtained is remembered before this process ends; a one-shot cannot renew in the background.
    pub one_shot: bool,
}

/// A configuration and the sources it names.
pub struct Live {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its sources.
    pub sources: Sources,
    /// Counts configurations: what was checked under another one is checked again before it is handed out.
    pub revision: u64,
}

impl Resolver {
    /// Draws the moments of a lease that was checked under `live` for `app`, and obtained while the login had this revision.
    pub fn cached(&self, live: &Live, app: &AppName, lease: Lease, login: Option<u64>) -> Cached {
        let source = live.sources.find(&lease.provenance.source);
        let manual = source.is_some_and(|source| source.config.role == Role::Manual);
        let moments = Moments {
            ttl: live.config.ttl,
            p99: source.map_or(Duration::ZERO, |source| source.stats.p99()),
            draw: (self.draw)(),
            at_most: manual.then(|| self.clock.now().after(MANUAL_AT_MOST)),
        };
        let fingerprint = self.fingerprints.of(&lease.token);
        let terms = Terms { revision: live.revision, leaves_whole: live.config.rule_for(app).deliver.is_nothing() };
        let copy_of = login.filter(|_| lease.provenance.is_login);
        Cached::new(lease, fingerprint, moments, terms).copied_from(copy_of)
    }

    /// The digest that `source` runs under now; none if it does not run.
    pub fn source_digest(&self, source: &SourceName) -> Option<[u8; 32]> {
        self.live.load().sources.find(source).filter(|source| source.loaded.is_ok()).map(|source| source.digest)
    }

    /// Whether the source of this lease would be asked for `app` today, as the same component under the same settings and grants.
    pub fn would_ask(&self, app: &AppName, provenance: &Provenance) -> bool {
        let live = self.live.load();
        live.config.rule_for(app).chain.steps.iter().any(|step| step.source == provenance.source)
            && live.sources.find(&provenance.source).is_some_and(|source| source.digest == provenance.source_digest)
    }

    /// The variables of these names that are set, for a source that was granted them.
    pub fn granted_env(&self, names: &[String]) -> Arc<Vec<(String, String)>> {
        let set = names.iter().filter_map(|name| Some((name.clone(), self.environment.text(name)?.to_owned())));
        Arc::new(set.collect())
    }

    /// Whether something obtained under this login still counts; what had no part in a login does.
    pub fn standing(&self, login: Option<Generation>) -> Standing {
        login.map_or(Standing::Current, |login| self.login.state().standing(login))
    }

    /// Whether the login in force at this moment is the one that a lease was obtained under, and, if the lease is a copy of it, in that
    /// very reading. The cache is emptied of others as well, but only a moment after the login changed.
    pub fn of_this_login(&self, cached: &Cached) -> bool {
        self.login.with_state(|state| {
            let same_login = cached.lease.provenance.login.is_none_or(|login| state.standing(login) == Standing::Current);
            same_login && cached.copy_of.is_none_or(|revision| state.revision() == Some(revision))
        })
    }

    /// Whether something obtained under this login may be kept: it is in force, and other processes know it too.
    pub fn may_keep(&self, login: Option<Generation>) -> bool {
        let state = self.login.state();
        login.is_none_or(|login| state.remembered && state.standing(login) == Standing::Current)
    }

    /// The numbers that are known of an app: the configured ones, and learnt ones where those say nothing.
    pub fn ids(&self, app: &AppName, rule: &EffectiveRule<'_>) -> Ids {
        let configured = Ids::configured(rule);
        if configured.are_known() { configured } else { configured.or(self.learnt.of(app)) }
    }

    /// Writes a mint down and charges it; on disk when this returns, so it may block.
    ///
    /// # Errors
    /// [`NoMint`]; then it must not begin.
    pub fn charge(&self, name: &str, key: &Key, source: SourceName, lifetime: Duration) -> Result<(), NoMint> {
        let at = self.clock.now();
        let mint = Mint { app: key.app.clone(), kind: key.kind, source, at, until: at.after(lifetime), revocation: None };
        self.mints.begin(name, &mint, self.live.load().config.budget)
    }

    /// Learns the app's numbers from a token that was minted for it.
    async fn learn(&self, key: &Key, lease: &Lease) {
        let teaches = self.live.load().sources.find(&lease.provenance.source).is_some_and(|source| source.config.teaches_ids(key.kind));
        let Some(ids) = Ids::of_mint(&lease.token).filter(|_| teaches) else { return };
        let (learnt, app) = (self.learnt.clone(), key.app.clone());
        match spawn_blocking(move || learnt.learn(&app, ids)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(app = %key.app, "the app's numbers were not kept: {error}"),
            Err(error) => warn!(app = %key.app, "the app's numbers were not kept: {error}"),
        }
    }

    /// Whether a lease may be handed out now.
    fn holds(&self, key: &Key, cached: &Cached, remembered: bool) -> bool {
        let lease = &cached.lease;
        let verdict = if remembered {
            self.tombstones.of_remembered(key, lease, cached.fingerprint)
        } else {
            self.tombstones.of_live(key, lease, cached.fingerprint, self.clock.now())
        };
        verdict == Verdict::Alive && self.of_this_login(cached)
    }
}

impl Upstream for Resolver {
    fn run(self: Arc<Self>, key: Key, intent: Intent) -> BoxFuture<'static, Run> {
        Box::pin(async move {
            self.defect.strike(key.app.as_str(), "run");
            chain::run(&self, &key, intent).await
        })
    }

    fn admissible(&self, key: &Key, cached: Arc<Cached>, remembered: bool) -> Option<Arc<Cached>> {
        self.defect.strike(key.app.as_str(), "owner");
        let live = self.live.load();
        match self.holds(key, &cached, remembered) {
            false => None,
            true if cached.terms.revision == live.revision => Some(cached),
            true => chain::check_again(self, &live, key, &cached).map(Arc::new),
        }
    }

    fn current(&self, cached: &Cached) -> bool {
        self.of_this_login(cached)
    }

    fn keep(self: Arc<Self>, key: Key, cached: Arc<Cached>, before: Option<Arc<Cached>>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let replaced = replaced::by(&self, &key, &cached, before.as_deref()).await;
            self.learn(&key, &cached.lease).await;
            keep::keep(&self, &key, &cached).await;
            if !replaced.is_empty() {
                self.replaced.add(replaced);
            }
        })
    }
}

/// Keepers at work at once. The disk takes one write after the other anyway.
pub const AT_ONCE: usize = 4;

/// A manual token is cached for this long at most, so that a better source is asked again, but not on every call.
const MANUAL_AT_MOST: Duration = Duration::from_mins(5);
