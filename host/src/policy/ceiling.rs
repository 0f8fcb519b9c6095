//! What is left of a configuration under a policy.

use std::{path::Path, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    Policy,
    glob::Glob,
    text::{Mode, Transport},
};
use crate::config::{ComponentRef, Config, DurationText, Grants, Records, Ruled, SizeText, SourceConfig, SourceName};

/// One entry of `sources`: what the sources that it is for may do at most.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SourceRule {
    /// What people call it: its place in the file.
    pub(super) label: String,
    pub(super) name: Option<Glob>,
    pub(super) component: Option<Glob>,
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) grants: Option<GrantCeiling>,
    pub(super) memory: Option<u64>,
    pub(super) timeout: Option<Duration>,
}

/// What is granted at most, as it is written; what is not named is not granted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default, expecting = "a map of grants, such as login and commands")]
pub(super) struct GrantCeiling {
    pub(super) reveal: bool,
    pub(super) login: bool,
    pub(super) records: Option<Records>,
    pub(super) commands: Vec<Glob>,
    pub(super) files: Vec<Glob>,
    pub(super) http: Vec<Glob>,
    pub(super) sockets: Vec<Glob>,
    pub(super) env: Vec<Glob>,
    pub(super) may_leak: bool,
}

/// Something that a rule took away from what users configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The rule, by its place in the policy.
    pub rule: String,
    /// The source that it was taken from; none if it is about all of them.
    pub source: Option<SourceName>,
    /// What was taken.
    pub what: String,
}

impl Policy {
    /// What is left of `config`, and what is cut away. Where the policy only reports, everything is left.
    pub fn limit(&self, config: &Config) -> (Config, Vec<Cut>) {
        let mut cuts = Vec::new();
        let mut limited = config.clone();
        for (name, source) in &mut limited.sources {
            let Some(ruled) = self.rule_source(source, &mut cuts) else { continue };
            *source = Arc::new(ruled);
            debug_assert_eq!(*name, source.name);
        }
        for (key, most, amount) in
            [("per-app", self.budget.per_app, &mut limited.budget.per_app), ("total", self.budget.total, &mut limited.budget.total)]
        {
            if let Some(most) = most.filter(|most| *most < *amount) {
                cuts.push(Cut {
                    rule: format!("budget.{key}"),
                    source: None,
                    what: format!("{} of {amount} mints an hour", *amount - most),
                });
                *amount = most;
            }
        }
        if let Some(transports) = &self.http {
            let mut cut = |what: &str| cuts.push(Cut { rule: "http".into(), source: None, what: format!("`http.{what}`") });
            if limited.http.socket && !transports.contains(&Transport::Socket) {
                cut("socket");
                limited.http.socket = false;
            }
            if limited.http.loopback.is_some() && !transports.contains(&Transport::Loopback) {
                cut("loopback");
                limited.http.loopback = None;
            }
        }
        if let (Some(origins), Some(collector)) = (&self.metrics, &limited.collector) {
            let origin = collector.endpoint.origin().to_string();
            if !origins.iter().any(|glob| glob.matches(&origin)) {
                cuts.push(Cut { rule: "metrics".into(), source: None, what: format!("`metrics.otlp`: {origin}") });
                limited.collector = None;
            }
        }
        if self.mode == Mode::Report {
            limited = config.clone();
        }
        // More on record than users want is nothing taken from them.
        if self.audit.is_some() {
            limited.audit.clone_from(&self.audit);
        }
        (limited, cuts)
    }

    /// The source as the first rule that is for it leaves it; none if it leaves everything.
    fn rule_source(&self, source: &SourceConfig, cuts: &mut Vec<Cut>) -> Option<SourceConfig> {
        let rules = self.sources.as_ref()?;
        let mut limited = source.clone();
        let Some(rule) = rules.iter().find(|rule| rule.is_for(source)) else {
            let what = "the whole source: no rule is for it".to_owned();
            cuts.push(Cut { rule: "sources".into(), source: Some(source.name.clone()), what });
            limited.grants = Grants { memory: source.grants.memory, ..Grants::default() };
            limited.ruled = Some(Ruled::Forbidden);
            return Some(limited);
        };
        let mut taken = Vec::new();
        if let Some(ceiling) = &rule.grants {
            ceiling.cut(&mut limited.grants, &mut taken);
        }
        if let Some(most) = rule.memory.filter(|most| limited.grants.memory.is_some_and(|memory| memory > *most)) {
            taken.push(format!("memory beyond {}", SizeText(most)));
            limited.grants.memory = Some(most);
        }
        if let Some(most) = rule.timeout.filter(|most| limited.timeout > *most) {
            taken.push(format!("time beyond {}", DurationText(most)));
            limited.timeout = most;
        }
        if taken.is_empty() {
            return None;
        }
        limited.ruled = Some(Ruled::Cut { rule: rule.label.clone(), what: taken.join(", ") });
        cuts.extend(taken.into_iter().map(|what| Cut { rule: rule.label.clone(), source: Some(source.name.clone()), what }));
        Some(limited)
    }
}

impl SourceRule {
    fn is_for(&self, source: &SourceConfig) -> bool {
        let component = |glob: &Glob| match &source.component {
            ComponentRef::Builtin(name) => glob.matches(&format!("builtin:{name}")),
            ComponentRef::File(path) => glob.matches_path(path),
        };
        self.name.as_ref().is_none_or(|glob| glob.matches(source.name.as_str()))
            && self.component.as_ref().is_none_or(component)
            && self.sha256.is_none_or(|sha256| source.sha256 == Some(sha256))
    }
}

impl GrantCeiling {
    fn cut(&self, grants: &mut Grants, taken: &mut Vec<String>) {
        let flags = [
            ("reveal", self.reveal, &mut grants.reveal),
            ("login", self.login, &mut grants.login),
            ("may-leak", self.may_leak, &mut grants.may_leak),
        ];
        for (name, may, granted) in flags {
            if *granted && !may {
                *granted = false;
                taken.push(format!("`{name}`"));
            }
        }
        if grants.records.is_some_and(|records| !self.allows_records(records)) {
            grants.records = None;
            taken.push("`records`".into());
        }
        let mut keep = |kind: &str, name: &str, may: bool| {
            if !may {
                taken.push(format!("`{kind}`: {name}"));
            }
            may
        };
        let any = |globs: &[Glob], text: &str| globs.iter().any(|glob| glob.matches(text));
        let any_path = |globs: &[Glob], path: &Path| globs.iter().any(|glob| glob.matches_path(path));
        grants.commands.retain(|command| {
            let program = Path::new(&command.program);
            let may = if program.is_absolute() { any_path(&self.commands, program) } else { any(&self.commands, &command.program) };
            keep("commands", &command.program, may)
        });
        grants.files.retain(|name, file| keep("files", name, any_path(&self.files, &file.path)));
        grants.http.retain(|grant| {
            let origin = grant.origin.to_string();
            keep("http", &origin, any(&self.http, &origin))
        });
        grants.sockets.retain(|grant| {
            let destination = grant.to_string();
            keep("sockets", &destination, any(&self.sockets, &destination))
        });
        grants.env.retain(|name| keep("env", name, any(&self.env, name)));
        if let (Some(read), Some(out), false) = (grants.way_to_read(), grants.way_out(), grants.may_leak) {
            // What the user allowed by `may-leak` is not allowed here.
            taken.push(format!("`{out}`, since it can read secrets by `{read}`"));
            grants.close_ways_out();
        }
    }

    /// Disposable records are less than kept ones.
    fn allows_records(&self, records: Records) -> bool {
        self.records.is_some_and(|most| most == records || most == Records::Kept)
    }
}

/// The mints in an hour at most, as far as there is a bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct BudgetCeiling {
    pub(super) per_app: Option<usize>,
    pub(super) total: Option<usize>,
}
