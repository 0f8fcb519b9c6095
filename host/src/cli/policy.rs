//! `flytoken policy`.

use std::path::PathBuf;

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::{App, Json, help, kinds};
use crate::{kind::Kind, policy::Verb};

/// `flytoken policy`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Policy {
    /// What to do with it.
    #[command(subcommand)]
    pub action: PolicyAction,
}

/// What to do with the policy.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum PolicyAction {
    /// Say what is wrong with a policy, with line and column, and what of it this machine cannot enforce
    #[command(after_help = help::POLICY_CHECK)]
    Check(PolicyCheck),
    /// Print the policy in force, and what each of its rules cuts away of your configuration
    #[command(after_help = help::POLICY_SHOW)]
    Show(Json),
    /// Say which rule would decide about a request; nobody is asked
    #[command(after_help = help::POLICY_TEST)]
    Test(PolicyTest),
}

/// `flytoken policy check`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PolicyCheck {
    /// The file [default: the policy in force]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print JSON: file, errors
    #[arg(long)]
    pub json: bool,
}

/// `flytoken policy test`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PolicyTest {
    /// Which app.
    #[command(flatten)]
    pub app: App,
    /// What the token is for
    #[arg(long, value_parser = kinds(), default_value = "readonly")]
    pub kind: Kind,
    /// What is asked
    #[arg(long, value_parser = verbs(), default_value = "get", value_name = "REQUEST")]
    pub request: Verb,
    /// Who asks: KEY=VALUE pairs of user, group, executable, unit and cgroup, with commas between them
    /// [default: whoever runs this command]
    #[arg(long, value_name = "FACTS", value_delimiter = ',')]
    pub client: Vec<ClientFact>,
    /// Try this file rather than the policy in force
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print JSON: decision, rule, client, actions, `max_lifetime`
    #[arg(long)]
    pub json: bool,
}

/// One fact of a client, as `--client` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFact {
    /// Its user, by name or number.
    User(String),
    /// Its group, by name or number.
    Group(String),
    /// The program that it runs, as the file is now.
    Executable(PathBuf),
    /// Its systemd unit.
    Unit(String),
    /// Its control group.
    Cgroup(String),
}

impl std::str::FromStr for ClientFact {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write user=NAME, group=NAME, executable=PATH, unit=NAME or cgroup=PATH";
        let (key, value) = text.split_once('=').filter(|(_, value)| !value.is_empty()).ok_or(wrong)?;
        match key {
            "user" => Ok(Self::User(value.into())),
            "group" => Ok(Self::Group(value.into())),
            "executable" => Ok(Self::Executable(value.into())),
            "unit" => Ok(Self::Unit(value.into())),
            "cgroup" => Ok(Self::Cgroup(value.into())),
            _ => Err(wrong),
        }
    }
}

fn verbs() -> impl TypedValueParser<Value = Verb> {
    PossibleValuesParser::new(Verb::ALL.map(Verb::as_str))
        .try_map(|text| Verb::ALL.into_iter().find(|verb| verb.as_str() == text).ok_or("no such request"))
}
