//! From what the files say to what is in force: what follows from other values, and rules that span several of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    AppRule, Config,
    chain::{Chain, Step},
    layer::{AppLayer, AuditLayer, BudgetLayer, ComponentText, DeliverLayer, Layer, SourceLayer},
    names::SourceName,
    origin::{At, Origins},
    position::KeyPath,
    problem::{ConfigError, ConfigErrors, Problem},
    source::{ComponentRef, Grants, Role, SourceConfig},
    text::{DurationText, SizeText},
};
use crate::{
    agent::http,
    audit::{self, Forward},
    granted_files::FileGrant,
    http::HttpGrant,
    mints::Budget,
};

/// Fills in what follows from other values, so that it can be shown like the rest.
pub(super) fn complete(layer: &mut Layer) {
    if let Some(otlp) = layer.metrics.as_mut().and_then(|metrics| metrics.otlp.as_mut()) {
        otlp.complete();
    }
    for source in layer.sources.iter_mut().flat_map(BTreeMap::values_mut) {
        let source = source.get_or_insert_default();
        source.role.get_or_insert_default();
        source.enabled.get_or_insert(true);
        source.timeout.get_or_insert(DurationText(DEFAULT_TIMEOUT));
        let mints = *source.mints.get_or_insert(false);
        source.keep.get_or_insert(mints);
        source.revoke_on_replace.get_or_insert(false);
        let grants = source.grants.get_or_insert_default();
        grants.memory.get_or_insert(SizeText(DEFAULT_MEMORY));
    }
}

/// Checks what spans several values, and makes the configuration of a [`complete`] layer.
///
/// # Errors
/// Everything that is wrong, not only the first.
pub(super) fn build(layer: &Layer, origins: &Origins, home: Option<&Path>) -> Result<Config, ConfigErrors> {
    let root = KeyPath::default();
    let mut check = Check { origins, errors: Vec::new() };
    let sources = check.sources(layer, &root.key("sources"), home);
    let chain = layer.chain.clone().unwrap_or(Chain { steps: Vec::new(), strict: false });
    let chain = check.chain(&chain, &root.key("chain"), &sources);
    let ttl = layer.ttl.map_or(MAX_TTL, |ttl| ttl.0);
    check.bounds(ttl, MIN_TTL, MAX_TTL, &root.key("ttl"));
    let budget = check.budget(layer.budget.as_ref(), &root.key("budget"));
    let audit = layer.audit.as_ref().and_then(|layer| check.audit(layer, &root.key("audit"), home));
    let http = layer.http.as_ref().map_or_else(http::Places::default, |layer| http::Places {
        socket: layer.socket.unwrap_or_default(),
        loopback: layer.loopback.map(|address| address.0),
    });
    let docker_app = layer.docker.as_ref().and_then(|layer| layer.app.clone());
    let collector = layer.metrics.as_ref().and_then(|layer| check.collector(layer, &root.key("metrics"), home));
    let apps = check.apps(layer.apps.as_deref().unwrap_or_default(), &root.key("apps"), &sources);
    ConfigErrors::unless_empty(check.errors)?;
    Ok(Config { chain, ttl, budget, audit, http, docker_app, collector, sources, apps, key: layer.key })
}

/// The one source that a layer is about.
///
/// # Errors
/// Everything that is wrong, not only the first.
pub(super) fn describe(
    name: &SourceName,
    layer: &SourceLayer,
    origins: &Origins,
    home: Option<&Path>,
) -> Result<SourceConfig, ConfigErrors> {
    let mut check = Check { origins, errors: Vec::new() };
    let source = check.source(name, layer, &KeyPath::default(), home);
    ConfigErrors::unless_empty(check.errors)?;
    Ok(source)
}

type Sources = BTreeMap<SourceName, Arc<SourceConfig>>;

pub(super) struct Check<'a> {
    origins: &'a Origins,
    errors: Vec<ConfigError>,
}

impl Check<'_> {
    pub(super) fn report(&mut self, path: &KeyPath, at: At, problem: Problem) {
        self.errors.push(self.origins.error(path, at, problem));
    }

    pub(super) fn bounds(&mut self, value: Duration, least: Duration, most: Duration, path: &KeyPath) {
        if let Some(problem) = out_of_bounds(value, least, most) {
            self.report(path, At::Value, problem);
        }
    }

    fn budget(&mut self, layer: Option<&BudgetLayer>, path: &KeyPath) -> Budget {
        let mut bounded = |key: &str, value: Option<u64>, default: usize| {
            let value = value.map_or(default, |value| usize::try_from(value).unwrap_or(usize::MAX));
            if value > MAX_BUDGET {
                self.report(&path.key(key), At::Value, Problem::OutOfBounds { least: "0".into(), most: MAX_BUDGET.to_string() });
            }
            value
        };
        let per_app = bounded("per-app", layer.and_then(|layer| layer.per_app), PER_APP);
        let total = bounded("total", layer.and_then(|layer| layer.total), TOTAL);
        Budget { per_app, total }
    }

    fn audit(&mut self, layer: &AuditLayer, path: &KeyPath, home: Option<&Path>) -> Option<audit::Settings> {
        let folder = self.origins.document(&path.key("file")).and_then(|document| document.folder.clone()).unwrap_or_default();
        match audit_settings(layer, &folder, home) {
            Ok(settings) => Some(settings),
            Err((key, problem)) => {
                self.report(&key.map_or_else(|| path.clone(), |key| path.key(key)), At::Value, problem);
                None
            }
        }
    }

    pub(super) fn count(&mut self, count: usize, most: usize, what: &'static str, path: &KeyPath) {
        if count > most {
            self.report(path, At::Key, Problem::TooMany { what, most, count });
        }
    }

    fn sources(&mut self, layer: &Layer, path: &KeyPath, home: Option<&Path>) -> Sources {
        let layers = layer.sources.iter().flatten();
        self.count(layers.clone().count(), MAX_SOURCES, "sources", path);
        layers
            .map(|(name, source)| {
                let source = source.clone().unwrap_or_default();
                (name.clone(), Arc::new(self.source(name, &source, &path.key(name.as_str()), home)))
            })
            .collect()
    }

    fn source(&mut self, name: &SourceName, layer: &SourceLayer, path: &KeyPath, home: Option<&Path>) -> SourceConfig {
        let component = layer.component.as_ref().map(|text| self.component(text, &path.key("component"), home));
        if component.is_none() {
            self.report(path, At::Key, Problem::NoComponent);
        }
        let grants = layer.grants.clone().unwrap_or_default();
        let files = grants.files.iter().flatten().map(|(name, file)| {
            let place = path.key("grants").key("files").key(&name.0);
            (name.0.clone(), FileGrant { path: self.file(&file.path, &place, home), form: file.form })
        });
        let files: BTreeMap<_, _> = files.collect();
        let http = grants.http.iter().flatten().enumerate().map(|(index, text)| HttpGrant {
            origin: text.origin.0.clone(),
            private: text.private,
            ca: text.ca.as_ref().map(|ca| self.file(ca, &path.key("grants").key("http").index(index).key("ca"), home)),
            headers: text.headers.iter().map(|(name, value)| (name.0.clone(), value.0.clone())).collect(),
        });
        let http: Vec<_> = http.collect();
        let source = SourceConfig {
            name: name.clone(),
            component: component.unwrap_or(ComponentRef::File(PathBuf::new())),
            enabled: layer.enabled.unwrap_or(true),
            sha256: layer.sha256.map(|digest| digest.0),
            dev: layer.dev.unwrap_or_default(),
            imports: layer.imports.clone().map(|names| names.into_iter().map(|name| name.0).collect()),
            role: layer.role.unwrap_or_default(),
            settings: layer
                .settings
                .iter()
                .flatten()
                .filter_map(|(key, value)| value.as_ref().map(|value| (key.clone(), value.0.clone())))
                .collect(),
            timeout: layer.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0),
            mints: layer.mints.unwrap_or_default(),
            keep: layer.keep.unwrap_or_default(),
            revoke_on_replace: layer.revoke_on_replace.unwrap_or_default(),
            grants: Grants {
                reveal: grants.reveal.unwrap_or_default(),
                login: grants.login.unwrap_or_default(),
                records: grants.records,
                commands: grants.commands.unwrap_or_default(),
                memory: grants.memory.map(|size| size.0),
                files,
                http,
                sockets: grants.sockets.unwrap_or_default().into_iter().map(|socket| socket.0).collect(),
                env: grants.env.unwrap_or_default().into_iter().map(|name| name.0).collect(),
                may_leak: grants.may_leak.unwrap_or_default(),
            },
            ruled: None,
        };
        self.rules(&source, path);
        source
    }

    fn component(&mut self, text: &ComponentText, path: &KeyPath, home: Option<&Path>) -> ComponentRef {
        let text = match text {
            ComponentText::Builtin(name) => return ComponentRef::Builtin(name.clone()),
            ComponentText::Path(text) => text,
        };
        ComponentRef::File(self.file(text, path, home))
    }

    /// The absolute path of a file that is named: relative ones lie beside the configuration file that names them.
    pub(super) fn file(&mut self, text: &str, path: &KeyPath, home: Option<&Path>) -> PathBuf {
        let folder = self.origins.document(path).and_then(|document| document.folder.as_deref()).unwrap_or(Path::new(""));
        match located(text, folder, home) {
            Ok(path) => path,
            Err(problem) => {
                self.report(path, At::Value, problem);
                PathBuf::new()
            }
        }
    }

    /// What one source's values say about each other.
    fn rules(&mut self, source: &SourceConfig, path: &KeyPath) {
        let grants = path.key("grants");
        self.bounds(source.timeout, MIN_TIMEOUT, MAX_TIMEOUT, &path.key("timeout"));
        if source.grants.memory.is_some_and(|bytes| !(MIN_MEMORY..=MAX_MEMORY).contains(&bytes)) {
            let (least, most) = (SizeText(MIN_MEMORY).to_string(), SizeText(MAX_MEMORY).to_string());
            self.report(&grants.key("memory"), At::Value, Problem::OutOfBounds { least, most });
        }
        if source.sha256.is_some() && matches!(source.component, ComponentRef::Builtin(_)) {
            self.report(&path.key("sha256"), At::Key, Problem::PinnedBuiltin);
        }
        self.count(source.imports.as_ref().map_or(0, BTreeSet::len), MAX_IMPORTS, "imports", &path.key("imports"));
        if let (Some(read), Some(out), false) = (source.grants.way_to_read(), source.grants.way_out(), source.grants.may_leak) {
            self.report(&grants.key(read), At::Key, Problem::MayLeak { read, out });
        }
        self.network(&source.grants, &grants);
        self.count(source.grants.files.len(), MAX_FILES, "files", &grants.key("files"));
        self.count(source.grants.env.len(), MAX_FILES, "variables", &grants.key("env"));
        if source.revoke_on_replace && !source.mints {
            self.report(&path.key("revoke-on-replace"), At::Key, Problem::NothingToRevoke);
        }
        let key = match (source.keep, source.mints) {
            (_, true) => Some("mints"),
            (true, false) => Some("keep"),
            (false, false) => None,
        };
        let hands_out_login =
            source.component == ComponentRef::Builtin("config".into()) || (source.grants.login && !source.mints && source.keep);
        let keeper = match source.role {
            Role::Live => None,
            Role::Memory => Some("memory"),
            Role::Manual => Some("manual"),
        };
        if let Some(role) = keeper.filter(|_| source.grants.records.is_none()) {
            self.report(&path.key("role"), At::Value, Problem::NoRecords { role });
        }
        match (key, keeper) {
            (Some(key), _) if hands_out_login => self.report(&path.key(key), At::Key, Problem::KeepsLogin { key }),
            (Some(key), Some(role)) => self.report(&path.key(key), At::Key, Problem::KeepsKeeper { role, key }),
            _ => {}
        }
    }

    /// Checks a chain as it is written, and leaves out of it what does not run.
    fn chain(&mut self, chain: &Chain, path: &KeyPath, sources: &Sources) -> Chain {
        if chain.steps.is_empty() {
            self.report(path, At::Value, Problem::EmptyChain);
        }
        self.count(chain.steps.len(), MAX_STEPS, "steps in a chain", path);
        let mut manual: Option<&SourceName> = None;
        for (index, step) in chain.steps.iter().enumerate() {
            let (name, at) = (&step.source, path.index(index));
            if chain.steps.iter().take(index).any(|earlier| earlier.source == *name) {
                self.report(&at, At::Value, Problem::SourceTwice(name.clone()));
                continue;
            }
            match (sources.get(name).map(|source| source.role), manual) {
                (None, _) => {
                    let known = sources.keys().map(ToString::to_string).collect();
                    self.report(&at, At::Value, Problem::UnknownSource { name: name.clone(), known });
                }
                (Some(Role::Manual), None) => manual = Some(name),
                (Some(Role::Manual), Some(first)) => {
                    self.report(&at, At::Value, Problem::TwoManual { first: first.clone(), second: name.clone() });
                }
                (Some(Role::Live | Role::Memory), _) => {}
            }
        }
        let runs = |step: &&Step| sources.get(&step.source).is_none_or(|source| source.enabled);
        let steps: Vec<_> = chain.steps.iter().filter(runs).cloned().collect();
        if steps.is_empty() && !chain.steps.is_empty() {
            self.report(path, At::Value, Problem::DisabledChain);
        }
        Chain { steps, strict: chain.strict }
    }

    fn apps(&mut self, layers: &[AppLayer], path: &KeyPath, sources: &Sources) -> Vec<AppRule> {
        self.count(layers.len(), MAX_APPS, "entries in `apps`", path);
        let mut chains = Vec::with_capacity(layers.len());
        for (index, layer) in layers.iter().enumerate() {
            let path = path.index(index);
            if layer.id.is_some() && !layer.pattern.is_one_app() {
                self.report(&path.key("id"), At::Key, Problem::IdForMany);
            }
            for (key, id) in [("id", layer.id), ("organization-id", layer.organization_id)] {
                if id == Some(0) {
                    self.report(&path.key(key), At::Value, Problem::ZeroId);
                }
            }
            chains.push(layer.chain.as_ref().map(|chain| self.chain(chain, &path.key("chain"), sources)));
            let lifetime = layer.deliver.as_ref().and_then(|deliver| deliver.narrowing().max_lifetime);
            if let Some(problem) = lifetime.and_then(lifetime_problem) {
                self.report(&path.key("deliver").key("max-lifetime"), At::Value, problem);
            }
        }
        let rule = |(layer, chain): (&AppLayer, Option<Chain>)| AppRule {
            pattern: layer.pattern.clone(),
            id: layer.id,
            organization: layer.organization.as_ref().map(|slug| slug.0.clone()),
            organization_id: layer.organization_id,
            chain,
            deliver: layer.deliver.as_ref().map(DeliverLayer::narrowing).unwrap_or_default(),
        };
        layers.iter().zip(chains).map(rule).collect()
    }
}

fn out_of_bounds(value: Duration, least: Duration, most: Duration) -> Option<Problem> {
    let (told_least, told_most) = (DurationText(least).to_string(), DurationText(most).to_string());
    (!(least..=most).contains(&value)).then_some(Problem::OutOfBounds { least: told_least, most: told_most })
}

/// What is wrong with the life that a `deliver` rule leaves.
pub(crate) fn lifetime_problem(lifetime: Duration) -> Option<Problem> {
    out_of_bounds(lifetime, MIN_LIFETIME, MAX_LIFETIME)
}

/// How requests are put on record; relative files lie in `folder`.
///
/// # Errors
/// What is wrong, and under which key.
pub(crate) fn audit_settings(
    layer: &AuditLayer,
    folder: &Path,
    home: Option<&Path>,
) -> Result<audit::Settings, (Option<&'static str>, Problem)> {
    let file = layer.file.as_deref().filter(|file| !file.is_empty());
    let file = file.ok_or_else(|| (None, Problem::Wrong("the key `file` is missing".into())))?;
    let rotate_at = layer.rotate_at.map_or(DEFAULT_ROTATE_AT, |size| size.0);
    if !(MIN_ROTATE_AT..=MAX_ROTATE_AT).contains(&rotate_at) {
        let (least, most) = (SizeText(MIN_ROTATE_AT).to_string(), SizeText(MAX_ROTATE_AT).to_string());
        return Err((Some("rotate-at"), Problem::OutOfBounds { least, most }));
    }
    let path = located(file, folder, home).map_err(|problem| (Some("file"), problem))?;
    let forward = match (layer.forward, &layer.forward_socket) {
        (None, None) => None,
        (None, Some(_)) => return Err((Some("forward-socket"), Problem::Wrong("needs `forward: journald` or `forward: syslog`".into()))),
        (Some(_), Some(socket)) if !socket.is_absolute() => {
            return Err((Some("forward-socket"), Problem::Wrong("the socket is named by its absolute path".into())));
        }
        (Some(to), socket) => Some(Forward { to, socket: socket.clone().unwrap_or_else(|| to.usual_socket().to_owned()) }),
    };
    Ok(audit::Settings { path, required: layer.required.unwrap_or_default(), rotate_at, forward })
}

/// The absolute path of a file that is named: below the home directory, absolute, or relative to `folder`.
fn located(text: &str, folder: &Path, home: Option<&Path>) -> Result<PathBuf, Problem> {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Ok(home.join(rest)),
        (Some(_), None) => Err(Problem::Wrong("`~` stands for nothing here: HOME is not set".into())),
        // `./corp.wasm` is shown as it is found: in a folder, without the dot.
        (None, _) => Ok(folder.join(text.strip_prefix("./").unwrap_or(text))),
    }
}

/// Each source has a compiled component and its own permits.
const MAX_SOURCES: usize = 64;

/// Each step may take its whole time before the next is asked.
const MAX_STEPS: usize = 16;

/// Files, and variables, of one source.
const MAX_FILES: usize = 64;

/// Language runtimes import up to 30 interfaces.
const MAX_IMPORTS: usize = 256;

/// Rules are tried one after another.
const MAX_APPS: usize = 10_000;

/// Mints an hour that no honest use of one app needs more of, and the same for all apps.
const PER_APP: usize = 10;
const TOTAL: usize = 60;

/// More mints an hour are a runaway: one known tool made 600 a minute.
const MAX_BUDGET: usize = 1_000;

/// A year of a busy agent, and a file that tools still open.
const DEFAULT_ROTATE_AT: u64 = 64 << 20;
const MIN_ROTATE_AT: u64 = 64 << 10;
const MAX_ROTATE_AT: u64 = 1 << 30;

const MIN_TTL: Duration = Duration::from_mins(1);
const MAX_TTL: Duration = Duration::from_hours(30 * 24);

/// A token that lives shorter is over before it is used.
const MIN_LIFETIME: Duration = Duration::from_secs(10);
const MAX_LIFETIME: Duration = Duration::from_hours(365 * 24);

const MIN_TIMEOUT: Duration = Duration::from_millis(1);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// A caller gives up long before.
const MAX_TIMEOUT: Duration = Duration::from_mins(2);

/// Less holds no component's own stack and data.
const MIN_MEMORY: u64 = 1 << 20;
const DEFAULT_MEMORY: u64 = 64 << 20;

/// The most that one call can be given out of the pool.
const MAX_MEMORY: u64 = 1 << 30;
