//! `flytoken audit`.

use clap::{Args, Subcommand};

use super::{Json, help};
use crate::app::AppName;

/// `flytoken audit`.
#[derive(Debug, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    /// What to do; without a word, `tail`.
    #[command(subcommand)]
    pub action: Option<AuditAction>,
    /// What to show without a word.
    #[command(flatten)]
    pub tail: AuditTail,
}

/// What to do with the audit.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum AuditAction {
    /// Go through every line: say which were changed, removed, put elsewhere or cut off
    #[command(after_help = help::AUDIT_VERIFY)]
    Verify(Json),
    /// Show the last lines
    #[command(after_help = help::AUDIT_TAIL)]
    Tail(AuditTail),
}

/// `flytoken audit tail`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct AuditTail {
    /// How many lines
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 20)]
    pub lines: usize,
    /// Those about one app alone
    #[arg(long, value_name = "APP", value_parser = AppName::parse)]
    pub app: Option<AppName>,
    /// Print the lines as they are in the file, one JSON object each
    #[arg(long)]
    pub json: bool,
}
