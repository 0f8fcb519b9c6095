//! Where a component stands while it is judged, and everything that it was seen to say.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::super::{Facts, ProgramsRun, Question, Terms, Trial};
use crate::{
    app::AppName,
    cache::Key,
    kind::Kind,
    owner::Intent,
    runtime::{Broke, BrokeKind, Inspected, Refused, Told, Traced},
};

/// A component that is judged.
pub struct Bench {
    pub(super) trial: Trial,
    pub(super) inspected: Inspected,
    /// An app that it is said to know.
    pub(super) known: Option<AppName>,
    /// How often one question is asked again and again.
    pub(super) calls: usize,
    said: Mutex<Said>,
    asked: OnceCell<Vec<Asked>>,
}

/// What it was seen to say.
#[derive(Default)]
pub(super) struct Said {
    /// Texts of refusals, and when they were said. The first of each list is the reason.
    pub(super) texts: Vec<(String, Vec<Told>)>,
    /// When a secret was found in its log.
    pub(super) logged: Vec<String>,
    /// When a secret was found in the name of a lease.
    pub(super) named: Vec<String>,
}

/// A question and what came of it.
pub(super) struct Asked {
    pub(super) question: Question,
    /// The answer, as the host has it.
    pub(super) answer: Result<Facts, Refused>,
    pub(super) traced: Traced,
}

impl Asked {
    /// What was asked, as people read it.
    pub(super) fn about(&self) -> String {
        about(&self.question)
    }

    /// What the source itself came to, whatever the host made of it.
    pub(super) fn own(&self) -> Result<&Facts, &Refused> {
        let own = self.traced.ended.as_ref();
        self.answer.as_ref().map_err(|refused| own.unwrap_or(refused))
    }

    /// What became of it instead of an answer.
    pub(super) fn broke(&self) -> Option<&Broke> {
        if let Err(Refused::Broke(broke)) = self.own() { Some(broke) } else { None }
    }

    /// The kind of answer, in a word.
    pub(super) fn kind(&self) -> &'static str {
        match self.own() {
            Ok(_) => "a lease",
            Err(Refused::Said(refusal)) => refusal.outcome().name(),
            Err(Refused::Broke(broke)) => match broke.kind {
                BrokeKind::Trapped => "a crash",
                BrokeKind::TimedOut => "a time-out",
                BrokeKind::OutOfMemory => "too little memory",
                BrokeKind::Limit(_) => "a limit",
                BrokeKind::Denied => "a denied call",
            },
        }
    }
}

impl Bench {
    /// For a component that loads.
    pub fn new(trial: Trial, inspected: Inspected, known: Option<AppName>, calls: usize) -> Self {
        Self { trial, inspected, known, calls, said: Mutex::default(), asked: OnceCell::new() }
    }

    /// The component's digest.
    pub fn sha256(&self) -> [u8; 32] {
        self.trial.loaded().sha256()
    }

    /// The app that most is asked about: the one that it knows, if there is one.
    pub(super) fn app(&self) -> AppName {
        self.known.clone().unwrap_or_else(|| named("my-app"))
    }

    /// A question about that app.
    pub(super) fn question(&self) -> Question {
        question(self.app(), Kind::Readonly)
    }

    /// Asks, and takes down what is said.
    pub(super) async fn ask(&self, question: &Question, terms: Terms) -> Asked {
        // Programs run for real for the known app alone, and once each: what a judge asks a thousand times is no reason to mint.
        let is_known = self.known.as_ref() == Some(&question.key.app);
        let programs = if is_known { ProgramsRun::Once } else { ProgramsRun::NotThere };
        let ended = self.trial.resolve(question, &Terms { programs, ..terms }).await;
        let about = about(question);
        self.listen(&about, &ended.traced);
        let answer = ended.answer.map(|lease| self.trial.facts(question, lease));
        if let Ok(facts) = &answer
            && facts.id.as_ref().is_some_and(|id| id.contains(STRUCK))
        {
            self.said().named.push(about);
        }
        Asked { question: question.clone(), answer, traced: ended.traced }
    }

    /// Takes down what was said in a call.
    pub(super) fn listen(&self, about: &str, traced: &Traced) {
        let mut said = self.said();
        if !traced.texts.is_empty() {
            said.texts.push((about.to_owned(), traced.texts.clone()));
        }
        if traced.log.iter().any(|line| line.contains(STRUCK)) {
            said.logged.push(about.to_owned());
        }
    }

    /// Everything that was said so far.
    pub(super) fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every kind, for the app that it knows and for one that nobody knows. Asked once; a time-out is the last.
    pub(super) async fn asked(&self) -> &[Asked] {
        let ask = || async {
            let mut asked = Vec::new();
            for app in [self.app(), named("nobody-knows-this-app")] {
                for kind in Kind::ALL {
                    let one = self.ask(&question(app.clone(), kind), Terms::default()).await;
                    let is_over = one.broke().is_some_and(|broke| broke.kind == BrokeKind::TimedOut);
                    asked.push(one);
                    if is_over {
                        return asked;
                    }
                }
            }
            asked
        };
        self.asked.get_or_init(ask).await
    }

    /// Whether everything that matters to most laws can be judged: a component that hangs or crashes would break each of them.
    pub(super) async fn is_sound(&self) -> bool {
        self.asked().await.iter().all(|asked| asked.broke().is_none())
    }
}

/// A question.
pub(super) fn question(app: AppName, kind: Kind) -> Question {
    Question { key: Key { app, kind }, organization: None, intent: Intent::Resolve }
}

/// An app of a law.
pub(super) fn named(app: &str) -> AppName {
    AppName::parse(app).expect("the apps of laws have names that hold")
}

/// What a question is about, as people read it.
pub(super) fn about(question: &Question) -> String {
    let renewal = if question.intent.is_renewal() { ", renewed" } else { "" };
    format!("{} for `{}`{renewal}", question.key.kind, question.key.app)
}

/// What a law says of a component that is judged elsewhere already.
pub(super) const UNSOUND: &str = "not judged: it did not even answer every question above";

/// What stands where a secret was.
const STRUCK: &str = "[token]";
