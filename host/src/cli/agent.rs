//! `flytoken agent`: run it, or have a service manager do so.

use clap::{Args, Subcommand};

use super::help;

/// `flytoken agent`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Agent {
    /// Serve every user of this machine whom the administrator's policy admits; for a unit of systemd
    #[arg(long, conflicts_with = "profile")]
    pub system: bool,
    /// What to do instead of running it.
    #[command(subcommand)]
    pub action: Option<AgentAction>,
}

/// What to do with the agent instead of running it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum AgentAction {
    /// Have systemd or launchd start the agent, from now on and after each login
    #[command(after_help = help::AGENT_INSTALL)]
    Install(AgentInstall),
    /// Undo what `install` did, and stop the agent
    #[command(after_help = help::AGENT_UNINSTALL)]
    Uninstall(AgentUninstall),
}

/// `flytoken agent install`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct AgentInstall {
    /// Only show what would be written and run
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON: files with path, state, text; commands with command, state
    #[arg(long)]
    pub json: bool,
}

/// `flytoken agent uninstall`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct AgentUninstall {
    /// Only show what would be removed and run
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON: files with path, state; commands with command, state
    #[arg(long)]
    pub json: bool,
}
