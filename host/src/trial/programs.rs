//! Granted programs of a trial. They run for real, with the made-up login.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::OnceCell;

use super::Question;
use crate::{
    acquire::{Purpose, go_duration, unique_name},
    command::{self, CommandGrant, Commands, Failure, Invocation, Output, Permit, TokenId, granted, scratch_place, supervisor},
    config::SourceConfig,
    login::Login,
    runtime::{BoxFuture, CommandAccess},
    system::Environment,
    token::ApiToken,
};

/// What a trial starts programs with, once one is asked for.
pub(super) struct Programs {
    source: Arc<SourceConfig>,
    environment: Environment,
    started: OnceCell<Result<(Commands, Permit), Failure>>,
    /// What came of each that was run once.
    ran: Mutex<BTreeMap<String, Ran>>,
}

type Ran = Result<Arc<Output>, Failure>;

/// Whether granted programs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgramsRun {
    /// They do.
    #[default]
    Always,
    /// The same one for the same app and kind runs once; after that it is told again what came of it.
    Once,
    /// They are not installed.
    NotThere,
}

impl Programs {
    pub(super) fn new(source: Arc<SourceConfig>, environment: &Environment) -> Self {
        Self { source, environment: environment.clone(), started: OnceCell::new(), ran: Mutex::default() }
    }

    /// For one call.
    pub(super) fn of(
        self: &Arc<Self>,
        question: &Question,
        login: Option<&Arc<Login>>,
        lifetime: Duration,
        revokes: bool,
        runs: ProgramsRun,
    ) -> Arc<dyn CommandAccess> {
        let purpose = if revokes { Purpose::Revoke } else { Purpose::Obtain };
        let login = login.map(|login| Arc::clone(&login.token));
        Arc::new(Granted { programs: Arc::clone(self), question: question.clone(), login, lifetime, purpose, runs })
    }

    fn ran(&self) -> MutexGuard<'_, BTreeMap<String, Ran>> {
        self.ran.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn commands(&self) -> Result<&(Commands, Permit), Failure> {
        let start = || async {
            let program = supervisor::this_program().map_err(|error| Failure::Failed(error.to_string()))?;
            let commands = Commands::new(program, scratch_place(&self.environment), &self.environment);
            let permit = commands.permit().await;
            Ok((commands, permit))
        };
        self.started.get_or_init(start).await.as_ref().map_err(Clone::clone)
    }
}

/// The programs that one call may run.
struct Granted {
    programs: Arc<Programs>,
    question: Question,
    login: Option<Arc<ApiToken>>,
    lifetime: Duration,
    purpose: Purpose,
    runs: ProgramsRun,
}

impl Granted {
    async fn run(&self, program: &str, args: &[String], id: Option<TokenId>) -> Result<Arc<Output>, Failure> {
        let source = &self.programs.source;
        let grant = granted(&source.grants.commands, program, args)?.clone();
        self.purpose.allows(&grant, id.is_some())?;
        if self.runs == ProgramsRun::NotThere {
            return Err(Failure::NotFound(Vec::new()));
        }
        let name = format!("{} {} {program} {args:?} {}", self.question.key.app, self.question.key.kind, id.is_some());
        if self.runs == ProgramsRun::Once
            && let Some(ran) = self.programs.ran().get(&name)
        {
            return ran.clone();
        }
        let ran = self.run_now(grant, id).await;
        self.programs.ran().insert(name, ran.clone());
        ran
    }

    async fn run_now(&self, grant: CommandGrant, id: Option<TokenId>) -> Ran {
        let source = &self.programs.source;
        let (commands, permit) = self.programs.commands().await?;
        let invocation = Invocation {
            before: None,
            grant,
            app: self.question.key.app.clone(),
            organization: self.question.organization.clone(),
            expiry: go_duration(self.lifetime),
            unique: unique_name(&self.question.key),
            id,
            login: self.login.clone(),
            timeout: source.timeout * 9 / 10,
        };
        commands.run(permit, invocation).await.map(Arc::new)
    }
}

impl CommandAccess for Granted {
    fn run<'a>(&'a self, program: &'a str, args: &'a [String]) -> BoxFuture<'a, Result<Arc<command::Output>, Failure>> {
        Box::pin(self.run(program, args, None))
    }

    fn run_on<'a>(&'a self, program: &'a str, args: &'a [String], id: &'a str) -> BoxFuture<'a, Result<Arc<command::Output>, Failure>> {
        Box::pin(async move {
            let id = TokenId::parse(id).map_err(|error| Failure::Failed(error.to_string()))?;
            self.run(program, args, Some(id)).await
        })
    }
}
