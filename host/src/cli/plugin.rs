//! `flytoken plugin`.

use std::path::PathBuf;

use clap::{
    Args, Subcommand,
    builder::{StringValueParser, TypedValueParser},
};

use super::{Json, help};
use crate::config::SourceName;

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
    /// Show what a component exports and imports, and which grants it needs
    #[command(after_help = help::PLUGIN_INSPECT)]
    Inspect(PluginInspect),
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

fn source_name() -> impl TypedValueParser<Value = SourceName> {
    StringValueParser::new().try_map(|text| SourceName::parse(&text))
}
