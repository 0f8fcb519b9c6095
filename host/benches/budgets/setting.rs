//! What the budgets are measured in: a throwaway home with a configuration, a core in this process, and made-up tokens.

use std::{fs, ops::Deref, path::PathBuf, sync::Arc, time::Duration};

use flytoken::{
    core::{Core, Mode, Setup},
    paths::{Paths, System},
    system::{Clock, Environment, SystemClock},
    token::{Caveat, Mask, ResourceSet, forge::Forge},
};

use crate::home::{Home, cache};

/// A throwaway home whose stand-in `fly` prints the same token each time, and the key in a file.
pub(crate) struct Setting(Home);

impl Setting {
    pub(crate) fn new() -> Self {
        Self(Home::new(&format!("#!/bin/sh\necho '{{\"token\": \"FlyV1 {}\"}}'\n", token(123))))
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, yaml: &str) {
        let folder = self.path("home/.config/flytoken");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.yaml"), format!("key: file\nbudget: {{ per-app: 1000, total: 1000 }}\n{yaml}")).unwrap();
    }

    /// A core in this process, as an agent has it.
    pub(crate) async fn core(&self) -> Core {
        let environment: Environment = self.variables().into_iter().collect();
        start(environment, "/nowhere/flytoken".into()).await
    }

    /// A core in it under this policy.
    pub(crate) async fn governed(&self, policy: &str) -> Core {
        let folder = self.path("system");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("policy.yaml"), policy).unwrap();
        start(self.variables().into_iter().collect(), folder).await
    }
}

impl Deref for Setting {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.0
    }
}

/// A core without a home: in memory only.
pub(crate) async fn homeless() -> Core {
    start([("XDG_CACHE_HOME", cache().display().to_string())].into_iter().collect(), "/nowhere/flytoken".into()).await
}

async fn start(environment: Environment, system: PathBuf) -> Core {
    let paths = Paths::new(
        &environment,
        None,
        System { socket: system.join("agent.sock"), folder: system, owner: rustix::process::getuid().as_raw() },
    )
    .unwrap();
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
