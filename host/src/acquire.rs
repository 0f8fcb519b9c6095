//! Running a granted command for one call of a source.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    cache::Key,
    command::{self, Before, CommandGrant, Invocation, Permit, Placeholder, TokenId, granted},
    config::EffectiveRule,
    hex,
    login::LoginState,
    resolver::Resolver,
    runtime::{BoxFuture, CommandAccess},
    sources::Source,
    system::random,
    token::ApiToken,
};

/// What a call may run programs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Obtaining a token. Every run of a source that mints is charged, and equal ones are done once.
    Obtain,
    /// Revoking one. Nothing is charged, so nothing that mints is run; and each run is its own, since a list from before is of no use.
    Revoke,
}

/// What a call may run, and under which permit. The source says which of the granted entries; everything in it is filled in here.
pub struct Acquisition {
    resolver: Arc<Resolver>,
    source: Arc<Source>,
    purpose: Purpose,
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
        (purpose, permit): (Purpose, Permit),
    ) -> Self {
        let login = if source.config.grants.login { login.login.as_ref() } else { None };
        let revision = login.map(|login| (login.generation, login.revision));
        Self {
            resolver: Arc::clone(resolver),
            purpose,
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

    async fn run(&self, program: &str, args: &[String], id: Option<TokenId>) -> Result<Arc<command::Output>, command::Failure> {
        let config = &self.source.config;
        let grant = granted(&config.grants.commands, program, args)?.clone();
        self.purpose.allows(&grant, id.is_some())?;
        let unique = unique_name(&self.key);
        let lifetime = self.source.lifetime(self.resolver.live.load().config.ttl);
        let charged = config.mints && self.purpose == Purpose::Obtain;
        let invocation = Invocation {
            before: charged.then(|| self.charge(unique.clone(), lifetime)),
            grant,
            app: self.key.app.clone(),
            organization: self.organization.clone(),
            expiry: go_duration(lifetime),
            unique: unique.clone(),
            id,
            login: self.login.clone(),
            timeout: config.timeout.saturating_sub(REPORTING).max(config.timeout / 2),
        };
        let commands = &self.resolver.commands;
        let ran = match self.purpose {
            Purpose::Obtain => commands.run_shared(&self.permit, &self.asker, invocation).await,
            Purpose::Revoke => commands.run(&self.permit, invocation).await.map(Arc::new),
        };
        // What was joined ran under another name than this one.
        let unique = ran.as_ref().map_or(unique, |output| output.unique.clone());
        *self.unique.lock().unwrap_or_else(PoisonError::into_inner) = Some(unique);
        ran
    }
}

impl Purpose {
    /// Whether an entry may run for this, with an id or without one.
    pub(crate) fn allows(self, grant: &CommandGrant, with_id: bool) -> Result<(), command::Failure> {
        let mints = grant.holds(Placeholder::Unique) || grant.holds(Placeholder::Expiry);
        let why = match (self, grant.holds(Placeholder::Id), with_id) {
            (_, true, false) => "a command with `{id}` is run by `run-on`, which takes the id",
            (_, false, true) => "a command without `{id}` is run by `run`, without an id",
            (Self::Obtain, true, true) => "a command with `{id}` is run only while a token is revoked",
            (Self::Revoke, _, _) if mints => "a command with `{unique}` or `{expiry}` mints, and is not run while a token is revoked",
            _ => return Ok(()),
        };
        Err(command::Failure::Failed(why.into()))
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
        Box::pin(self.run(program, args, None))
    }

    fn run_on<'a>(
        &'a self,
        program: &'a str,
        args: &'a [String],
        id: &'a str,
    ) -> BoxFuture<'a, Result<Arc<command::Output>, command::Failure>> {
        Box::pin(async move {
            let id = TokenId::parse(id).map_err(|error| command::Failure::Failed(error.to_string()))?;
            self.run(program, args, Some(id)).await
        })
    }
}

/// A name that no other mint has, by which a person finds it at Fly.
pub fn unique_name(key: &Key) -> String {
    format!("flytoken-{}-{}-{}", key.app, key.kind, hex::encode(&random::<6>()))
}

/// As Go's `time.ParseDuration`, and so `fly`, reads it.
pub(crate) fn go_duration(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

/// What a source keeps of its own time to say that its program ran out of it.
const REPORTING: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_a_token_and_what_mints_keep_apart() {
        let [mint, list, revoke, both] = ["['{unique}']", "['{app}']", "['{id}']", "['{id}', '{expiry}']"]
            .map(|args| serde_yaml::from_str::<CommandGrant>(&format!("{{ program: fly, args: {args} }}")).unwrap());
        for (purpose, grant, with_id, allowed) in [
            (Purpose::Obtain, &mint, false, true),
            (Purpose::Obtain, &list, false, true),
            (Purpose::Obtain, &mint, true, false),
            (Purpose::Obtain, &revoke, true, false),
            (Purpose::Obtain, &revoke, false, false),
            (Purpose::Revoke, &list, false, true),
            (Purpose::Revoke, &revoke, true, true),
            (Purpose::Revoke, &revoke, false, false),
            (Purpose::Revoke, &list, true, false),
            (Purpose::Revoke, &mint, false, false),
            (Purpose::Revoke, &both, true, false),
        ] {
            assert_eq!(purpose.allows(grant, with_id).is_ok(), allowed, "{purpose:?} {grant:?} {with_id}");
        }
    }
}
