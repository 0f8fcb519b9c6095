//! `flytoken docker`: being the credential helper of Docker and whatever else reads its configuration.

use clap::{Args, Subcommand};

use super::help;

/// `flytoken docker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Docker {
    /// What to do.
    #[command(subcommand)]
    pub action: DockerAction,
}

/// What to do for Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum DockerAction {
    /// Have registry.fly.io asked for with tokens of flytoken's
    #[command(after_help = help::DOCKER_INSTALL)]
    Install(DockerInstall),
    /// Undo what `install` did
    #[command(after_help = help::DOCKER_UNINSTALL)]
    Uninstall(DockerUninstall),
}

/// `flytoken docker install`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct DockerInstall {
    /// Take the place of another helper
    #[arg(long)]
    pub force: bool,
    /// Only show what would be written
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON: files with path, state
    #[arg(long)]
    pub json: bool,
}

/// `flytoken docker uninstall`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct DockerUninstall {
    /// Only show what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON: files with path, state
    #[arg(long)]
    pub json: bool,
}
