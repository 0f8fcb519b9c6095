//! The command line: what can be typed, and the help that teaches it.

mod agent;
mod audit;
mod docker;
mod help;
mod offline;
mod plugin;
mod policy;
mod profile;
mod setup;
mod tokens;

pub use self::{
    agent::{Agent, AgentAction, AgentInstall, AgentUninstall},
    audit::{Audit, AuditAction, AuditTail},
    docker::{Docker, DockerAction, DockerInstall, DockerUninstall},
    offline::{Attenuate, Inspect},
    plugin::{Asked, OnTrial, Plugin, PluginAction, PluginAdd, PluginCheck, PluginDev, PluginInspect, PluginNew, PluginRemove, PluginRun},
    policy::{ClientFact, Policy, PolicyAction, PolicyCheck, PolicyTest},
    profile::{Profile, ProfileAction, ProfileFormat, ProfilePrompt, ProfileUse},
    setup::{Completions, Man, Setup, Shell, Uninstall},
    tokens::{App, Env, EnvFormat, Exec, Get, Wish},
};
use std::{ffi::OsString, time::Duration};

use clap::{
    ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{config::DurationText, kind::Kind, token::Fingerprint};

/// Hands every tool the narrowest Fly.io API token it needs.
///
/// Tokens are resolved by the agent if one runs (`flytoken agent`), else by the command itself.
#[derive(Debug, PartialEq, Eq, Parser)]
#[command(name = "flytoken", bin_name = "flytoken", version, arg_required_else_help = true, max_term_width = 100, after_help = help::EXAMPLES, after_long_help = help::AFTER)]
pub struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What applies to every command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Whether to ask the agent
    #[arg(long, global = true, value_enum, default_value_t, hide_default_value = true)]
    pub agent: AgentUse,
    /// The account to work with: each profile has its own configuration, state, socket and Fly login
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Say more about what happens, on stderr; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// The form of the log on stderr
    #[arg(long, global = true, value_enum, default_value_t, hide_default_value = true, value_name = "FORM")]
    pub log: LogForm,
}

/// Whether to ask the agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AgentUse {
    /// Ask the agent if there is one, else resolve here (default)
    #[default]
    Auto,
    /// Ask the agent, and fail if there is none
    Require,
    /// Resolve here
    Never,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// For people (default)
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// What to do.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Print a token
    #[command(after_help = help::GET)]
    Get(Get),
    /// Run a command with a token in its environment
    #[command(after_help = help::EXEC)]
    Exec(Exec),
    /// Print shell lines that put a token into the environment
    #[command(after_help = help::ENV)]
    Env(Env),
    /// Keep a token by hand, for when no other source has one
    #[command(after_help = help::SET)]
    Set(Set),
    /// Forget the token kept by hand
    #[command(after_help = help::UNSET)]
    Unset(Unset),
    /// Obtain a newer token now
    #[command(after_help = help::REFRESH)]
    Refresh(Refresh),
    /// Never hand out a token again
    #[command(after_help = help::INVALIDATE)]
    Invalidate(Invalidate),
    /// Show how the last token was found, step by step
    #[command(after_help = help::EXPLAIN)]
    Explain(Explain),
    /// Show how the agent, the login, the sources and the tokens are
    #[command(after_help = help::STATUS)]
    Status(Status),
    /// Watch the agent at work, on a screen of its own
    #[command(after_help = help::TOP)]
    Top,
    /// Show every token that was minted, and the budget of mints
    #[command(after_help = help::MINTED)]
    Minted(Minted),
    /// End a token at Fly that was minted here
    #[command(after_help = help::REVOKE)]
    Revoke(Revoke),
    /// Show what is on record of requests, and whether it is whole
    #[command(after_help = help::AUDIT)]
    Audit(Audit),
    /// Say what is wrong, and the command that mends it
    #[command(after_help = help::DOCTOR)]
    Doctor(Doctor),
    /// Show what a token says about itself, and whether it can be used
    #[command(after_help = help::INSPECT)]
    Inspect(Inspect),
    /// Narrow a token, offline
    #[command(after_help = help::ATTENUATE)]
    Attenuate(Attenuate),
    /// Run the agent in the foreground, or have it started whenever somebody asks
    #[command(after_help = help::AGENT)]
    Agent(Agent),
    /// Show or check the configuration
    #[command(after_help = help::CONFIG)]
    Config(Config),
    /// Show, check or try the administrator's policy
    #[command(after_help = help::POLICY)]
    Policy(Policy),
    /// Look at, add and remove sources of your own
    #[command(after_help = help::PLUGIN)]
    Plugin(Plugin),
    /// List accounts side by side, and put one in force
    #[command(after_help = help::PROFILE)]
    Profile(Profile),
    /// Have Docker, Podman and skopeo log in to registry.fly.io with a fresh token each time
    #[command(after_help = help::DOCKER)]
    Docker(Docker),
    /// Look at what is there, write a configuration, and have the agent started; three questions at most
    #[command(after_help = help::SETUP)]
    Setup(Setup),
    /// Remove everything that flytoken keeps on this machine, and end what it minted
    #[command(after_help = help::UNINSTALL)]
    Uninstall(Uninstall),
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions(Completions),
    /// Write a manual page for each command
    #[command(after_help = help::MAN)]
    Man(Man),
    /// Show the whole chain at work in a throwaway home, with no account and no flyctl
    #[command(after_help = help::DEMO)]
    Demo,
}

/// `flytoken set`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Set {
    /// Which app.
    #[command(flatten)]
    pub app: App,
    /// Print JSON: app, fingerprint, `expires_at`, `asked_before`
    #[arg(long)]
    pub json: bool,
    /// Keep it although it cannot be used, as far as can be told here
    #[arg(long)]
    pub force: bool,
    /// Catches a token given as an argument, to say why that is not taken.
    #[arg(hide = true, value_name = "TOKEN")]
    pub refused: Vec<OsString>,
}

/// `flytoken unset`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Unset {
    /// Which app.
    #[command(flatten)]
    pub app: App,
    /// Print JSON: app, existed
    #[arg(long)]
    pub json: bool,
}

/// `flytoken refresh`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Refresh {
    /// Which app.
    #[command(flatten)]
    pub app: App,
    /// One kind [default: all in use]
    #[arg(long, value_parser = kinds())]
    pub kind: Option<Kind>,
    /// Print JSON: app, and leases with kind, source, `expires_at`, `obtained_at`, fingerprint
    #[arg(long)]
    pub json: bool,
}

/// `flytoken invalidate`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Invalidate {
    /// Which app.
    #[command(flatten)]
    pub app: App,
    /// One kind [default: all]
    #[arg(long, value_parser = kinds())]
    pub kind: Option<Kind>,
    /// Only the token with this fingerprint; a newer one stays
    #[arg(long, value_name = "HEX")]
    pub fingerprint: Option<Fingerprint>,
    /// Only the token on stdin; a newer one stays
    #[arg(long, conflicts_with = "fingerprint")]
    pub token_stdin: bool,
    /// Print JSON: app, fingerprints
    #[arg(long)]
    pub json: bool,
}

/// `flytoken explain`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Explain {
    /// Which app.
    #[command(flatten)]
    pub app: App,
    /// What the token is for
    #[arg(long, value_parser = kinds(), default_value = "readonly")]
    pub kind: Kind,
    /// Resolve now and show that, rather than the last resolution
    #[arg(long)]
    pub resolve: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `flytoken status`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Status {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `flytoken minted`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Minted {
    /// Print JSON: mints with name, app, kind, source, `minted_at`, `expires_at`, cached, `revoked_at`, `revoke_error`; charged, budget
    #[arg(long)]
    pub json: bool,
}

/// `flytoken revoke`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Revoke {
    /// The name of the token, as `flytoken minted` lists it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Print JSON: name, app, kind, outcome, `revoked_at`, `ended_at`
    #[arg(long)]
    pub json: bool,
}

/// `flytoken doctor`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Doctor {
    /// Print JSON: checks with name, state, text, command
    #[arg(long)]
    pub json: bool,
}

/// `flytoken config`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Config {
    /// What to do with it.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What to do with the configuration.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum ConfigAction {
    /// Print the path of your configuration file, existing or not
    #[command(after_help = help::CONFIG_PATH)]
    Path(Json),
    /// Print what is in force, and where each value comes from
    #[command(after_help = help::CONFIG_SHOW)]
    Show(Json),
    /// Say what is wrong with the files, with file, line and column
    #[command(after_help = help::CONFIG_CHECK)]
    Check(Json),
}

/// Whether to print for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Json {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Cli {
    /// Parses the arguments, the program's name first.
    ///
    /// # Errors
    /// What clap has to say, which may also be help or the version that was asked for.
    pub fn from_arguments(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

impl Command {
    /// Whether the caller wants JSON on stdout, so that a failure is JSON there as well.
    pub fn json(&self) -> bool {
        match self {
            Self::Get(Get { json, .. })
            | Self::Set(Set { json, .. })
            | Self::Unset(Unset { json, .. })
            | Self::Refresh(Refresh { json, .. })
            | Self::Invalidate(Invalidate { json, .. })
            | Self::Explain(Explain { json, .. })
            | Self::Status(Status { json })
            | Self::Minted(Minted { json })
            | Self::Revoke(Revoke { json, .. })
            | Self::Uninstall(Uninstall { json, .. })
            | Self::Audit(
                Audit { action: Some(AuditAction::Verify(Json { json }) | AuditAction::Tail(AuditTail { json, .. })), .. }
                | Audit { action: None, tail: AuditTail { json, .. } },
            )
            | Self::Doctor(Doctor { json })
            | Self::Inspect(Inspect { json, .. })
            | Self::Policy(Policy {
                action:
                    PolicyAction::Check(PolicyCheck { json, .. })
                    | PolicyAction::Show(Json { json })
                    | PolicyAction::Test(PolicyTest { json, .. }),
            })
            | Self::Plugin(Plugin {
                action:
                    PluginAction::Inspect(PluginInspect { json, .. })
                    | PluginAction::Run(PluginRun { json, .. })
                    | PluginAction::Check(PluginCheck { json, .. })
                    | PluginAction::List(Json { json })
                    | PluginAction::Compile(Json { json }),
            })
            | Self::Agent(Agent {
                action: Some(AgentAction::Install(AgentInstall { json, .. }) | AgentAction::Uninstall(AgentUninstall { json, .. })),
                ..
            })
            | Self::Profile(
                Profile { action: Some(ProfileAction::List(Json { json })), .. } | Profile { action: None, list: Json { json } },
            )
            | Self::Docker(Docker {
                action: DockerAction::Install(DockerInstall { json, .. }) | DockerAction::Uninstall(DockerUninstall { json, .. }),
            })
            | Self::Config(Config {
                action: ConfigAction::Path(Json { json }) | ConfigAction::Show(Json { json }) | ConfigAction::Check(Json { json }),
            }) => *json,
            Self::Env(Env { format, .. }) => *format == EnvFormat::Json,
            Self::Plugin(Plugin {
                action:
                    PluginAction::New(_)
                    | PluginAction::Dev(_)
                    | PluginAction::Add(_)
                    | PluginAction::Enable(_)
                    | PluginAction::Disable(_)
                    | PluginAction::Remove(_),
            })
            | Self::Profile(Profile { action: Some(ProfileAction::Prompt(_) | ProfileAction::Use(_)), .. })
            | Self::Exec(_)
            | Self::Setup(_)
            | Self::Attenuate(_)
            | Self::Agent(Agent { action: None, .. })
            | Self::Top
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Demo => false,
        }
    }
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)).try_map(|text| text.parse::<Kind>())
}

fn duration(text: &str) -> Result<Duration, String> {
    DurationText::parse(text).map(|text| text.0).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Cli::from_arguments(&arguments)
    }

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_by_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("flytoken {}", command.get_name())), "{}", command.get_name());
        }
    }

    #[test]
    fn what_belongs_behind_the_dashes_stays_there() {
        let Command::Exec(exec) = parse("flytoken exec web --kind deploy -- fly deploy --kind x").unwrap().command else { panic!() };
        assert_eq!((exec.app.app.as_deref(), exec.kind), (Some("web"), Kind::Deploy));
        assert_eq!(exec.command, ["fly", "deploy", "--kind", "x"]);
        assert!(parse("flytoken exec web fly deploy").is_err());
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        for line in [
            "flytoken get web -a web",
            "flytoken get --bare --header",
            "flytoken get --json --header",
            "flytoken get --kind nope",
            "flytoken get --valid-for soon",
            "flytoken invalidate web --fingerprint 0123456789abcdef --token-stdin",
            "flytoken attenuate",
            "flytoken attenuate --location https://auth.fly.io",
            "flytoken attenuate --caveats c.json --actions r",
            "flytoken attenuate --actions x",
            "flytoken attenuate --actions r --if-present",
            "flytoken attenuate --app-id 0",
            "flytoken nope",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
