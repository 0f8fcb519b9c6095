//! The policy as a process goes by it.

use std::{path::PathBuf, sync::Arc};

use super::{Asked, Machine, Mode, Policy, Verdict};
use crate::{
    admission::Unpinned,
    attestation::{Facts, Wanted},
    audience::Audience,
    config::ConfigErrors,
    delivery::Narrowing,
};

/// Where an administrator's policy lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its file, existing or not.
    pub file: PathBuf,
    /// The user who alone may have written it, besides root.
    pub owner: u32,
    /// What `~` in it stands for.
    pub home: Option<PathBuf>,
    /// Whom the agent answers that goes by it.
    pub audience: Audience,
}

/// The policy as a process goes by it.
#[derive(Debug, Clone, Default)]
pub enum InForce {
    /// There is none.
    #[default]
    Nothing,
    /// This one.
    Policy(Arc<Policy>),
    /// There is one, and nobody knows what it says: nothing is answered.
    Broken(String),
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is answered.
    Answer {
        /// The rule that says so, if one does.
        rule: Option<String>,
        /// How narrow a token is at least.
        most: Narrowing,
        /// Whether it would have been denied if the policy did not only report.
        would_deny: bool,
    },
    /// It is not.
    Deny {
        /// The rule that says so, if one does.
        rule: Option<String>,
        /// Why, for the client.
        why: String,
    },
}

impl Ruling {
    /// What no rule speaks of is answered as it is.
    pub fn answer() -> Self {
        Self::Answer { rule: None, most: Narrowing::default(), would_deny: false }
    }
}

impl InForce {
    /// Reads the policy at the start.
    ///
    /// # Errors
    /// If there is one and it does not hold: nothing starts then.
    pub fn load(place: &Place) -> Result<Self, ConfigErrors> {
        Ok(Policy::load(place, &Machine::here(place.audience))?.map_or(Self::Nothing, |policy| Self::Policy(Arc::new(policy))))
    }

    /// Reads the policy again while this one is in force. One that is gone is broken: nobody may end it by having its file away for a moment.
    #[must_use]
    pub fn reload(&self, place: &Place) -> Self {
        match (Self::load(place), self) {
            (Ok(Self::Nothing), Self::Policy(_) | Self::Broken(_)) => {
                Self::Broken(format!("{} is gone; if that is meant, start the agent anew", place.file.display()))
            }
            (Ok(Self::Policy(new)), Self::Policy(old)) if new == *old => self.clone(),
            (Ok(new), _) => new,
            (Err(errors), _) => Self::Broken(errors.to_string()),
        }
    }

    /// The policy, if one is in force.
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        match self {
            Self::Policy(policy) => Some(policy),
            Self::Nothing | Self::Broken(_) => None,
        }
    }

    /// Whether what it denies is not answered, rather than reported.
    pub fn enforces(&self) -> bool {
        self.policy().is_none_or(|policy| !policy.reports_only())
    }

    /// Which components run that nothing pins: none under a policy that is enforced.
    pub fn unpinned(&self) -> Unpinned {
        match self {
            Self::Nothing => Unpinned::IfDev,
            Self::Policy(policy) if policy.reports_only() => Unpinned::IfDev,
            Self::Policy(_) | Self::Broken(_) => Unpinned::Never,
        }
    }

    /// What has to be known of a client to judge it.
    pub fn wanted(&self) -> Wanted {
        self.policy().map_or_else(Wanted::default, |policy| policy.wanted())
    }

    /// What becomes of what `client` asks.
    pub fn rule(&self, client: &Facts, asked: Asked<'_>) -> Ruling {
        let policy = match self {
            Self::Nothing => return Ruling::answer(),
            Self::Broken(why) => {
                return Ruling::Deny { rule: None, why: format!("nothing is answered while the policy does not hold: {why}") };
            }
            Self::Policy(policy) => policy,
        };
        match (policy.judge(client, asked), policy.mode) {
            (Verdict::Allowed { rule, most }, Mode::Enforce) => Ruling::Answer { rule: rule.map(str::to_owned), most, would_deny: false },
            (Verdict::Allowed { rule, .. }, Mode::Report) => {
                Ruling::Answer { rule: rule.map(str::to_owned), most: Narrowing::default(), would_deny: false }
            }
            (Verdict::Denied { rule }, Mode::Report) => {
                Ruling::Answer { rule: rule.map(str::to_owned), most: Narrowing::default(), would_deny: true }
            }
            (Verdict::Denied { rule }, Mode::Enforce) => Ruling::Deny { rule: rule.map(str::to_owned), why: policy.denial(rule, asked) },
        }
    }
}

impl Policy {
    /// Why a request is denied, for the client.
    fn denial(&self, rule: Option<&str>, asked: Asked<'_>) -> String {
        let Asked { verb, app, kind } = asked;
        let mut what = format!("`{verb}`");
        if let Some(app) = app {
            what = format!("{what} for app `{app}`");
        }
        if let Some(kind) = kind {
            what = format!("{what}, kind {kind}");
        }
        match rule {
            Some(rule) => format!("the policy {} denies {what}: its rule `{rule}` says so", self.file.display()),
            None => {
                format!("the policy {} denies {what}: none of its rules under `clients` admits this client to that", self.file.display())
            }
        }
    }
}
