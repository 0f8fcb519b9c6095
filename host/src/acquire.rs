//! Running a granted command for one call of a source.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    cache::Key,
    command::{self, Before, Invocation, Permit, granted},
    config::EffectiveRule,
    hex,
    login::LoginState,
    resolver::Resolver,
    runtime::{BoxFuture, CommandAccess},
    sources::Source,
    system::random,
    token::ApiToken,
};

/// What a call may run, and under which permit. The source says which of the granted entries; everything in it is filled in here.
pub struct Acquisition {
    resolver: Arc<Resolver>,
    source: Arc<Source>,
    permit: Permit,
    key: Key,
    organization: Option<String>,
    /// Only if the login is granted: a variable can take it then.
    login: Option<Arc<ApiToken>>,
    /// Whose run this is: an equal one of another source, other grants or another login is not the same.
    asker: String,
    /// The name that what was run last was run under.
    unique: Mutex<Option<String>>,
}

impl Acquisition {
    /// For one call of `source`.
    pub fn new(
        resolver: &Arc<Resolver>,
        source: &Arc<Source>,
        login: &LoginState,
        rule: &EffectiveRule<'_>,
        key: &Key,
        permit: Permit,
    ) -> Self {
        let login = if source.config.grants.login { login.login.as_ref() } else { None };
        let revision = login.map(|login| (login.generation, login.revision));
        Self {
            resolver: Arc::clone(resolver),
            permit,
            key: key.clone(),
            organization: rule.organization.map(str::to_owned),
            login: login.map(|login| Arc::clone(&login.token)),
            asker: format!("{} {} {revision:?}", source.config.name, hex::encode(&source.digest)),
            unique: Mutex::default(),
            source: Arc::clone(source),
        }
    }

    /// The name under which the last command ran, such as a mint's; none if none ran.
    pub fn unique(&self) -> Option<String> {
        self.unique.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn run(&self, program: &str, args: &[String]) -> Result<Arc<command::Output>, command::Failure> {
        let config = &self.source.config;
        let grant = granted(&config.grants.commands, program, args)?.clone();
        let unique = unique_name(&self.key);
        *self.unique.lock().unwrap_or_else(PoisonError::into_inner) = Some(unique.clone());
        let lifetime = self.source.lifetime(self.resolver.live.load().config.ttl);
        let invocation = Invocation {
            before: config.mints.then(|| self.charge(unique.clone(), lifetime)),
            grant,
            app: self.key.app.clone(),
            organization: self.organization.clone(),
            expiry: go_duration(lifetime),
            unique,
            login: self.login.clone(),
            timeout: config.timeout.saturating_sub(REPORTING).max(config.timeout / 2),
        };
        self.resolver.commands.run_shared(&self.permit, &self.asker, invocation).await
    }
}

impl Acquisition {
    /// Writes the mint down and charges it, when and if the program starts.
    fn charge(&self, name: String, lifetime: Duration) -> Before {
        let (resolver, key, source) = (Arc::clone(&self.resolver), self.key.clone(), self.source.config.name.clone());
        Before(Box::new(move || resolver.charge(&name, &key, source, lifetime).map_err(|why| why.to_string())))
    }
}

impl CommandAccess for Acquisition {
    fn run<'a>(&'a self, program: &'a str, args: &'a [String]) -> BoxFuture<'a, Result<Arc<command::Output>, command::Failure>> {
        Box::pin(self.run(program, args))
    }
}

/// A name that no other mint has, by which a person finds it at Fly.
pub fn unique_name(key: &Key) -> String {
    format!("flytoken-{}-{}-{}", key.app, key.kind, hex::encode(&random::<6>()))
}

/// As Go's `time.ParseDuration`, and so `fly`, reads it.
fn go_duration(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

/// What a source keeps of its own time to say that its program ran out of it.
const REPORTING: Duration = Duration::from_millis(500);
