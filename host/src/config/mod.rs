//! The configuration: which sources there are, what each may do, and in which order they are asked for which app.
//!
//! Files lie over each other: the built-in defaults, `/etc/flytoken/config.yaml` and its `config.d/*.yaml`, then the user's. Maps merge, lists
//! replace; a key without a value says nothing. A key that nothing reads is an error, so that nobody relies on a rule that is not in force.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{agent::http, app::AppName, audit, delivery::Narrowing, metrics::Collector, mints::Budget};

mod chain;
mod names;
mod pattern;
mod source;
mod text;

mod bounds;
mod build;
mod described;
mod difference;
mod files;
mod flaw;
mod grant_text;
mod layer;
mod load;
mod metrics_text;
mod network_rules;
mod network_text;
mod origin;
mod pin;
mod position;
mod problem;
mod show;

pub use chain::{Chain, OnFailure, Step};
pub use described::Described;
pub use difference::Difference;
pub use files::{Layers, UserFiles};
pub use layer::KeyPlace;
pub use load::{Loaded, load};
pub use names::{NameError, ProfileName, SourceName};
pub use origin::{Origin, Origins};
pub use pattern::{Pattern, PatternError};
pub use pin::{Pin, Unexpected};
pub use position::{KeyPath, Position};
pub use problem::{ConfigError, ConfigErrors, Problem};
pub use source::{BUILTINS, ComponentRef, Grants, Records, Role, Ruled, SourceConfig};
pub use text::{DurationText, SizeText, TextError};

pub(crate) use build::{audit_settings, lifetime_problem};
pub(crate) use layer::{AuditLayer, BudgetLayer, DeliverLayer};
pub(crate) use load::parse_document;
pub(crate) use origin::{At, Document};
pub(crate) use pattern::fits;
pub(crate) use text::{DigestText, parsed, version};

/// What is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The order in which sources are asked, for apps whose rule names no other.
    pub chain: Chain,
    /// How long a token of unknown expiry is trusted from when it was obtained: 1 minute to 30 days.
    pub ttl: Duration,
    /// How many mints there may be in an hour: 0 to 1000 for one app and in all.
    pub budget: Budget,
    /// Where requests are put on record; none nowhere.
    pub audit: Option<audit::Settings>,
    /// Where the agent answers over HTTP besides.
    pub http: http::Places,
    /// The app that Docker's registry is asked for with, where neither `FLY_APP` nor `./fly.toml` names one.
    pub docker_app: Option<AppName>,
    /// Where the agent pushes numbers; none nowhere.
    pub collector: Option<Collector>,
    /// Every source there is, in a chain or not; at most 64.
    pub sources: BTreeMap<SourceName, Arc<SourceConfig>>,
    /// What is different for some apps. The first whose pattern fits counts.
    pub apps: Vec<AppRule>,
    /// Where the key of the sealed records lies; none leaves the choice to the store.
    pub key: Option<KeyPlace>,
}

/// What is different for the apps that a pattern fits.
#[derive(Debug, Clone, PartialEq)]
pub struct AppRule {
    /// The apps meant.
    pub pattern: Pattern,
    /// The app's number at Fly; only for a pattern that names one app.
    pub id: Option<u64>,
    /// The slug of the organisation that the app belongs to. Never empty, never starts with `-`.
    pub organization: Option<String>,
    /// The organisation's number at Fly.
    pub organization_id: Option<u64>,
    /// The order in which sources are asked, in place of the default one.
    pub chain: Option<Chain>,
    /// How narrow every answer has to be: `actions`, and `max-lifetime` from 10 seconds to 365 days.
    pub deliver: Narrowing,
}

/// What is in force for one app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectiveRule<'a> {
    /// The order in which sources are asked.
    pub chain: &'a Chain,
    /// The app's number at Fly.
    pub id: Option<u64>,
    /// The slug of the app's organisation.
    pub organization: Option<&'a str>,
    /// The organisation's number at Fly.
    pub organization_id: Option<u64>,
    /// How narrow every answer has to be.
    pub deliver: Narrowing,
}

impl Config {
    /// Whether a chain, that of all apps or of some, asks this source.
    pub fn asks(&self, source: &SourceName) -> bool {
        let chains = [&self.chain].into_iter().chain(self.apps.iter().filter_map(|rule| rule.chain.as_ref()));
        chains.flat_map(|chain| &chain.steps).any(|step| step.source == *source)
    }

    /// What is in force for `app`. The first entry of `apps` that fits counts as a whole: what it leaves out is the default, even if a later
    /// entry that fits too would say more.
    pub fn rule_for(&self, app: &AppName) -> EffectiveRule<'_> {
        match self.apps.iter().find(|rule| rule.pattern.matches(app)) {
            None => {
                EffectiveRule { chain: &self.chain, id: None, organization: None, organization_id: None, deliver: Narrowing::default() }
            }
            Some(rule) => EffectiveRule {
                chain: rule.chain.as_ref().unwrap_or(&self.chain),
                id: rule.id,
                organization: rule.organization.as_deref(),
                organization_id: rule.organization_id,
                deliver: rule.deliver,
            },
        }
    }

    /// The source that `set` writes to for `app`: the one with the role manual in its chain; a chain has at most one.
    pub fn manual_for(&self, app: &AppName) -> Option<&Arc<SourceConfig>> {
        self.rule_for(app).chain.steps.iter().filter_map(|step| self.sources.get(&step.source)).find(|source| source.role == Role::Manual)
    }
}

#[cfg(test)]
mod tests;
