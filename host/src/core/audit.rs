//! Having requests on record.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{sync::Notify, task::spawn_blocking};
use tracing::warn;

use super::{Core, Inner, lock, policy};
use crate::{
    app::AppName,
    attestation::{Attested, Facts},
    audit::{self, ChainKey, Decision, Entry, Event, Finding, HeadKeeper, Journal, JournalError, Narrowed, SealedHead, Settings, Subject},
    cache::Key,
    causes::with_causes,
    delivery::Narrowing,
    denials::DeniedCall,
    policy::{InForce, Ruling},
    protocol::{Answer, AuditFinding, AuditReport, Failure, FailureCode, Reply, Request},
    resolver::Resolver,
    store::{Patience, Purpose},
};

/// Whether requests are put on record, and where.
pub(super) enum Audit {
    /// Nowhere.
    Off,
    /// In this journal, for as long as this process lives.
    Kept(Arc<Journal>),
    /// In a journal that is opened for each line: other processes write to it too.
    Shared(Settings),
    /// It cannot be written.
    Broken {
        /// What is configured.
        settings: Settings,
        /// Why not.
        why: String,
    },
}

impl Audit {
    /// As it is configured. May block.
    pub(super) fn open(settings: Option<Settings>, resolver: &Resolver) -> Self {
        match settings {
            None => Self::Off,
            Some(settings) if resolver.one_shot => Self::Shared(settings),
            Some(settings) => match journal(settings.clone(), resolver) {
                Ok(journal) => Self::Kept(Arc::new(journal)),
                Err(why) => Self::Broken { settings, why },
            },
        }
    }

    /// What is configured; none if nothing is.
    pub(super) fn settings(&self) -> Option<&Settings> {
        match self {
            Self::Off => None,
            Self::Kept(journal) => Some(journal.settings()),
            Self::Shared(settings) | Self::Broken { settings, .. } => Some(settings),
        }
    }

    /// Why nothing is put on record although it should be.
    pub(super) fn problem(&self) -> Option<&str> {
        match self {
            Self::Broken { why, .. } => Some(why),
            Self::Off | Self::Kept(_) | Self::Shared(_) => None,
        }
    }

    /// How many lines there are behind the end of the chain that is kept; none where this process keeps no file. May block.
    pub(super) fn unsettled(&self) -> Option<u64> {
        match self {
            Self::Kept(journal) => Some(journal.unsettled()),
            Self::Off | Self::Shared(_) | Self::Broken { .. } => None,
        }
    }

    fn is_required(&self) -> bool {
        self.settings().is_some_and(|settings| settings.required)
    }

    /// Puts one line on record. May block where it is required or shared.
    fn record(&self, event: Event, resolver: &Resolver) -> Result<(), Unrecorded> {
        match self {
            Self::Off => Ok(()),
            Self::Kept(journal) => Ok(journal.record(event)?),
            Self::Shared(settings) => {
                let journal = journal(settings.clone(), resolver).map_err(Unrecorded::Nowhere)?;
                let recorded = journal.record(event);
                journal.settle()?;
                Ok(recorded?)
            }
            Self::Broken { why, .. } => Err(Unrecorded::Nowhere(why.clone())),
        }
    }

    /// Puts on record what sources were denied meanwhile. May block.
    fn record_denied(&self, resolver: &Resolver) -> Result<(), Unrecorded> {
        let mut without_copy = Ok(());
        resolver.denied.drain(|call| {
            let DeniedCall { source, app, kind, denial } = call.clone();
            let why = denial.text.chars().take(LONGEST_WHY).collect();
            match self.record(Event::DeniedCall { source: source.to_string(), app, kind, why, times: denial.times }, resolver) {
                // It is in the file, and shall not be there twice.
                Err(error @ Unrecorded::WithoutCopy(_)) => without_copy = Err(error),
                recorded => recorded?,
            }
            Ok::<_, Unrecorded>(())
        })?;
        without_copy
    }
}

/// Why something is not on record as it should be.
#[derive(Debug, thiserror::Error)]
enum Unrecorded {
    /// It is nowhere.
    #[error("requests are not on record: {0}")]
    Nowhere(String),
    /// It is in the file, and whoever is to have a copy has none.
    #[error("the audit is without a copy: {0}")]
    WithoutCopy(String),
}

impl Unrecorded {
    fn why(&self) -> &str {
        let (Self::Nowhere(why) | Self::WithoutCopy(why)) = self;
        why
    }
}

impl From<JournalError> for Unrecorded {
    fn from(error: JournalError) -> Self {
        let text = with_causes(&error);
        if matches!(error, JournalError::NotForwarded { .. }) { Self::WithoutCopy(text) } else { Self::Nowhere(text) }
    }
}

fn journal(settings: Settings, resolver: &Resolver) -> Result<Journal, String> {
    let key = ChainKey::new(resolver.store.derive(Purpose::Audit));
    let head = Box::new(SealedHead(Arc::clone(&resolver.store)));
    let journal = Journal::open(settings, key, head, Arc::clone(&resolver.clock), Patience::of(PATIENCE));
    let journal = journal.map_err(|error| with_causes(&error))?;
    if !resolver.one_shot {
        match journal.record(Event::Opened { version: env!("CARGO_PKG_VERSION").into() }) {
            // Whoever is to have a copy may come up later than an agent; with the next line it is told who does without.
            Ok(()) | Err(JournalError::NotForwarded { .. }) => {}
            Err(error) => return Err(with_causes(&error)),
        }
    }
    Ok(journal)
}

/// What is remembered of a request for its line.
struct Asked {
    verb: &'static str,
    subject: Subject,
}

impl Asked {
    /// None for requests that neither give nor change anything.
    fn of(request: &Request) -> Option<Self> {
        let of_app = |verb, app: &AppName, kind| Self { verb, subject: Subject { app: Some(app.clone()), kind, mint: None } };
        Some(match request {
            Request::Get { app, kind, .. } => of_app("get", app, Some(*kind)),
            Request::Refresh { app, kind } => of_app("refresh", app, *kind),
            Request::Set { app, .. } => of_app("set", app, None),
            Request::Unset { app } => of_app("unset", app, None),
            Request::Invalidate { app, kind, .. } | Request::InvalidateToken { app, kind, .. } => of_app("invalidate", app, *kind),
            Request::Revoke { name } => {
                // Whatever was typed, a line has its bounds.
                let mint = Some(name.chars().take(LONGEST_NAME).collect());
                Self { verb: "revoke", subject: Subject { app: None, kind: None, mint } }
            }
            Request::Explain { .. } | Request::Status | Request::Minted | Request::VerifyAudit => return None,
        })
    }

    fn entry(self, client: &Facts, answer: &Result<&Reply, &Failure>, narrowing: Narrowing) -> Entry {
        let (decision, why) = match answer {
            Ok(_) => (Decision::Given, None),
            Err(failure) => {
                let decision = if failure.code == FailureCode::Denied { Decision::Denied } else { Decision::Failed };
                (decision, Some(failure.message.chars().take(LONGEST_WHY).collect()))
            }
        };
        let facts = match answer {
            Ok(Reply::Token(delivered)) => Some((delivered.facts.source.clone(), delivered.facts.fingerprint)),
            Ok(Reply::Refreshed { leases }) => leases.first().map(|facts| (facts.source.clone(), facts.fingerprint)),
            Ok(Reply::Set { fingerprint, .. }) => Some((String::new(), *fingerprint)),
            _ => None,
        };
        let narrowed = Narrowed {
            actions: narrowing.actions.map(|actions| actions.to_string()),
            max_lifetime: narrowing.max_lifetime.map(|lifetime| lifetime.as_secs()),
        };
        Entry {
            client: client.clone(),
            request: self.verb.into(),
            subject: self.subject,
            decision,
            rule: None,
            why,
            source: facts.as_ref().map(|(source, _)| source.clone()).filter(|source| !source.is_empty()),
            fingerprint: facts.map(|(_, fingerprint)| fingerprint),
            narrowed: (!narrowing.is_nothing()).then_some(narrowed),
        }
    }
}

impl Core {
    /// The answer to a request of `client` that needs nobody but the cache, put on record. None where that would have to wait for the disk.
    pub fn serve_at_once(&self, client: &Attested, request: &Request) -> Option<Reply> {
        let reply = self.served_at_once(client, request)?;
        self.inner.requests.add(policy::verb(request), Ok(&reply));
        Some(reply)
    }

    fn served_at_once(&self, client: &Attested, request: &Request) -> Option<Reply> {
        let (policy, audit) = (self.inner.policy.load(), self.inner.audit.load());
        if matches!((&**policy, &**audit), (InForce::Nothing, Audit::Off)) {
            return self.at_once(request);
        }
        if audit.is_required() || audit.problem().is_some() {
            return None;
        }
        let Ruling::Answer { rule, most, would_deny: false } = self.rule(&policy, client, request) else { return None };
        if !most.is_nothing() {
            return None;
        }
        let reply = self.at_once(request)?;
        if let Some(asked) = Asked::of(request).filter(|_| !matches!(**audit, Audit::Off)) {
            let entry = Entry { rule, ..asked.entry(client.facts(), &Ok(&reply), Narrowing::default()) };
            self.note(&audit.record(Event::Request(entry), &self.inner.resolver));
        }
        Some(reply)
    }

    /// Answers one request of `client` if the policy lets it, and puts it on record. Where that is required and cannot be done, no token
    /// leaves.
    ///
    /// # Errors
    /// As [`Core::answer`], and exit 4 for what cannot be put on record, and for a client that is no longer who it was.
    pub async fn serve(&self, client: Arc<Attested>, request: Request) -> Answer {
        let verb = policy::verb(&request);
        let (_, app, kind) = request.subject();
        let subject = (app.cloned(), kind);
        let answer = self.served(client, request).await;
        self.inner.requests.add(verb, answer.as_ref());
        let resolver = &self.inner.resolver;
        resolver.events.asked(|| resolver.clock.now(), verb, subject, answer.as_ref().err().map(|failure| failure.code));
        answer
    }

    async fn served(&self, client: Arc<Attested>, request: Request) -> Answer {
        let (policy, audit) = (self.inner.policy.load_full(), self.inner.audit.load_full());
        let ruling = self.rule(&policy, &client, &request);
        let key = match &request {
            Request::Get { app, kind, .. } => Some(Key { app: app.clone(), kind: *kind }),
            _ => None,
        };
        let (rule, most, would_deny, denied) = match ruling.clone() {
            Ruling::Answer { rule, most, would_deny } => (rule, most, would_deny, None),
            Ruling::Deny { rule, why } => (rule, Narrowing::default(), false, Some(policy::denied(&why))),
        };
        if would_deny || denied.is_some() {
            policy::tell(client.facts(), &request, rule.as_deref(), would_deny);
        }
        let asked = if matches!(*audit, Audit::Off) { None } else { Asked::of(&request) };
        let narrowing = match (&request, &asked, &denied) {
            (Request::Get { app, kind, wish }, Some(_), None) => {
                self.narrowing(&Key { app: app.clone(), kind: *kind }, wish, most).unwrap_or_default()
            }
            _ => Narrowing::default(),
        };
        let answer = match denied {
            Some(failure) => Err(failure),
            None => self.answer_within(request, most).await,
        };
        // That may have taken its time. What is put on record is what is sent then.
        let answer = match (answer, client.confirm()) {
            (Ok(_), Err(unconfirmed)) if policy.enforces() => Err(unconfirmed.into()),
            (Ok(reply), _) => self.still(&policy, &ruling, &client, key.as_ref()).map(|()| reply),
            (answer, _) => answer,
        };
        let Some(asked) = asked else { return answer };
        let mut entry = Entry { rule, ..asked.entry(client.facts(), &answer.as_ref(), narrowing) };
        if would_deny {
            entry.decision = Decision::WouldDeny;
        }
        let required = audit.is_required();
        let inner = Arc::clone(&self.inner);
        let recorded = spawn_blocking(move || {
            let audit = in_order(&inner, audit);
            // What was denied on the way to this answer comes before it.
            let denied = audit.record_denied(&inner.resolver);
            audit.record(Event::Request(entry), &inner.resolver).and(denied)
        })
        .await;
        let recorded = recorded.unwrap_or_else(|_| Err(Unrecorded::Nowhere("flytoken failed while it wrote".into())));
        self.note(&recorded);
        match (recorded, answer) {
            (Err(why), Ok(Reply::Token(_))) if required => Err(not_on_record(why.why())),
            (_, answer) => answer,
        }
    }

    /// Goes through every line of the audit.
    pub(super) async fn verify_audit(&self) -> Answer {
        let audit = self.inner.audit.load_full();
        let Some(settings) = audit.settings().cloned() else { return Err(no_audit()) };
        settle(&self.inner).await;
        let resolver = Arc::clone(&self.inner.resolver);
        let going = spawn_blocking(move || {
            let key = ChainKey::new(resolver.store.derive(Purpose::Audit));
            let head = SealedHead(Arc::clone(&resolver.store)).load()?;
            let report = audit::verify(&settings.path, &key, head).map_err(|error| error.to_string())?;
            let finding = |finding: &Finding| AuditFinding {
                file: finding.file.display().to_string(),
                line: finding.line,
                text: finding.flaw.to_string(),
            };
            Ok::<_, String>(AuditReport {
                file: settings.path.display().to_string(),
                lines: report.lines,
                first: report.range.map(|(first, _)| first),
                last: report.range.map(|(_, last)| last),
                findings: report.findings.iter().take(MOST_FINDINGS).map(finding).collect(),
                notes: report.notes.iter().take(MOST_FINDINGS).map(finding).collect(),
            })
        });
        match going.await {
            Ok(Ok(report)) => Ok(Reply::AuditVerified(report)),
            Ok(Err(why)) => Err(unverified(&why)),
            Err(_) => Err(unverified("flytoken failed while it read")),
        }
    }

    /// Why requests are not on record although they should be.
    pub(super) fn unrecorded(&self) -> Option<String> {
        let audit = self.inner.audit.load();
        let problem = audit.problem().map(|why| Unrecorded::Nowhere(why.into()).to_string());
        problem.or_else(|| self.inner.unrecorded.load().as_deref().filter(|_| audit.settings().is_some()).cloned())
    }

    /// Has the end of the chain kept soon, or says why there is nothing to keep.
    fn note(&self, recorded: &Result<(), Unrecorded>) {
        match recorded {
            Ok(()) => {
                if self.inner.unrecorded.load().is_some() {
                    self.inner.unrecorded.store(None);
                }
                self.inner.recorded.notify_one();
            }
            Err(why) => {
                let why = why.to_string();
                // Once, and not for each of a thousand requests.
                if self.inner.unrecorded.load().as_deref() != Some(&why) {
                    warn!("{why}");
                    self.inner.unrecorded.store(Some(Arc::new(why)));
                }
            }
        }
    }
}

/// Has requests put on record as it is configured now. May block.
pub(super) fn put_in_force(inner: &Inner, settings: Option<Settings>) {
    let _one = lock(&inner.reopening);
    let before = inner.audit.load_full();
    if before.settings() == settings.as_ref() && before.problem().is_none() {
        return;
    }
    // The former one has to let go of the file first. In between nothing leaves unseen if either of the two wants every line: whoever is
    // asked then waits for the lock that is held here.
    if let Some(between) = before.settings().or(settings.as_ref()) {
        let required = [before.settings(), settings.as_ref()].into_iter().flatten().any(|settings| settings.required);
        let between = Settings { required, ..between.clone() };
        inner.audit.store(Arc::new(Audit::Broken { settings: between, why: "its settings change".into() }));
    }
    drop(before);
    inner.audit.store(Arc::new(Audit::open(settings, &inner.resolver)));
}

/// The audit, opened again if it could not be written before. May block.
fn in_order(inner: &Inner, audit: Arc<Audit>) -> Arc<Audit> {
    if audit.problem().is_none() {
        return audit;
    }
    // One at a time: the first that succeeds keeps the file to itself.
    let _one = lock(&inner.reopening);
    let current = inner.audit.load_full();
    if current.problem().is_none() {
        return current;
    }
    let opened = Arc::new(Audit::open(current.settings().cloned(), &inner.resolver));
    inner.audit.store(Arc::clone(&opened));
    opened
}

/// Puts on record what sources were denied, and keeps the end of the chain, within a second.
pub(super) async fn follow(inner: Weak<Inner>, recorded: Arc<Notify>) {
    loop {
        recorded.notified().await;
        tokio::time::sleep(SETTLE).await;
        let Some(inner) = inner.upgrade() else { return };
        settle(&inner).await;
    }
}

/// Puts on record what sources were denied, and keeps the end of the chain, now.
pub(super) async fn settle(inner: &Inner) {
    let (audit, resolver) = (inner.audit.load_full(), Arc::clone(&inner.resolver));
    let settling = spawn_blocking(move || {
        let denied = audit.record_denied(&resolver);
        if let Audit::Kept(journal) = &*audit {
            journal.settle()?;
        }
        denied
    });
    if let Ok(Err(why)) = settling.await {
        warn!("{why}");
    }
}

fn not_on_record(why: &str) -> Failure {
    Failure {
        code: FailureCode::Denied,
        message: format!("no token is handed out that is not on record, and it cannot be put there: {why}"),
        hint: "mend what keeps the audit's file from being written: see `audit` in `flytoken config show`".into(),
        steps: Vec::new(),
    }
}

fn no_audit() -> Failure {
    Failure {
        code: FailureCode::Misconfigured,
        message: "nothing is put on record here".into(),
        hint: "add `audit: { file: audit.jsonl }` to the configuration: `flytoken config path`".into(),
        steps: Vec::new(),
    }
}

fn unverified(why: &str) -> Failure {
    Failure {
        code: FailureCode::TryAgain,
        message: format!("the audit cannot be gone through: {why}"),
        hint: "try again, or look at the file itself: `flytoken config show` names it under `audit`".into(),
        steps: Vec::new(),
    }
}

/// How long another process that writes to the file is waited for: a line is a matter of milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long lines may be without the end of the chain being kept.
const SETTLE: Duration = Duration::from_secs(1);

/// Findings that are told: whoever did more than this to a file left nothing of it.
const MOST_FINDINGS: usize = 100;

/// Characters of a mint's name: those that there are have fewer.
const LONGEST_NAME: usize = 128;

/// Characters of a reason: enough to tell it by.
const LONGEST_WHY: usize = 300;
