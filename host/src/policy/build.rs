//! From what the file says to a policy that this machine can enforce.

use std::{collections::BTreeSet, path::Path};

use super::{
    Policy,
    ceiling::{BudgetCeiling, SourceRule},
    client_rule::{ClientMatch, ClientRule},
    machine::Machine,
    text::{Account, AgentRule, ClientText, Mode, PolicyText, SourceText},
};
use crate::{
    audience::Audience,
    audit,
    config::{
        At, AuditLayer, ConfigError, ConfigErrors, DeliverLayer, Document, KeyPath, Origins, Problem, audit_settings, lifetime_problem,
    },
    delivery::Narrowing,
};

/// Checks what spans several values, and makes the policy.
///
/// # Errors
/// Everything that is wrong, not only the first: also what this machine cannot enforce.
pub(super) fn build(
    text: PolicyText,
    document: Document,
    file: &Path,
    machine: &Machine,
    home: Option<&Path>,
) -> Result<Policy, ConfigErrors> {
    let origins = Origins::of_one(document);
    let root = KeyPath::default();
    let mut check = Check { origins: &origins, machine, errors: Vec::new() };
    let sources = text.sources.map(|rules| check.sources(rules, &root.key("sources")));
    let clients = text.clients.map(|rules| check.clients(rules, &root.key("clients")));
    if machine.audience == Audience::Everybody {
        check.everybody(text.mode, clients.as_deref(), &root);
    }
    let deliver = check.deliver(text.deliver.as_ref(), &root.key("deliver"));
    let audit = text.audit.as_ref().and_then(|layer| check.audit(layer, &root.key("audit"), home));
    let count = |count: Option<u64>| count.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let budget = text
        .budget
        .map_or_else(BudgetCeiling::default, |budget| BudgetCeiling { per_app: count(budget.per_app), total: count(budget.total) });
    ConfigErrors::unless_empty(check.errors)?;
    Ok(Policy {
        file: file.to_owned(),
        mode: text.mode,
        agent_required: text.agent == AgentRule::Required,
        sources,
        kinds: text.kinds,
        deliver,
        budget,
        clients,
        audit,
        http: text.http,
        metrics: text.metrics,
    })
}

struct Check<'a> {
    origins: &'a Origins,
    machine: &'a Machine,
    errors: Vec<ConfigError>,
}

impl Check<'_> {
    fn report(&mut self, path: &KeyPath, at: At, problem: impl Into<String>) {
        self.errors.push(self.origins.error(path, at, Problem::Wrong(problem.into())));
    }

    /// What an agent that answers everybody needs: rules that say who is somebody, and that are enforced.
    fn everybody(&mut self, mode: Mode, clients: Option<&[ClientRule]>, root: &KeyPath) {
        if clients.is_none_or(<[_]>::is_empty) {
            let problem = "an agent of the whole system answers those whom a rule under `clients` admits, and there is none: write \
                           `clients: [{ name: deployers, group: deployers, apps: [web] }]`, with your own names";
            self.report(&root.key("clients"), At::Key, problem);
        }
        if mode == Mode::Report {
            let problem = "with `report` an agent of the whole system would hand everybody's tokens to everybody: leave it out";
            self.report(&root.key("mode"), At::Value, problem);
        }
    }

    fn count(&mut self, count: usize, path: &KeyPath) {
        if count > MAX_RULES {
            self.report(path, At::Key, format!("at most {MAX_RULES} rules, this is {count}"));
        }
    }

    /// The rules that are for this machine, in their order.
    fn sources(&mut self, rules: Vec<SourceText>, path: &KeyPath) -> Vec<SourceRule> {
        self.count(rules.len(), path);
        let mut built = Vec::new();
        for (index, rule) in rules.into_iter().enumerate() {
            let path = path.index(index);
            if rule.name.is_none() && rule.component.is_none() && rule.sha256.is_none() {
                self.report(&path, At::Key, "a rule names the sources that it is for: by `name`, `component` or `sha256`");
            }
            if rule.on.is_some_and(|on| on != self.machine.platform) {
                continue;
            }
            built.push(SourceRule {
                label: path.to_string(),
                name: rule.name,
                component: rule.component,
                sha256: rule.sha256.map(|digest| digest.0),
                grants: rule.grants,
                memory: rule.limits.as_ref().and_then(|limits| limits.memory).map(|size| size.0),
                timeout: rule.limits.as_ref().and_then(|limits| limits.timeout).map(|time| time.0),
            });
        }
        built
    }

    fn clients(&mut self, rules: Vec<ClientText>, path: &KeyPath) -> Vec<ClientRule> {
        self.count(rules.len(), path);
        let mut names = BTreeSet::new();
        let mut built = Vec::new();
        for (index, rule) in rules.into_iter().enumerate() {
            let path = path.index(index);
            let name = rule.name.trim();
            if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
                self.report(&path.key("name"), At::Value, format!("a rule's name has 1 to {LONGEST_NAME} characters"));
            }
            if !names.insert(name.to_owned()) {
                self.report(&path.key("name"), At::Value, "another rule has this name, and a denial would not tell which it was");
            }
            if rule.root_owned == Some(false) {
                self.report(&path.key("root-owned"), At::Value, "can only be true: leave it out to admit any executable");
            }
            if rule.deny && rule.deliver.is_some() {
                self.report(&path.key("deliver"), At::Key, "a rule that denies delivers nothing");
            }
            if rule.executable.as_ref().is_some_and(|glob| !glob.to_string().starts_with(['/', '*'])) {
                self.report(&path.key("executable"), At::Value, "an executable is named by its absolute path");
            }
            if rule.on.is_some_and(|on| on != self.machine.platform) {
                continue;
            }
            for key in rule.linux_facts() {
                if let Some(why) = self.machine.lacks(key) {
                    self.report(&path.key(key), At::Key, format!("this cannot be enforced on this machine: {why}"));
                }
            }
            let client = ClientMatch {
                uid: rule.user.as_ref().and_then(|user| self.account("user", user, &path)),
                gid: rule.group.as_ref().and_then(|group| self.account("group", group, &path)),
                executable: rule.executable.clone(),
                root_owned: rule.root_owned.unwrap_or_default(),
                sha256: rule.sha256.map(|digest| digest.0),
                unit: rule.unit.clone(),
                cgroup: rule.cgroup.clone(),
            };
            let deliver = self.deliver(rule.deliver.as_ref(), &path.key("deliver"));
            built.push(ClientRule {
                name: name.to_owned(),
                deny: rule.deny,
                client,
                apps: rule.apps,
                kinds: rule.kinds,
                requests: rule.requests,
                deliver,
            });
        }
        built
    }

    fn account(&mut self, key: &'static str, account: &Account, path: &KeyPath) -> Option<u32> {
        let name = match account {
            Account::Number(number) => return Some(*number),
            Account::Name(name) => name,
        };
        let found = if key == "user" { self.machine.accounts.user(name) } else { self.machine.accounts.group(name) };
        match found {
            Ok(Some(number)) => return Some(number),
            Ok(None) => {
                self.report(&path.key(key), At::Value, format!("this machine knows no {key} of this name, so the rule cannot be enforced"));
            }
            Err(why) => self.report(&path.key(key), At::Value, format!("this {key} cannot be looked up: {why}")),
        }
        None
    }

    fn deliver(&mut self, layer: Option<&DeliverLayer>, path: &KeyPath) -> Narrowing {
        let narrowing = layer.map(DeliverLayer::narrowing).unwrap_or_default();
        if let Some(problem) = narrowing.max_lifetime.and_then(lifetime_problem) {
            self.errors.push(self.origins.error(&path.key("max-lifetime"), At::Value, problem));
        }
        narrowing
    }

    fn audit(&mut self, layer: &AuditLayer, path: &KeyPath, home: Option<&Path>) -> Option<audit::Settings> {
        // A relative one would lie wherever the policy does.
        if layer.file.as_deref().is_some_and(|file| !file.is_empty() && !file.starts_with(['/', '~'])) {
            self.report(&path.key("file"), At::Value, "the file is named by its absolute path, or below `~/`");
            return None;
        }
        match audit_settings(layer, Path::new("/"), home) {
            Ok(settings) => Some(settings),
            Err((key, problem)) => {
                let at = if key.is_some() { At::Value } else { At::Key };
                self.errors.push(self.origins.error(&key.map_or(path.clone(), |key| path.key(key)), at, problem));
                None
            }
        }
    }
}

/// Rules are tried one after another, for each request.
const MAX_RULES: usize = 256;

/// Characters of a rule's name: it stands in every denial.
const LONGEST_NAME: usize = 64;
