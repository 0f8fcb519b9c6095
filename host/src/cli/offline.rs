//! `flytoken inspect` and `attenuate`: what is done with a token without asking anybody.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, value_parser};

use super::duration;
use crate::{delivery::Actions, token::PERMISSION_LOCATION};

/// `flytoken inspect`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Inspect {
    /// Print JSON: tokens, problems
    #[arg(long)]
    pub json: bool,
    /// Catches a token given as an argument, to say why that is not taken.
    #[arg(hide = true, value_name = "TOKEN")]
    pub refused: Vec<OsString>,
}

/// `flytoken attenuate`.
#[derive(Debug, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("limits").args(["caveats", "actions", "max_lifetime", "organization_id", "app_id"]).required(true).multiple(true))]
pub struct Attenuate {
    /// A file with caveats in Fly's JSON form, such as `[{"type":"Action","body":"r"}]`; `[]` for none
    #[arg(long, value_name = "FILE", conflicts_with_all = ["actions", "max_lifetime", "organization_id", "app_id", "if_present"])]
    pub caveats: Option<PathBuf>,
    /// Only these actions: r (read), w (write), c (create), d (delete), C (control)
    #[arg(long, value_name = "ACTIONS")]
    pub actions: Option<Actions>,
    /// Only for so long from now, such as 10m
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub max_lifetime: Option<Duration>,
    /// Only this organisation, by its internal number
    #[arg(long, value_parser = value_parser!(u64).range(1..), value_name = "NUMBER")]
    pub organization_id: Option<u64>,
    /// Only this app, by its internal number; may be repeated
    #[arg(long, value_parser = value_parser!(u64).range(1..), value_name = "NUMBER", value_delimiter = ',')]
    pub app_id: Vec<u64>,
    /// Where no app is named, leave these actions allowed [if given without a value: r]
    #[arg(long, value_name = "ACTIONS", num_args = 0..=1, default_missing_value = "r", requires = "app_id")]
    pub if_present: Option<Actions>,
    /// Narrow the macaroons of this location; the others stay as they are
    #[arg(long, value_name = "URL", default_value = PERMISSION_LOCATION)]
    pub location: String,
    /// Catches a token given as an argument, to say why that is not taken.
    #[arg(hide = true, value_name = "TOKEN")]
    pub refused: Vec<OsString>,
}
