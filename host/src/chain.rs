//! One run down the chain of one app and kind.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};
use tracing::Instrument as _;

use crate::{
    acquire::{Acquisition, Purpose, unique_name},
    cache::{Cached, Key},
    causes::with_causes,
    check::{self, Wanted},
    config::{EffectiveRule, OnFailure, Role, Ruled, SourceConfig, Step},
    denials::{Denials, DeniedCall},
    explanations::Account,
    granted_files,
    health::Outcome,
    http::Client,
    ids::Ids,
    kind::Kind,
    lease::{Lease, Provenance},
    login::LoginState,
    network::{Sockets, SystemResolver},
    observe,
    owner::{Intent, Run},
    protocol::{Failure, FailureCode, StepOutcome, StepReport},
    records::Record,
    refusal::Refusal,
    resolver::{Live, Resolver},
    runtime::{BrokeKind, Call, DEFAULT_MEMORY, Refused, SourceRequest},
    sources::Source,
    tombstones::Verdict,
};

/// Asks each step in turn until one has a lease that holds, and files how it went.
pub async fn run(resolver: &Arc<Resolver>, key: &Key, intent: Intent) -> Run {
    let (span, since) = (observe::run(key, intent), Instant::now());
    let live = resolver.live.load_full();
    let login = resolver.login.state();
    let rule = live.config.rule_for(&key.app);
    let ids = resolver.ids(&key.app, &rule);
    let mut steps = Vec::with_capacity(rule.chain.steps.len());
    let mut found = None;
    for step in &rule.chain.steps {
        let asked = Asked { resolver, live: &live, login: &login, rule: &rule, ids, key, intent };
        let step_span = observe::step(key, step.source.as_str());
        let (said, took) = asked.ask(step).instrument(step_span.clone()).await;
        let mut report = said.report(step, took);
        observe::stepped(&step_span, &report);
        match said {
            Said::Lease { lease, remembered, .. } => {
                steps.push(report);
                found = Some((lease, remembered));
                break;
            }
            Said::Skipped(_) => steps.push(report),
            Said::Refused(refusal) => {
                let stop = step.on_failure == OnFailure::Stop && !matches!(refusal, Refusal::Absent(_));
                if stop {
                    report.text.push_str("; the chain stops here (on-failure: stop)");
                }
                steps.push(report);
                if stop {
                    break;
                }
            }
        }
    }
    let generation = login.generation.map(|generation| generation.to_string());
    let account = Account { at: resolver.clock.now(), renewal: intent.is_renewal(), generation, steps: steps.clone() };
    let failed_before = resolver.explanations.file(key, account).is_some_and(|before| before.error().is_some());
    let Some((lease, remembered)) = found else {
        let failure = failure(key, steps);
        observe::ran(&span, key, since, &failure.steps, Err(&failure), failed_before);
        resolver.events.ran(resolver.clock.now(), key, intent, &failure.steps, Some(failure.code), since.elapsed());
        return Run { result: Err(failure), remembered: false };
    };
    observe::ran(&span, key, since, &steps, Ok(()), failed_before);
    resolver.events.ran(resolver.clock.now(), key, intent, &steps, None, since.elapsed());
    let cached = resolver.cached(&live, &key.app, lease, login.revision());
    Run { result: Ok(Arc::new(cached)), remembered }
}

/// What one step is asked under.
struct Asked<'a> {
    resolver: &'a Arc<Resolver>,
    live: &'a Live,
    login: &'a Arc<LoginState>,
    rule: &'a EffectiveRule<'a>,
    ids: Ids,
    key: &'a Key,
    intent: Intent,
}

/// What one step said, checked.
enum Said {
    Lease { lease: Lease, remembered: bool, notes: String },
    Refused(Refusal),
    Skipped(&'static str),
}

impl Asked<'_> {
    /// Asks one step. The time is the source's own: waiting for a permit is not counted.
    async fn ask(&self, step: &Step) -> (Said, Duration) {
        let Some(source) = self.live.sources.find(&step.source) else {
            return (Said::Refused(Refusal::Misconfigured("no source of this name is configured".into())), Duration::ZERO);
        };
        let remembers = source.config.role == Role::Memory;
        if remembers && self.intent.is_renewal() {
            return (Said::Skipped("it only remembers, and a newer token is wanted"), Duration::ZERO);
        }
        if source.config.role == Role::Manual && self.key.kind == Kind::Login {
            return (Said::Skipped("a manual token is not the login"), Duration::ZERO);
        }
        if source.config.ruled == Some(Ruled::Forbidden) {
            let text = "the administrator's policy has no rule under `sources` that lets it run: `flytoken policy show`";
            return (Said::Refused(Refusal::Denied(text.into())), Duration::ZERO);
        }
        let loaded = match &source.loaded {
            Ok(loaded) => loaded,
            Err(problem) => return (Said::Refused(Refusal::Misconfigured(format!("not loaded: {problem}"))), Duration::ZERO),
        };
        // Who may have minted what, and what was rejected, is written there.
        if source.config.mints
            && let Err(error) = self.resolver.store.kept().check()
            && error.is_of_its_content()
        {
            let text = format!("nothing is minted: {}; {}", with_causes(&error), error.hint());
            return (Said::Refused(Refusal::Misconfigured(text)), Duration::ZERO);
        }
        let digest = || self.health_digest(source);
        if self.intent != Intent::RenewNow
            && let Some(resting) = self.resolver.health.resting(&step.source, digest, self.key)
        {
            return (Said::Refused(resting.into_refusal()), Duration::ZERO);
        }
        let busy = |what: &str| {
            let text = format!("no {what} became free within {} s", PATIENCE.as_secs());
            (Said::Refused(Refusal::Unavailable(text)), Duration::ZERO)
        };
        let Ok(Ok(_sandbox)) = timeout(PATIENCE, Arc::clone(&source.sandboxes).acquire_owned()).await else { return busy("sandbox") };
        let mut acquisition = None;
        if !source.config.grants.commands.is_empty() {
            let Ok(permit) = timeout(PATIENCE, self.resolver.commands.permit()).await else { return busy("command slot") };
            acquisition =
                Some(Arc::new(Acquisition::new(self.resolver, source, self.login, self.rule, self.key, (Purpose::Obtain, permit))));
        }
        let mut minted = None;
        if source.config.mints && acquisition.is_none() {
            // It obtains its tokens itself, so that each call may be a mint.
            match self.charge(source).await {
                Ok(name) => minted = Some(name),
                Err(why) => return (Said::Refused(Refusal::Unavailable(why)), Duration::ZERO),
            }
        }
        let call = call(self.resolver, source, self.login, self.key, acquisition.clone());
        let request = request(self.resolver, source, self.rule, self.key, self.intent);
        let started = Instant::now();
        let answer = loaded.resolve(call, request).await;
        let took = started.elapsed();
        let broke = matches!(answer, Err(Refused::Broke(_)));
        source.stats.count(took, broke);
        if let Ok(lease) = &answer
            && lease.provenance.login.is_some()
            && acquisition.as_ref().is_some_and(|acquisition| acquisition.unique().is_some())
        {
            // A program takes its time. What it obtained for a login that ended meanwhile is found out now, not when file events arrive.
            self.resolver.login.look_now().await;
        }
        let said = match answer {
            Ok(lease) => self.examine(source, lease, acquisition.as_deref().and_then(Acquisition::unique).or(minted)),
            Err(Refused::Said(refusal)) => Said::Refused(refusal),
            Err(Refused::Broke(broke)) if broke.kind == BrokeKind::Denied => Said::Refused(Refusal::Misconfigured(broke.text)),
            Err(Refused::Broke(broke)) => Said::Refused(Refusal::Unavailable(broke.text)),
        };
        let outcome = match &said {
            Said::Refused(refusal) if broke => Outcome::Broke(refusal),
            Said::Refused(refusal) => Outcome::Refused(refusal),
            Said::Lease { .. } | Said::Skipped(_) => Outcome::Answered,
        };
        source.stats.outcomes.add(said.outcome() as usize);
        // What it did is not held against another that has taken its place meanwhile.
        if self.resolver.source_digest(&step.source) == Some(source.digest) {
            self.resolver.health.note(&step.source, digest, self.key, outcome);
        }
        (said, took)
    }

    /// What a source is while its failures are held against it: its component, settings and grants, and the programs that it may run.
    fn health_digest(&self, source: &Source) -> [u8; 32] {
        let commands = &source.config.grants.commands;
        if commands.is_empty() { source.digest } else { self.resolver.commands.mark(commands, source.digest) }
    }

    /// Charges a call that may mint, and names it.
    async fn charge(&self, source: &Arc<Source>) -> Result<String, String> {
        let (resolver, key, source) = (Arc::clone(self.resolver), self.key.clone(), Arc::clone(source));
        let charging = spawn_blocking(move || {
            let (name, lifetime) = (unique_name(&key), source.lifetime(resolver.live.load().config.ttl));
            resolver.charge(&name, &key, source.config.name.clone(), lifetime).map(|()| name)
        });
        match charging.await {
            Ok(charged) => charged.map_err(|why| why.to_string()),
            Err(_) => Err("the mint could not be written down".into()),
        }
    }

    /// Checks a lease before it is kept or given.
    fn examine(&self, source: &Source, mut lease: Lease, minted: Option<String>) -> Said {
        // The name in the ledger goes before what the source calls it: by that one it can be revoked.
        lease.id = minted.or(lease.id);
        // A fresh mint is not held against what an older one taught: it is what teaches.
        let ids = if source.config.teaches_ids(self.key.kind) { Ids::configured(self.rule) } else { self.ids };
        let wanted = wanted(self.resolver, self.rule, ids, self.key, source.config.role);
        let checked = match check::check(lease, &wanted) {
            Ok(checked) => checked,
            Err(refusal) => return Said::Refused(refusal),
        };
        if source.config.mints
            && let Some(end) = checked.lease.expiry.at()
            && end.since(wanted.now) < SHORTEST_MINT
        {
            let text = format!("what it minted lives under {} min: it would mint all day", SHORTEST_MINT.as_secs() / 60);
            return Said::Refused(Refusal::Misconfigured(text));
        }
        let fingerprint = self.resolver.fingerprints.of(&checked.lease.token);
        let remembered = source.config.role == Role::Memory;
        let verdict = if remembered || source.config.role == Role::Manual {
            self.resolver.tombstones.of_remembered(self.key, &checked.lease, fingerprint)
        } else {
            self.resolver.tombstones.of_live(self.key, &checked.lease, fingerprint, self.resolver.clock.now())
        };
        if verdict == Verdict::Dead {
            return Said::Refused(Refusal::Absent("it only has a token that was invalidated".into()));
        }
        Said::Lease { lease: checked.lease, remembered, notes: checked.notes }
    }
}

/// Checks a lease that was checked under another configuration; none if it does not hold under `live`.
pub fn check_again(resolver: &Resolver, live: &Live, key: &Key, cached: &Cached) -> Option<Cached> {
    let (rule, provenance) = (live.config.rule_for(&key.app), &cached.lease.provenance);
    let source = live.sources.find(&provenance.source).filter(|source| source.digest == provenance.source_digest)?;
    rule.chain.steps.iter().find(|step| step.source == provenance.source)?;
    let ids = resolver.ids(&key.app, &rule);
    let Lease { token, expiry, id, provenance } = &cached.lease;
    let lease = Lease { token: Arc::clone(token), expiry: *expiry, id: id.clone(), provenance: provenance.clone() };
    let checked = check::check(lease, &wanted(resolver, &rule, ids, key, source.config.role)).ok()?;
    Some(resolver.cached(live, &key.app, checked.lease, cached.copy_of))
}

fn wanted<'a>(resolver: &Resolver, rule: &EffectiveRule<'a>, ids: Ids, key: &'a Key, by: Role) -> Wanted<'a> {
    Wanted { key, ids, organization: rule.organization, manual: by == Role::Manual, deliver: rule.deliver, now: resolver.clock.now() }
}

impl Said {
    fn outcome(&self) -> StepOutcome {
        match self {
            Self::Lease { .. } => StepOutcome::Lease,
            Self::Skipped(_) => StepOutcome::Skipped,
            Self::Refused(refusal) => refusal.outcome(),
        }
    }

    fn report(&self, step: &Step, took: Duration) -> StepReport {
        let (text, command) = match self {
            Self::Lease { notes, .. } => (notes.clone(), None),
            Self::Skipped(why) => ((*why).to_owned(), None),
            Self::Refused(refusal) => (refusal.text().to_owned(), refusal.command().map(str::to_owned)),
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        StepReport { source: step.source.to_string(), outcome: self.outcome(), text, command, micros }
    }
}

/// What one call of a source may use: its grants, and nothing else.
pub fn call(resolver: &Arc<Resolver>, source: &Source, login: &LoginState, key: &Key, acquisition: Option<Arc<Acquisition>>) -> Call {
    let config = &source.config;
    let granted_login = config.grants.login.then(|| login.login.clone()).flatten();
    let sequence = resolver.sequence.clone();
    let denials = Denials::default();
    let denied = {
        let (resolver, source, key) = (Arc::clone(resolver), config.name.clone(), key.clone());
        move |denial| {
            resolver.denied.add(DeniedCall { source: source.clone(), app: key.app.clone(), kind: key.kind, denial });
        }
    };
    Call {
        source: config.name.clone(),
        settings: Arc::new(config.settings.clone()),
        provenance: Provenance {
            source: config.name.clone(),
            kind: key.kind,
            obtained: resolver.clock.now(),
            sequence: 0,
            login: granted_login.as_ref().map(|login| login.generation),
            source_digest: source.digest,
            is_login: false,
        },
        obtained: Arc::new(move || sequence.obtained()),
        login: granted_login,
        records: config.grants.records.map(|grant| {
            let record = Arc::new(Record::new(Arc::clone(resolver), &config.name, config.role, grant, key.clone()));
            Arc::new(record) as Arc<dyn crate::runtime::RecordsAccess>
        }),
        command: acquisition.map(|acquisition| acquisition as Arc<dyn crate::runtime::CommandAccess>),
        http: http_client(config, login, &denials),
        sockets: (!config.grants.sockets.is_empty())
            .then(|| Arc::new(Sockets::new(config.grants.sockets.clone(), Arc::new(SystemResolver), denials.clone()))),
        files: granted_files::access(&config.grants.files),
        env: resolver.granted_env(&config.grants.env),
        denials,
        denied: Arc::new(denied),
        reveal: config.grants.reveal,
        timeout: config.timeout,
        memory: config.grants.memory.unwrap_or(DEFAULT_MEMORY),
        peak: Arc::clone(&source.stats.memory),
        trace: None,
    }
}

/// The origins of one call. A header takes the login only where the login is granted as well.
fn http_client(config: &SourceConfig, login: &LoginState, denials: &Denials) -> Option<Arc<Client>> {
    let grants = &config.grants;
    let login = login.login.as_ref().filter(|_| grants.login).map(|login| Arc::clone(&login.token));
    let client =
        || Client::new(grants.http.clone(), granted_files::access(&grants.files), login, Arc::new(SystemResolver), denials.clone());
    (!grants.http.is_empty()).then(|| Arc::new(client()))
}

/// What a source is asked.
pub fn request(resolver: &Resolver, source: &Source, rule: &EffectiveRule<'_>, key: &Key, intent: Intent) -> SourceRequest {
    SourceRequest {
        app: key.app.clone(),
        kind: key.kind,
        organization: rule.organization.map(str::to_owned),
        intent,
        now: resolver.clock.now(),
        lifetime: source.lifetime(resolver.live.load().config.ttl),
    }
}

/// No step answered: every step with its own reason, the code that occurs first in the documented order, and a hint.
fn failure(key: &Key, steps: Vec<StepReport>) -> Failure {
    const ORDER: [FailureCode; 4] = [FailureCode::Denied, FailureCode::NeedsHuman, FailureCode::Misconfigured, FailureCode::TryAgain];
    let code = ORDER.into_iter().find(|code| steps.iter().any(|step| step.outcome.code() == *code)).unwrap_or(FailureCode::NoToken);
    let (app, kind) = (&key.app, key.kind);
    let command = steps.iter().filter(|step| step.outcome.code() == code).find_map(|step| step.command.clone());
    let hint = match (code, command) {
        (_, Some(command)) => format!("run `{command}`"),
        (FailureCode::NoToken, None) if kind == Kind::Login => "log in with `fly auth login`".into(),
        (FailureCode::NoToken, None) => format!("check the app's name, or give it a token by hand: `flytoken set {app}`"),
        (FailureCode::Denied, None) => "see what the policy leaves: `flytoken policy show`".into(),
        (FailureCode::Misconfigured, None) => "run `flytoken config check`, then mend what the step names".into(),
        (_, None) => format!("try again, and see `flytoken explain {app} --kind {kind}`"),
    };
    Failure { code, message: format!("no {kind} token for app `{app}`"), hint, steps }
}

/// Tokens that live shorter are no mints: renewing them would use up any budget.
const SHORTEST_MINT: Duration = Duration::from_mins(15);

/// How long a run waits for a sandbox or a command slot before it passes the step over: as long as a request waits at all.
const PATIENCE: Duration = Duration::from_secs(30);
