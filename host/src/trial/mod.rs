//! A component on trial: one file, outside any agent and chain, for the author of a token source.
//!
//! Nothing of the user's is touched: no configuration, no policy, no login of theirs, no database. Records lie in memory, the login is made
//! up, and what the component may do is what the command line grants.

mod facts;
pub mod laws;
mod least;
mod mishap;
mod programs;
mod shelf;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use zeroize::Zeroizing;

pub use self::programs::ProgramsRun;
pub use self::{
    facts::{Facts, Holds},
    least::Least,
    mishap::{Interface, Mishap},
};
use self::{
    mishap::{Awry, Nowhere},
    programs::Programs,
    shelf::Shelf,
};
use crate::{
    cache::Key,
    config::{Role, SourceConfig},
    demo::forged::Forged,
    denials::Denials,
    granted_files,
    http::Client,
    lease::{Lease, Provenance},
    login::{Generation, Login, LoginOrigin},
    network::{Resolve, Sockets, SystemResolver},
    owner::Intent,
    runtime::{
        Call, CommandAccess, DEFAULT_MEMORY, FilesAccess, LoadError, Loaded, RecordsAccess, Refused, Revocation, Runtime, SourceRequest,
        Trace, Traced,
    },
    sequence::Sequence,
    system::{Clock, Environment},
    token::ApiToken,
};

/// A component, loaded, and the small world that it is tried in.
pub struct Trial {
    source: Arc<SourceConfig>,
    loaded: Loaded,
    compiled_in: Duration,
    clock: Arc<dyn Clock>,
    sequence: Sequence,
    login: Arc<Login>,
    env: Arc<Vec<(String, String)>>,
    records: Arc<Shelf>,
    programs: Arc<Programs>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The app and kind.
    pub key: Key,
    /// The slug of the app's organisation.
    pub organization: Option<String>,
    /// Why.
    pub intent: Intent,
}

/// How one call differs from others.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Nobody is logged in.
    pub logged_out: bool,
    /// What goes wrong, and with what.
    pub mishap: Option<(Interface, Mishap)>,
    /// How long each call into the host takes at least.
    pub slow: Option<Duration>,
    /// Memory in bytes, in place of what is granted.
    pub memory: Option<u64>,
    /// Time, in place of what is configured.
    pub timeout: Option<Duration>,
    /// Whether granted programs run.
    pub programs: ProgramsRun,
}

/// What a call came to, and what it did on its way.
pub struct Ended<T> {
    /// What it came to.
    pub answer: Result<T, Refused>,
    /// What it did.
    pub traced: Traced,
}

impl Trial {
    /// Loads a component. Blocking: it may have to be compiled.
    ///
    /// # Errors
    /// [`LoadError`] as for any other source.
    pub fn load(
        runtime: &Runtime,
        source: SourceConfig,
        bytes: &[u8],
        clock: Arc<dyn Clock>,
        environment: &Environment,
    ) -> Result<Self, LoadError> {
        let begun = Instant::now();
        let loaded = runtime.load_foreign(&source.name, bytes, &source.grants, source.role)?;
        let compiled_in = begun.elapsed().saturating_sub(loaded.linked_in());
        let set = source.grants.env.iter().filter_map(|name| Some((name.clone(), environment.text(name)?.to_owned())));
        let env = Arc::new(set.collect());
        let text = Forged::login(clock.now()).text;
        let login = Login {
            token: Arc::new(ApiToken::new(Zeroizing::new(text))),
            generation: Generation::fresh(),
            revision: 1,
            origin: LoginOrigin::Variable("a made-up login"),
        };
        let source = Arc::new(source);
        Ok(Self {
            loaded,
            compiled_in,
            sequence: Sequence::after(0, Arc::clone(&clock)),
            clock,
            login: Arc::new(login),
            env,
            records: Arc::default(),
            programs: Arc::new(Programs::new(Arc::clone(&source), environment)),
            source,
        })
    }

    /// The component.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// How it is configured.
    pub fn source(&self) -> &SourceConfig {
        &self.source
    }

    /// How long it took to compile, or to find compiled.
    pub fn compiled_in(&self) -> Duration {
        self.compiled_in
    }

    /// Asks for a lease.
    pub async fn resolve(&self, question: &Question, terms: &Terms) -> Ended<Lease> {
        let (call, trace) = self.call(question, terms, false);
        let answer = self.loaded.resolve(call, self.request(question)).await;
        Ended { answer, traced: trace.take() }
    }

    /// Has a keeper remember a lease.
    pub async fn keep(&self, question: &Question, lease: &Lease) -> Ended<()> {
        let (call, trace) = self.call(question, &Terms::default(), false);
        let answer = self.loaded.keep(call, self.request(question), lease).await;
        Ended { answer, traced: trace.take() }
    }

    /// Has a keeper forget.
    pub async fn forget(&self, question: &Question) -> Ended<()> {
        let (call, trace) = self.call(question, &Terms::default(), false);
        let answer = self.loaded.forget(call, self.request(question)).await;
        Ended { answer, traced: trace.take() }
    }

    /// Has a revoker revoke the token of this name.
    pub async fn revoke(&self, question: &Question, name: &str) -> Ended<Revocation> {
        let terms = Terms { programs: ProgramsRun::NotThere, ..Terms::default() };
        let (call, trace) = self.call(question, &terms, true);
        let answer = self.loaded.revoke(call, self.request(question), name).await;
        Ended { answer, traced: trace.take() }
    }

    /// A made-up lease, such as another source would have obtained for this question; each is newer than the one before.
    pub fn made_up_lease(&self, question: &Question, life: Duration) -> Lease {
        let now = self.clock.now();
        let token = Arc::new(ApiToken::new(Zeroizing::new(Forged::deploy(1, now).text)));
        let obtained = self.sequence.obtained();
        let provenance = Provenance { obtained: obtained.at, sequence: obtained.sequence, ..self.provenance(question) };
        Lease { token, expiry: crate::lease::Expiry::At(now.after(life)), id: Some("made-up".into()), provenance }
    }

    /// What there is to say of a lease.
    pub fn facts(&self, question: &Question, lease: Lease) -> Facts {
        Facts::of(lease, question, self.source.role == Role::Manual, self.clock.now())
    }

    fn provenance(&self, question: &Question) -> Provenance {
        Provenance {
            source: self.source.name.clone(),
            kind: question.key.kind,
            obtained: self.clock.now(),
            sequence: 0,
            login: None,
            source_digest: self.loaded.sha256(),
            is_login: false,
        }
    }

    fn request(&self, question: &Question) -> SourceRequest {
        SourceRequest {
            app: question.key.app.clone(),
            kind: question.key.kind,
            organization: question.organization.clone(),
            intent: question.intent,
            now: self.clock.now(),
            lifetime: LIFETIME,
        }
    }

    fn call(&self, question: &Question, terms: &Terms, revokes: bool) -> (Call, Trace) {
        let grants = &self.source.grants;
        let trace = Trace::default();
        let denials = Denials::default();
        let goes_wrong = |interface| terms.mishap.filter(|(which, _)| *which == interface).map(|(_, mishap)| mishap);
        let login = (grants.login && !terms.logged_out).then(|| Arc::clone(&self.login));
        let resolver = |interface| -> Arc<dyn Resolve> {
            if goes_wrong(interface) == Some(Mishap::Failed) || terms.slow.is_some() {
                Arc::new(Nowhere { slow: terms.slow, fails: goes_wrong(interface).is_some() })
            } else {
                Arc::new(SystemResolver)
            }
        };
        let files = granted_files::access(&grants.files);
        let awry = |interface| Awry { mishap: goes_wrong(interface), slow: terms.slow };
        let http = (!grants.http.is_empty()).then(|| {
            let granted = if goes_wrong(Interface::Http) == Some(Mishap::Denied) { Vec::new() } else { grants.http.clone() };
            let token = login.as_ref().map(|login| Arc::clone(&login.token));
            Arc::new(Client::new(granted, files.clone(), token, resolver(Interface::Http), denials.clone()))
        });
        let sockets = (!grants.sockets.is_empty()).then(|| {
            let granted = if goes_wrong(Interface::Sockets) == Some(Mishap::Denied) { Vec::new() } else { grants.sockets.clone() };
            Arc::new(Sockets::new(granted, resolver(Interface::Sockets), denials.clone()))
        });
        let records = grants.records.map(|_| {
            let record = self.records.record(&question.key, self.source.role);
            Arc::new(awry(Interface::Records).records(record)) as Arc<dyn RecordsAccess>
        });
        let command = (!grants.commands.is_empty()).then(|| {
            let programs = self.programs.of(question, login.as_ref(), LIFETIME, revokes, terms.programs);
            Arc::new(awry(Interface::Command).command(programs)) as Arc<dyn CommandAccess>
        });
        let files = files.map(|files| Arc::new(awry(Interface::Files).files(files)) as Arc<dyn FilesAccess>);
        let sequence = self.sequence.clone();
        let call = Call {
            source: self.source.name.clone(),
            settings: Arc::new(self.source.settings.clone()),
            provenance: Provenance { login: login.as_ref().map(|login| login.generation), ..self.provenance(question) },
            obtained: Arc::new(move || sequence.obtained()),
            login,
            records,
            command,
            files,
            http,
            sockets,
            env: Arc::clone(&self.env),
            denials,
            denied: Arc::new(|_| {}),
            reveal: grants.reveal && goes_wrong(Interface::Reveal).is_none(),
            timeout: terms.timeout.unwrap_or(self.source.timeout),
            memory: terms.memory.or(grants.memory).unwrap_or(DEFAULT_MEMORY),
            peak: Arc::default(),
            trace: Some(trace.clone()),
        };
        (call, trace)
    }
}

/// How long a newly made token should live.
const LIFETIME: Duration = Duration::from_hours(1);
