//! What hands out tokens: `flytoken get`, `exec` and `env`.

use std::{ffi::OsString, time::Duration};

use clap::{Args, ValueEnum};

use super::{duration, kinds};
use crate::{delivery::Actions, kind::Kind};

/// Which app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct App {
    /// The app [default: `-a`, then `FLY_APP`, then `app` in `./fly.toml`]
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// The app, as flyctl takes it
    #[arg(short = 'a', long = "app", value_name = "APP", conflicts_with = "app")]
    pub app_option: Option<String>,
}

/// How a token has to be when it is handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct Wish {
    /// Narrow it to these actions: letters of rwcdC (read, write, create, delete, control)
    #[arg(long, value_name = "LETTERS")]
    pub actions: Option<Actions>,
    /// Let it live no longer than this from now, such as 10m
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub max_lifetime: Option<Duration>,
    /// At least this much of its life must be left, else it is renewed first, such as 30m
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub valid_for: Option<Duration>,
}

/// `flytoken get`.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct Get {
    /// Which app.
    #[command(flatten)]
    pub app: App,
    /// What the token is for
    #[arg(long, value_parser = kinds(), default_value = "readonly")]
    pub kind: Kind,
    /// How the token has to be.
    #[command(flatten)]
    pub wish: Wish,
    /// Leave out the scheme `FlyV1`
    #[arg(long, conflicts_with = "header")]
    pub bare: bool,
    /// Print the whole header line: `Authorization: …`
    #[arg(long, conflicts_with = "json")]
    pub header: bool,
    /// Print JSON: app, kind, token, source, `expires_at`, `obtained_at`, fingerprint
    #[arg(long)]
    pub json: bool,
}

/// `flytoken exec`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Exec {
    /// Which app.
    #[command(flatten)]
    pub app: App,
    /// What the token is for
    #[arg(long, value_parser = kinds(), default_value = "readonly")]
    pub kind: Kind,
    /// How the token has to be.
    #[command(flatten)]
    pub wish: Wish,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `flytoken env`.
#[derive(Debug, PartialEq, Eq, Args)]
pub struct Env {
    /// Which app.
    #[command(flatten)]
    pub app: App,
    /// What the token is for
    #[arg(long, value_parser = kinds(), default_value = "readonly")]
    pub kind: Kind,
    /// How the token has to be.
    #[command(flatten)]
    pub wish: Wish,
    /// The form of the lines
    #[arg(long, value_enum, default_value_t)]
    pub format: EnvFormat,
}

/// The form of `flytoken env`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum EnvFormat {
    /// For bash, zsh and sh
    #[default]
    Bash,
    /// For fish
    Fish,
    /// For `.env` files
    Dotenv,
    /// One object
    Json,
}
