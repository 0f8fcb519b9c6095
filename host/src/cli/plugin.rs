//! `flytoken plugin`.

use std::path::PathBuf;

use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, StringValueParser, TypedValueParser},
    value_parser,
};

use super::{Json, help, kinds};
use crate::{
    app::AppName,
    config::{DurationText, Role, SizeText, SourceName},
    kind::Kind,
    scaffold::{Language, Need},
};

/// `flytoken plugin`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Plugin {
    /// What to do.
    #[command(subcommand)]
    pub action: PluginAction,
}

/// What to do with sources of one's own.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum PluginAction {
    /// Write a project for a source of your own, in Rust, Python or JavaScript
    #[command(after_help = help::PLUGIN_NEW)]
    New(PluginNew),
    /// Show what a component exports and imports, and which grants it needs
    #[command(after_help = help::PLUGIN_INSPECT)]
    Inspect(PluginInspect),
    /// Ask a component for one token, outside any agent, and show everything that it does
    #[command(after_help = help::PLUGIN_RUN)]
    Run(PluginRun),
    /// Build a project and ask its component, and again whenever one of its files changes
    #[command(after_help = help::PLUGIN_DEV)]
    Dev(PluginDev),
    /// Judge a component by the laws that every source has to keep to before it is trusted
    #[command(after_help = help::PLUGIN_CHECK)]
    Check(PluginCheck),
    /// Keep a component under its digest, and write the configuration that pins it
    #[command(after_help = help::PLUGIN_ADD)]
    Add(PluginAdd),
    /// Show every source: its component, its pin and how it is
    #[command(after_help = help::PLUGIN_LIST)]
    List(Json),
    /// Have every component compiled that the configuration names, so that the next start is quick
    #[command(after_help = help::PLUGIN_COMPILE)]
    Compile(Json),
    /// Put a source that was disabled back to work
    #[command(after_help = help::PLUGIN_ENABLE)]
    Enable(PluginSwitch),
    /// Have every chain pass a source over, at once, and keep its configuration
    #[command(after_help = help::PLUGIN_DISABLE)]
    Disable(PluginSwitch),
    /// Remove a source that was added, and its component
    #[command(after_help = help::PLUGIN_REMOVE)]
    Remove(PluginRemove),
}

/// `flytoken plugin new`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PluginNew {
    /// What to call the source, and the project
    #[arg(value_name = "NAME", value_parser = source_name())]
    pub name: SourceName,
    /// The language to write it in
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub lang: Language,
    /// What it needs of the host, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NEEDS")]
    pub needs: Vec<Need>,
    /// The folder to make [default: ./NAME]
    #[arg(long, value_name = "PATH")]
    pub dir: Option<PathBuf>,
}

/// `flytoken plugin inspect`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PluginInspect {
    /// The component's file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print JSON: sha256, bytes, version, keeper, revoker, exports, imports, grants
    #[arg(long)]
    pub json: bool,
}

/// What a component on trial may do, and what it reads.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct OnTrial {
    /// An entry of `grants` as in a configuration file, such as `login` or `records: cache`; may be repeated
    #[arg(long, value_name = "GRANT")]
    pub grant: Vec<String>,
    /// Let it have both a way to read secrets and a way out
    #[arg(long)]
    pub may_leak: bool,
    /// One of its settings; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub setting: Vec<(String, String)>,
    /// Its part in a chain [default: memory if it remembers, else live]
    #[arg(long, value_name = "ROLE", value_parser = roles())]
    pub role: Option<Role>,
    /// How long a call may take [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = DurationText::parse)]
    pub timeout: Option<DurationText>,
    /// How much memory a call may take [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = SizeText::parse)]
    pub memory: Option<SizeText>,
}

/// `flytoken plugin run`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PluginRun {
    /// The component's file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What it may do.
    #[command(flatten)]
    pub on_trial: OnTrial,
    /// What it is asked.
    #[command(flatten)]
    pub asked: Asked,
    /// Show the token, on a terminal
    #[arg(long, conflicts_with = "json")]
    pub reveal: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What a component on trial is asked.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Asked {
    /// The app
    #[arg(short, long, value_name = "APP", value_parser = app())]
    pub app: AppName,
    /// What the token is for
    #[arg(long, value_parser = kinds(), default_value = "readonly")]
    pub kind: Kind,
    /// The slug of the app's organisation
    #[arg(long, value_name = "SLUG")]
    pub organization: Option<String>,
    /// Ask as for a renewal
    #[arg(long)]
    pub renew: bool,
    /// Be logged out: without it the login is a made-up one
    #[arg(long)]
    pub logged_out: bool,
}

/// `flytoken plugin dev`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PluginDev {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub folder: PathBuf,
    /// What its component may do.
    #[command(flatten)]
    pub on_trial: OnTrial,
    /// What it is asked.
    #[command(flatten)]
    pub asked: Asked,
    /// Build and ask once, and end as `plugin run` does
    #[arg(long)]
    pub once: bool,
}

/// `flytoken plugin check`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PluginCheck {
    /// The component's file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What is judged.
    #[command(flatten)]
    pub on_trial: OnTrial,
    /// An app that it knows: it has to have a lease for it then, and granted commands run for it
    #[arg(short, long, value_name = "APP", value_parser = app())]
    pub app: Option<AppName>,
    /// How often one question is asked again and again
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = value_parser!(u16).range(1..))]
    pub calls: u16,
    /// Print JSON: passes, laws with name, demands, state, text, remedy
    #[arg(long)]
    pub json: bool,
}

/// `flytoken plugin add`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PluginAdd {
    /// The component's file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to call the source [default: the file's name without its ending]
    #[arg(long, value_name = "NAME", value_parser = source_name())]
    pub name: Option<SourceName>,
    /// Agree to what is shown without being asked; not to an update that imports more than before
    #[arg(short, long)]
    pub yes: bool,
    /// Agree to all of it, to an update's further imports as well
    #[arg(long)]
    pub yes_to_imports: bool,
}

/// `flytoken plugin enable` and `flytoken plugin disable`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PluginSwitch {
    /// The source
    #[arg(value_name = "NAME", value_parser = source_name())]
    pub name: SourceName,
}

/// `flytoken plugin remove`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct PluginRemove {
    /// The source
    #[arg(value_name = "NAME", value_parser = source_name())]
    pub name: SourceName,
    /// Remove it without being asked
    #[arg(short, long)]
    pub yes: bool,
}

fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("a setting is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn app() -> impl TypedValueParser<Value = AppName> {
    StringValueParser::new().try_map(|text| AppName::parse(&text))
}

fn roles() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(["live", "memory", "manual"]).map(|text| match text.as_str() {
        "memory" => Role::Memory,
        "manual" => Role::Manual,
        _ => Role::Live,
    })
}

fn source_name() -> impl TypedValueParser<Value = SourceName> {
    StringValueParser::new().try_map(|text| SourceName::parse(&text))
}
