//! `flytoken setup`, `uninstall`, `completions` and `man`: what makes flytoken at home on a machine, and what takes it away.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `flytoken setup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Setup {
    /// Ask nothing: what the other options do not say is as usual
    #[arg(long)]
    pub yes: bool,
    /// The login only mints, and is never handed out itself, not even narrowed
    #[arg(long)]
    pub strict: bool,
    /// Put every request on record
    #[arg(long)]
    pub audit: bool,
    /// Have the agent started by nobody
    #[arg(long)]
    pub no_agent: bool,
}

/// `flytoken uninstall`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Uninstall {
    /// Do it without asking
    #[arg(long)]
    pub yes: bool,
    /// Leave what was minted to end by itself
    #[arg(long)]
    pub no_revoke: bool,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON: steps with action, what, state, problem
    #[arg(long)]
    pub json: bool,
}

/// `flytoken completions`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `flytoken man`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Man {
    /// The folder they are written into; it is made if it is missing
    pub folder: PathBuf,
}

/// A shell that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}
