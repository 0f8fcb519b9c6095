//! An administrator's policy: the ceiling over what users configure, and which clients get what.
//!
//! The file belongs to root. What it does not speak of has no bound; what it speaks of is the whole of what may be. It fails closed: a file
//! that does not hold, or a rule that this machine cannot enforce, stops the start, and one that breaks while an agent runs stops every
//! answer.

mod accounts;
mod build;
mod ceiling;
mod client_rule;
mod glob;
mod in_force;
mod machine;
mod text;

use std::path::{Path, PathBuf};

pub use self::{
    accounts::{Accounts, SystemAccounts},
    ceiling::Cut,
    client_rule::Asked,
    in_force::{InForce, Place, Ruling},
    machine::Machine,
    text::{Mode, Platform, Verb},
};
use self::{
    ceiling::{BudgetCeiling, SourceRule},
    client_rule::ClientRule,
    glob::Glob,
    text::{PolicyText, Transport},
};
use crate::{
    attestation::{Facts, Wanted},
    audit,
    config::{ConfigErrors, Document, Layers, parse_document},
    delivery::Narrowing,
    kind::Kind,
};

/// What is in a policy's file.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    file: PathBuf,
    mode: Mode,
    agent_required: bool,
    sources: Option<Vec<SourceRule>>,
    kinds: Option<Vec<Kind>>,
    deliver: Narrowing,
    budget: BudgetCeiling,
    clients: Option<Vec<ClientRule>>,
    audit: Option<audit::Settings>,
    http: Option<Vec<Transport>>,
    metrics: Option<Vec<Glob>>,
}

/// What a policy says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'p> {
    /// It is answered, no wider than this.
    Allowed {
        /// The client rule that says so; none where there are no such rules.
        rule: Option<&'p str>,
        /// How narrow a token is at least.
        most: Narrowing,
    },
    /// It is not.
    Denied {
        /// The rule that says so, by its name, or by its key if it has none; none where no client rule says otherwise.
        rule: Option<&'p str>,
    },
}

impl Policy {
    /// Reads the policy; none if there is no such file.
    ///
    /// # Errors
    /// Everything that is wrong with it: it cannot be read, somebody else could have written it, it does not hold, or this machine cannot
    /// enforce it.
    pub fn load(place: &Place, machine: &Machine) -> Result<Option<Self>, ConfigErrors> {
        let Place { file, owner, home, .. } = place;
        let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
        let layers = Layers { system: folder.clone(), user: None, home: None, uid: *owner };
        let Some(text) = layers.read(file)? else { return Ok(None) };
        let document = Document { name: layers.name(file), folder: Some(folder), text };
        Self::parse(document, file, machine, home.as_deref()).map(Some)
    }

    fn parse(document: Document, file: &Path, machine: &Machine, home: Option<&Path>) -> Result<Self, ConfigErrors> {
        let text: PolicyText = parse_document(&document)?;
        build::build(text, document, file, machine, home)
    }

    /// Its file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether what it forbids is done all the same, and put on record.
    pub fn reports_only(&self) -> bool {
        self.mode == Mode::Report
    }

    /// Whether commands may not do without an agent.
    pub fn requires_agent(&self) -> bool {
        self.agent_required
    }

    /// Whether it judges clients at all.
    pub fn judges_clients(&self) -> bool {
        self.clients.is_some()
    }

    /// What has to be known of a client to judge it.
    pub fn wanted(&self) -> Wanted {
        self.clients.iter().flatten().map(|rule| rule.client.wanted()).fold(Wanted::default(), Wanted::and)
    }

    /// What it says to what `client` asks, whatever its mode.
    pub fn judge(&self, client: &Facts, asked: Asked<'_>) -> Verdict<'_> {
        if let (Some(kinds), Some(kind)) = (&self.kinds, asked.kind)
            && !kinds.contains(&kind)
        {
            return Verdict::Denied { rule: Some("kinds") };
        }
        let Some(clients) = &self.clients else { return Verdict::Allowed { rule: None, most: self.deliver } };
        match clients.iter().find(|rule| rule.decides(client, asked)) {
            Some(rule) if !rule.deny => Verdict::Allowed { rule: Some(&rule.name), most: self.deliver.and(rule.deliver) },
            Some(rule) => Verdict::Denied { rule: Some(&rule.name) },
            None => Verdict::Denied { rule: None },
        }
    }
}

/// The policy's file in the system's folder.
pub const FILE: &str = "policy.yaml";

#[cfg(test)]
mod tests;
