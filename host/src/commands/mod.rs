//! What each command does.

mod agent;
mod asking;
mod attenuate;
mod audit;
mod completions;
mod config;
mod config_file;
mod consent;
mod delivery;
mod demo;
mod docker;
mod doctor;
mod env;
mod exec;
mod explain;
mod front;
mod get;
mod handover;
mod in_process;
mod input;
mod inspect;
mod invalidate;
mod local;
mod man;
mod minted;
mod plugin;
mod policy;
mod profile;
mod quick;
mod quoted;
mod refresh;
mod revoke;
mod set;
mod setup;
mod status;
mod told;
mod top;
mod turn;
mod typed;
mod uninstall;
mod unset;

pub use front::ask;

use std::{ffi::OsString, path::Path, process::ExitCode, sync::Arc};

use self::{asking::StandIn, in_process::InProcess};
use crate::{
    app::AppName,
    app_from,
    cli::{App, Cli, Command, Global},
    docker::is_helper,
    output::{Moments, Output},
    paths::{Paths, System},
    policy as administrator,
    protocol::{Failure, FailureCode},
    system::{Clock, Environment},
};

/// Does what the arguments say, the program's name first, and tells how it went.
pub fn run(arguments: &[OsString], environment: Environment, clock: Arc<dyn Clock>) -> ExitCode {
    let program = arguments.first().cloned().unwrap_or_default();
    // Docker starts its helpers by their names.
    if is_helper(&program) {
        return docker::answer(arguments, environment, clock, |_| Box::new(InProcess::default()));
    }
    if let Some(shell) = completions::asking(arguments, &environment) {
        return completions::answer(shell, arguments, environment, clock);
    }
    let output = Output::of_this_process(&environment);
    let cli = match Cli::from_arguments(arguments) {
        Ok(cli) => cli,
        Err(error) => return refused(&error, arguments, output),
    };
    let (command, global) = (cli.command, cli.global);
    let (json, is_exec, is_refresh) = (command.json(), matches!(command, Command::Exec(_)), matches!(command, Command::Refresh(_)));
    let context = match Context::new(global, program, environment, clock, output, Box::new(InProcess::default())) {
        Ok(context) => context,
        Err(failure) => {
            output.report(&failure, json);
            return ExitCode::from(if is_exec { exec::FAILED } else { failure.code as u8 });
        }
    };
    let exit = context.end(dispatch(command, &context), json);
    // After the answer has gone out: what is still to be kept costs its reader no time.
    if is_refresh {
        // Whoever asks for a token reads until this process ends; whoever has one replaced reads nothing.
        context.stand_in.revoke_replaced();
    }
    context.stand_in.settle();
    exit
}

/// Why a command stopped.
struct Stopped {
    failure: Failure,
    /// An exit code that is not the failure's own.
    exit: Option<u8>,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self { failure, exit: None }
    }
}

/// What the process ends with if nothing failed: some commands say by it what they found.
fn dispatch(command: Command, context: &Context) -> Result<ExitCode, Stopped> {
    match command {
        Command::Get(get) => get::run(&get, context),
        Command::Exec(exec) => return Err(exec::run(&exec, context)),
        Command::Env(env) => env::run(&env, context),
        Command::Set(set) => set::run(&set, context),
        Command::Unset(unset) => unset::run(&unset, context),
        Command::Refresh(refresh) => refresh::run(&refresh, context),
        Command::Invalidate(invalidate) => invalidate::run(&invalidate, context),
        Command::Explain(explain) => explain::run(&explain, context),
        Command::Status(status) => status::run(&status, context),
        Command::Top => top::run(context),
        Command::Minted(minted) => minted::run(&minted, context),
        Command::Revoke(revoke) => revoke::run(&revoke, context),
        Command::Audit(audit) => return Ok(audit::run(&audit, context)?),
        Command::Doctor(doctor) => return Ok(doctor::run(&doctor, context)?),
        Command::Inspect(inspect) => return Ok(inspect::run(&inspect, context)?),
        Command::Attenuate(attenuate) => attenuate::run(&attenuate, context),
        Command::Agent(agent) => agent::run(agent, context),
        Command::Config(config) => config::run(&config, context),
        Command::Policy(policy) => return Ok(policy::run(&policy, context)?),
        Command::Plugin(plugin) => return Ok(plugin::run(&plugin, context)?),
        Command::Profile(profile) => profile::run(&profile, context),
        Command::Docker(docker) => docker::run(docker, context),
        Command::Setup(setup) => setup::run(setup, context),
        Command::Uninstall(uninstall) => return Ok(uninstall::run(uninstall, context)?),
        Command::Completions(completions) => completions::run(&completions, context),
        Command::Man(man) => man::run(&man, context),
        Command::Demo => return demo::run(context).map(|()| ExitCode::SUCCESS),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments that were not understood, or asked for help.
fn refused(error: &clap::Error, arguments: &[OsString], output: Output) -> ExitCode {
    if let Err(failure) = output.pass_on(error) {
        output.report(&failure, false);
        return ExitCode::from(failure.code as u8);
    }
    match error.use_stderr() {
        false => ExitCode::SUCCESS,
        true if exec::is_meant(arguments) => ExitCode::from(exec::FAILED),
        true => ExitCode::from(FailureCode::Usage as u8),
    }
}

/// What every command works with.
struct Context {
    global: Global,
    /// What this process was started as.
    program: OsString,
    environment: Environment,
    clock: Arc<dyn Clock>,
    paths: Paths,
    output: Output,
    /// What answers where no agent does.
    stand_in: Box<dyn StandIn>,
}

impl Context {
    fn new(
        global: Global,
        program: OsString,
        environment: Environment,
        clock: Arc<dyn Clock>,
        output: Output,
        stand_in: Box<dyn StandIn>,
    ) -> Result<Self, Failure> {
        let paths = Paths::new(&environment, global.profile.as_deref(), administrators(&environment))
            .map_err(|error| usage(error.to_string(), "name a profile by 1 to 32 of `a-z`, `0-9` and `-`: `--profile work`"))?;
        Ok(Self { global, program, environment, clock, paths, output, stand_in })
    }

    /// The same, for another thread to ask with.
    fn twin(&self) -> Result<Self, Failure> {
        let Self { global, program, environment, clock, output, .. } = self;
        Self::new(global.clone(), program.clone(), environment.clone(), Arc::clone(clock), *output, Box::new(InProcess::default()))
    }

    /// The app meant.
    fn app(&self, app: &App) -> Result<AppName, Failure> {
        let named = app.app.as_deref().or(app.app_option.as_deref());
        Ok(app_from::find(named, &self.environment, Path::new("."))?)
    }

    /// Tells how a command went, where that is a failure.
    fn end(&self, done: Result<ExitCode, Stopped>, json: bool) -> ExitCode {
        done.unwrap_or_else(|Stopped { failure, exit }| {
            let failure = self.typed().failure(failure);
            self.output.report(&failure, json);
            ExitCode::from(exit.unwrap_or(failure.code as u8))
        })
    }

    fn moments(&self) -> Moments {
        Moments::here(self.clock.now())
    }
}

fn failure(code: FailureCode, message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure { code, message: message.into(), hint: hint.into(), steps: Vec::new() }
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    failure(FailureCode::Usage, message, hint)
}

/// A defect: the other side answered a question that was not asked.
fn unexpected() -> Failure {
    failure(
        FailureCode::Internal,
        "the answer does not belong to the request",
        "stop the agent and start the one of this version: `flytoken agent`",
    )
}

/// A defect: the work on an answer ended without one.
fn unexpected_end() -> Failure {
    failure(
        FailureCode::Internal,
        "flytoken failed while it worked on the answer",
        "this is a defect of flytoken; try again, and tell its authors what `flytoken doctor --json` says",
    )
}

/// Where an administrator's files lie and the agent of the whole system listens, and who the administrator is. No user's environment may move it.
///
/// In a debug build, and only there and only where the real folder has no policy, `FLYTOKEN_TEST_SYSTEM` names another folder, whose owner
/// is this user: the behaviours in `tests/` have policies, and an agent of the whole system, of their own that way. A release build does not know the variable.
fn administrators(environment: &Environment) -> System {
    system(environment, cfg!(debug_assertions))
}

fn system(environment: &Environment, is_debug_build: bool) -> System {
    let real = System { folder: SYSTEM_FOLDER.into(), owner: ROOT, socket: SYSTEM_SOCKET.into() };
    let stand_in = environment.var("FLYTOKEN_TEST_SYSTEM").filter(|_| is_debug_build);
    match stand_in {
        Some(folder) if !real.folder.join(administrator::FILE).exists() => {
            let socket = Path::new(folder).join("run/agent.sock");
            System { folder: folder.into(), owner: rustix::process::getuid().as_raw(), socket }
        }
        _ => real,
    }
}

const SYSTEM_FOLDER: &str = "/etc/flytoken";

const SYSTEM_SOCKET: &str = "/run/flytoken/agent.sock";

const ROOT: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_environment_moves_what_is_the_administrators_in_a_release_build() {
        let names =
            ["FLYTOKEN_TEST_SYSTEM", "FLYTOKEN_CONFIG", "FLYTOKEN_SOCKET", "XDG_RUNTIME_DIR", "XDG_CONFIG_DIRS", "RUNTIME_DIRECTORY"];
        let environment: Environment = names.into_iter().map(|name| (name, "/tmp/theirs")).collect();
        let real = System { folder: "/etc/flytoken".into(), owner: 0, socket: "/run/flytoken/agent.sock".into() };
        assert_eq!(system(&environment, false), real);
        // What the behaviours go by, in debug builds alone.
        assert_eq!(system(&environment, true).folder, Path::new("/tmp/theirs"));
    }
}
