//! A throwaway home with a stand-in `fly`, and made-up tokens.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use flytoken::{
    core::{Core, Mode, Setup},
    paths::Paths,
    system::{Clock, Environment, SystemClock},
    token::{Caveat, Mask, ResourceSet, forge::Forge},
};

/// A throwaway home.
pub(crate) struct Setting {
    folder: tempfile::TempDir,
}

impl Setting {
    /// With a stand-in `fly` that prints the same token each time, somebody logged in, and the key in a file.
    pub(crate) fn new() -> Self {
        // Compiled code is shared by all homes of the run.
        let setting = Self { folder: tempfile::tempdir().unwrap() };
        let home = setting.path("home");
        fs::create_dir_all(home.join(".fly")).unwrap();
        fs::write(home.join(".fly/config.yml"), "access_token: fo1_bench\nlast_login: 2026-11-01T10:00:00Z\n").unwrap();
        fs::create_dir(setting.path("bin")).unwrap();
        let fly = setting.path("bin/fly");
        fs::write(&fly, format!("#!/bin/sh\necho '{{\"token\": \"FlyV1 {}\"}}'\n", token(123))).unwrap();
        fs::set_permissions(&fly, fs::Permissions::from_mode(0o755)).unwrap();
        setting
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("home/.local/state/flytoken/run/agent.sock")
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, yaml: &str) {
        let folder = self.path("home/.config/flytoken");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.yaml"), format!("key: file\nbudget: {{ per-app: 1000, total: 1000 }}\n{yaml}")).unwrap();
    }

    /// The variables of a process in this home.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HOME", self.path("home").display().to_string()),
            ("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display())),
            ("XDG_CACHE_HOME", cache().display().to_string()),
        ]
    }

    /// The binary in this home.
    pub(crate) fn flytoken(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flytoken"));
        command.env_clear().envs(self.variables()).current_dir(self.path("home"));
        command
    }

    /// A core in this process, as an agent has it.
    pub(crate) async fn core(&self) -> Core {
        let environment: Environment = self.variables().into_iter().collect();
        start(environment).await
    }
}

/// A core without a home: in memory only.
pub(crate) async fn homeless() -> Core {
    start([("XDG_CACHE_HOME", cache().display().to_string())].into_iter().collect()).await
}

async fn start(environment: Environment) -> Core {
    let paths = Paths::new(&environment, None, Path::new("/nowhere/flytoken")).unwrap();
    let clock = Arc::new(SystemClock::default());
    Core::start(Setup { clock, environment, paths, mode: Mode::Agent }).await.unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// A deploy token and its discharge, which lives for a day.
pub(crate) fn token(app: u64) -> String {
    let forge = Forge::new([7; 32]);
    let organization = Caveat::Organization { id: 456, mask: Mask::ALL };
    let app = Caveat::Apps(ResourceSet::new([(app, Mask::ALL)]));
    let forged = forge.permission([1; 16]).caveat(organization).caveat(app).third_party("https://auth.fly.io").sign();
    let end = SystemClock::default().now().after(Duration::from_hours(24)).seconds();
    let window = Caveat::ValidityWindow { not_before: 0, not_after: i64::try_from(end).unwrap() };
    let discharge = forged.tickets[0].discharge([2; 16]).caveat(window).sign();
    format!("{},{}", *forged.macaroon.encode(), *discharge.macaroon.encode())
}

fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-cache")
}
