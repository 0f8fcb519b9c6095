//! `flytoken profile`: several accounts side by side.

use clap::{Args, Subcommand, ValueEnum};

use super::{Json, help};

/// `flytoken profile`.
#[derive(Debug, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Profile {
    /// What to do instead of listing them.
    #[command(subcommand)]
    pub action: Option<ProfileAction>,
    /// How they are listed.
    #[command(flatten)]
    pub list: Json,
}

/// What to do with profiles.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum ProfileAction {
    /// List the profiles there are, and which one is in force
    #[command(after_help = help::PROFILE_LIST)]
    List(Json),
    /// Print the name of the one in force, for a shell's prompt; nothing for the default one
    #[command(after_help = help::PROFILE_PROMPT)]
    Prompt(ProfilePrompt),
    /// Print shell lines that put one in force, for flytoken and for fly
    #[command(after_help = help::PROFILE_USE)]
    Use(ProfileUse),
}

/// `flytoken profile prompt`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct ProfilePrompt {
    /// What is printed, with %p for the name
    #[arg(long, value_name = "TEXT", default_value = "%p\n", hide_default_value = true)]
    pub format: String,
}

/// `flytoken profile use`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct ProfileUse {
    /// The profile: 1 to 32 of a-z, 0-9 and -; `default` for the one without a name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The shell that reads the lines
    #[arg(long, value_enum, default_value_t)]
    pub format: ProfileFormat,
}

/// A shell that reads lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProfileFormat {
    /// For bash, zsh and sh
    #[default]
    Bash,
    /// For fish
    Fish,
}
