//! Which clients may ask for what.

use super::{
    glob::Glob,
    text::{ClientText, Verb},
};
use crate::{
    app::AppName,
    attestation::{Facts, Wanted},
    config::Pattern,
    delivery::Narrowing,
    kind::Kind,
};

/// One entry of `clients`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientRule {
    pub(super) name: String,
    pub(super) deny: bool,
    pub(super) client: ClientMatch,
    pub(super) apps: Option<Vec<Pattern>>,
    pub(super) kinds: Option<Vec<Kind>>,
    pub(super) requests: Option<Vec<Verb>>,
    pub(super) deliver: Narrowing,
}

/// Facts that a client has to have, every one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ClientMatch {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) executable: Option<Glob>,
    pub(super) root_owned: bool,
    pub(super) sha256: Option<[u8; 32]>,
    pub(super) unit: Option<Glob>,
    pub(super) cgroup: Option<Glob>,
}

/// A request as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// What is asked.
    pub verb: Verb,
    /// The app; none for what is about no app, or about all of them.
    pub app: Option<&'a AppName>,
    /// The kind; none for what is about all of them.
    pub kind: Option<Kind>,
}

/// Whether facts fit a rule. What is not known is neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    No,
    Unknown,
    Yes,
}

impl Fit {
    fn of<T>(wanted: Option<T>, fact: Option<impl FnOnce(T) -> bool>) -> Self {
        match (wanted, fact) {
            (None, _) => Self::Yes,
            (Some(_), None) => Self::Unknown,
            (Some(wanted), Some(fits)) => fits(wanted).into(),
        }
    }
}

impl From<bool> for Fit {
    fn from(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }
}

impl ClientRule {
    /// Whether it decides about what this client asks. A rule that admits has to fit; one that denies decides in doubt as well.
    pub(super) fn decides(&self, facts: &Facts, asked: Asked<'_>) -> bool {
        let least = if self.deny { Fit::Unknown } else { Fit::Yes };
        self.speaks_of(asked) && self.client.fit(facts) >= least
    }

    /// Whether it is about what is asked. What is about no app, or about all kinds, is only for rules that name none.
    fn speaks_of(&self, asked: Asked<'_>) -> bool {
        let app = self.apps.as_ref().is_none_or(|apps| asked.app.is_some_and(|app| apps.iter().any(|pattern| pattern.matches(app))));
        let kind = self.kinds.as_ref().is_none_or(|kinds| asked.kind.is_some_and(|kind| kinds.contains(&kind)));
        // A denial of one app or kind is a denial of all of them together.
        let (app, kind) = if self.deny { (app || asked.app.is_none(), kind || asked.kind.is_none()) } else { (app, kind) };
        app && kind && self.requests.as_ref().is_none_or(|verbs| verbs.contains(&asked.verb))
    }
}

impl ClientMatch {
    fn fit(&self, facts: &Facts) -> Fit {
        // Who that is nobody knows: only a rule that is for everybody admits them.
        if facts.by_bearer {
            return if *self == Self::default() { Fit::Yes } else { Fit::Unknown };
        }
        let executable = facts.executable.as_ref();
        let path = executable.and_then(|found| found.path.as_deref());
        [
            self.uid.is_none_or(|uid| facts.uid == uid).into(),
            self.gid.is_none_or(|gid| facts.gid == gid || facts.groups.contains(&gid)).into(),
            Fit::of(self.executable.as_ref(), path.map(|path| |glob: &Glob| glob.matches_path(path))),
            // Whose it is was looked at where it lies.
            Fit::of(self.root_owned.then_some(()), executable.filter(|_| path.is_some()).map(|found| |()| found.root_owned)),
            Fit::of(self.sha256, executable.and_then(|found| found.sha256).map(|found| move |wanted| found == wanted)),
            Fit::of(self.unit.as_ref(), facts.unit.as_ref().map(|found| |glob: &Glob| glob.matches(found))),
            Fit::of(self.cgroup.as_ref(), facts.cgroup.as_ref().map(|found| |glob: &Glob| glob.matches(found))),
        ]
        .into_iter()
        .min()
        .unwrap_or(Fit::Yes)
    }

    /// What has to be known of a client to judge it.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            groups: self.gid.is_some(),
            executable: self.executable.is_some() || self.root_owned || self.sha256.is_some(),
            sha256: self.sha256.is_some(),
            cgroup: self.unit.is_some() || self.cgroup.is_some(),
        }
    }
}

impl ClientText {
    /// The facts that it names and only Linux tells, by their keys.
    pub(super) fn linux_facts(&self) -> impl Iterator<Item = &'static str> {
        [
            ("group", self.group.is_some()),
            ("executable", self.executable.is_some()),
            ("root-owned", self.root_owned.is_some()),
            ("sha256", self.sha256.is_some()),
            ("unit", self.unit.is_some()),
            ("cgroup", self.cgroup.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, named)| named.then_some(key))
    }
}
