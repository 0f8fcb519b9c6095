//! Running granted commands from the agent: at most 4 at once, equal ones once.

use std::{path::PathBuf, sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    confined,
    environment::{self, Passed},
    frame::{Answer, Bytes, Limits, Request},
    grant::CommandGrant,
    outcome::{Failure, Output},
    pool::{Pool, Supervisor},
    program::Places,
    scratch::{self, Scratch},
    shared::{Flights, Key},
    token_id::TokenId,
    values::{Lasting, Values},
};
use crate::{app::AppName, system::Environment, token::ApiToken};

/// Runs granted commands. Cheap to clone; all clones share one bound and one set of supervisors.
#[derive(Debug, Clone)]
pub struct Commands {
    surroundings: Arc<Surroundings>,
    pool: Arc<Pool>,
    permits: Arc<Semaphore>,
    flights: Flights,
}

#[derive(Debug)]
struct Surroundings {
    places: Places,
    passed: Passed,
    /// Private folders of runs are made in here.
    scratch: PathBuf,
    also_writable: Option<PathBuf>,
}

/// The right to run commands, one at a time. Taken before a source is instantiated, so that no sandbox waits for one.
#[derive(Debug, Clone)]
pub struct Permit(#[expect(dead_code, reason = "gives the permit back when the last clone is dropped")] Arc<OwnedSemaphorePermit>);

/// One run of a granted command.
#[derive(Debug)]
pub struct Invocation {
    /// What runs.
    pub grant: CommandGrant,
    /// The app it runs for.
    pub app: AppName,
    /// The slug of the app's organisation, if one is configured.
    pub organization: Option<String>,
    /// How long a minted token should live, as the program reads it: `24h0m0s`.
    pub expiry: String,
    /// A name that no other run has.
    pub unique: String,
    /// What Fly calls the token that it is about, if it is about one.
    pub id: Option<TokenId>,
    /// The login, for variables that take it.
    pub login: Option<Arc<ApiToken>>,
    /// What has to be done before it starts, in this very run and not in one that is joined; if it fails, nothing starts.
    pub before: Option<Before>,
    /// After this long the program is ended. To be heard of its time-out a source needs more time than this.
    pub timeout: Duration,
}

/// Something that has to be done before a program starts; it may block. The text says why it could not be done.
pub struct Before(pub Box<dyn FnOnce() -> Result<(), String> + Send>);

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Before(…)")
    }
}

impl Commands {
    /// `supervisor` is the program to start with [`SUPERVISE`](super::SUPERVISE) as its argument, in doubt
    /// [`this_program`](super::supervisor::this_program); `scratch` an existing folder to make
    /// private ones in, in doubt [`scratch_place`](super::scratch_place); `environment` the
    /// agent's own, for `PATH`, `HOME` and what is passed on.
    pub fn new(supervisor: PathBuf, scratch: PathBuf, environment: &Environment) -> Self {
        let also_writable = confined::also_writable(environment);
        let surroundings = Surroundings { places: Places::from(environment), passed: Passed::from(environment), scratch, also_writable };
        Self {
            surroundings: Arc::new(surroundings),
            pool: Pool::new(supervisor),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            flights: Flights::default(),
        }
    }

    /// `before`, and which files stand where these programs are found: another value means that a program is new, gone or changed.
    pub fn mark(&self, grants: &[CommandGrant], before: [u8; 32]) -> [u8; 32] {
        let mut programs: Vec<&str> = grants.iter().map(|grant| grant.program.as_str()).collect();
        programs.dedup();
        let marked = programs.iter().fold(Sha256::new_with_prefix(before), |hash, program| {
            hash.chain_update(self.surroundings.places.mark(program).unwrap_or([0; 40]))
        });
        marked.finalize().into()
    }

    /// How many supervisor processes there are, running something or warm.
    pub fn supervisors(&self) -> usize {
        self.pool.alive()
    }

    /// Whether a permit is out: something runs, or is about to.
    pub fn at_work(&self) -> bool {
        self.permits.available_permits() < AT_ONCE
    }

    /// Waits until fewer than 4 permits are out, first come, first served.
    #[expect(clippy::missing_panics_doc, reason = "nothing closes the semaphore")]
    pub async fn permit(&self) -> Permit {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed");
        Permit(Arc::new(permit))
    }

    /// Runs a command. Whatever it started is gone when this returns; dropping the future ends it at once.
    ///
    /// # Errors
    /// [`Failure`]; a program that runs and fails is an [`Output`] with its exit code.
    pub async fn run(&self, _permit: &Permit, mut invocation: Invocation) -> Result<Output, Failure> {
        let (timeout, before, unique) = (invocation.timeout, invocation.before.take(), invocation.unique.clone());
        let surroundings = Arc::clone(&self.surroundings);
        let pool = Arc::clone(&self.pool);
        // Files are looked at and a process may be started: neither is for a thread that serves others.
        let prepared = tokio::task::spawn_blocking(move || {
            let (scratch, request) = surroundings.prepare(invocation)?;
            let supervisor = pool.take().map_err(|error| Failure::Failed(format!("cannot start a supervisor: {error}")))?;
            // The last thing before the start: what cannot start costs no mint.
            if let Some(Err(why)) = before.map(|Before(work)| work()) {
                pool.put_back(supervisor);
                return Err(Failure::Failed(why));
            }
            Ok((scratch, request, supervisor))
        });
        let (scratch, request, mut supervisor) = prepared.await.unwrap_or_else(|_| Err(Failure::Failed(BROKEN.to_owned())))?;
        if supervisor.send(request).await.is_err() {
            supervisor.kill();
            return Err(Failure::Failed(BROKEN.to_owned()));
        }
        self.finish(supervisor, scratch.hand_over(), timeout, unique).await
    }

    /// Runs a command, or waits for an equal one that is under way: same program, arguments and variables but for `{unique}` and
    /// `{dir}`, same `asker` (which has to name the source, its grants and the login). All get the same output or failure.
    ///
    /// Dropping the future does not end the run: what it obtains is kept for a minute for the next who asks.
    ///
    /// # Errors
    /// [`Failure`], also of the run that was joined.
    pub async fn run_shared(&self, permit: &Permit, asker: &str, invocation: Invocation) -> Result<Arc<Output>, Failure> {
        let Invocation { grant, app, organization, expiry, .. } = &invocation;
        let command =
            grant.shared_key(&Lasting { app, org: organization.as_deref(), expiry }).map_err(|error| Failure::Failed(error.to_string()))?;
        let key = Key { asker: asker.to_owned(), command };
        let (this, permit) = (self.clone(), permit.clone());
        self.flights.join(key, async move { this.run(&permit, invocation).await }).await
    }

    /// Ends the supervisors that wait and returns when they are gone, at most 3 s later. To be called before this process becomes
    /// another one, which would inherit them as its children.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn finish(&self, mut supervisor: Supervisor, dir: PathBuf, timeout: Duration, unique: String) -> Result<Output, Failure> {
        let answer = tokio::time::timeout(timeout.saturating_add(GRACE), supervisor.answer()).await;
        let result = match answer {
            Ok(Ok(Answer::Finished { code, stdout, stderr })) => Ok(Output { code, stdout: stdout.0, stderr: stderr.0, unique }),
            Ok(Ok(Answer::TimedOut)) => Err(Failure::TimedOut),
            Ok(Ok(Answer::TooMuchOutput)) => Err(Failure::TooMuchOutput),
            Ok(Ok(Answer::Failed(text))) => Err(Failure::Failed(text)),
            Ok(Err(_)) | Err(_) => {
                supervisor.kill();
                let _ = tokio::task::spawn_blocking(move || scratch::remove(&dir)).await;
                return Err(if answer.is_err() { Failure::TimedOut } else { Failure::Failed(BROKEN.to_owned()) });
            }
        };
        self.pool.put_back(supervisor);
        result
    }
}

impl Surroundings {
    fn prepare(&self, invocation: Invocation) -> Result<(Scratch, Request), Failure> {
        let Invocation { grant, app, organization, expiry, unique, id, login, timeout, before: _ } = invocation;
        let program = self.places.find(&grant.program)?;
        let scratch = Scratch::create(&self.scratch).map_err(|error| {
            let parent = crate::trust::shown(&self.scratch);
            Failure::Failed(format!("cannot make a private folder for the program in {parent}: {error}"))
        })?;
        let values =
            Values { app: &app, org: organization.as_deref(), expiry: &expiry, unique: &unique, dir: scratch.path(), id: id.as_ref() };
        let args = grant.fill(&values).map_err(|error| Failure::Failed(error.to_string()))?;
        let env = environment::build(&self.passed, &grant, &values, login.as_deref())?;
        let request = Request {
            program: program.file.into_os_string().into(),
            name: program.found.into_os_string().into(),
            args: args.into_iter().map(Bytes::from).collect(),
            env: env.into_iter().map(|(name, value)| (name.into(), Bytes(value))).collect(),
            dir: scratch.path().as_os_str().to_owned().into(),
            writes: self.also_writable.iter().map(|folder| folder.clone().into_os_string().into()).collect(),
            limits: Limits {
                run_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).min(LONGEST_RUN_MS),
                linger_ms: LINGER_MS,
                stdout: MOST_STDOUT,
                stderr: MOST_STDERR,
            },
        };
        Ok((scratch, request))
    }
}

/// How many commands run at once in one agent: each is a process of many megabytes, and mints are not needed by the dozen.
pub(super) const AT_ONCE: usize = 4;

/// What a source gets to read at most. A token is below 16 KiB; the rest is room for noise.
const MOST_STDOUT: usize = 1 << 20;
const MOST_STDERR: usize = 1 << 16;

/// A grandchild that holds the output open delays the answer by this at most.
const LINGER_MS: u64 = 200;

/// No command takes a day; what comes to more is a mistake that must not overflow a clock.
const LONGEST_RUN_MS: u64 = 24 * 60 * 60 * 1000;

/// What a supervisor gets on top of the program's time to end everything and to answer.
const GRACE: Duration = Duration::from_secs(3);

const BROKEN: &str = "the process that watches the program broke off";
