//! How things are, held against how they must be.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    script::{Expect, Moments, State},
    source::Scripted,
    time::{BEGINNING, Length},
};
use crate::{app::AppName, cache::Key, config::SourceName, core::Core, kind::Kind, resolver::Resolver, time::Timestamp};

/// What is looked at.
pub(super) struct Look<'a> {
    pub(super) at: Length,
    pub(super) core: &'a Core,
    pub(super) scripted: &'a BTreeMap<SourceName, Arc<Scripted>>,
    pub(super) drawn: &'a AtomicUsize,
    /// What is another way than it must be.
    pub(super) told: Vec<String>,
}

impl Look<'_> {
    /// Compares everything that `expect` tells of.
    pub(super) fn compare_with(mut self, expect: &Expect) -> Vec<String> {
        self.askings(expect);
        self.leases(expect);
        self.waits(expect);
        self.counts(expect);
        self.told
    }

    fn compare(&mut self, what: &str, found: &str, expected: &str) {
        if found != expected && !Length::are_about(found, expected) {
            self.told.push(format!("at {}: {what} {found}, not {expected}", self.at));
        }
    }

    fn resolver(&self) -> &Arc<Resolver> {
        &self.core.inner.resolver
    }

    fn askings(&mut self, expect: &Expect) {
        let scripted = |look: &Self, name: &str| look.scripted.get(&source(name)).expect("a scripted source").asked();
        for (name, times) in &expect.asked {
            let asked = scripted(self, name).len();
            self.compare(&format!("`{name}` was asked"), &format!("{asked} times"), &format!("{times} times"));
        }
        for (name, intents) in &expect.intents {
            let asked = scripted(self, name);
            self.compare(&format!("`{name}` was asked to"), &format!("{asked:?}"), &format!("{intents:?}"));
        }
    }

    fn leases(&mut self, expect: &Expect) {
        let now = self.resolver().clock.now();
        for (app, state) in &expect.states {
            let cached = self.resolver().cache.find(&readonly(app)).filter(|cached| self.resolver().of_this_login(cached));
            let word = |state: State| format!("{state:?}").to_lowercase();
            self.compare(&format!("the lease of `{app}` is"), &word(cached.map(|cached| cached.state(now)).into()), &word(*state));
        }
        for (app, Moments { soft, hard, end }) in &expect.moments {
            let Some(cached) = self.resolver().cache.find(&readonly(app)) else {
                self.told.push(format!("at {}: `{app}` has no lease", self.at));
                continue;
            };
            for (name, expected, found) in [("soft", soft, cached.soft), ("hard", hard, cached.hard), ("end", end, cached.end)] {
                let Some(expected) = expected else { continue };
                let found = found.map_or_else(|| "never".into(), |at| Length::of(at.since(Timestamp::from_seconds(BEGINNING))).to_string());
                self.compare(&format!("`{name}` of `{app}` is"), &found, expected);
            }
        }
    }

    fn waits(&mut self, expect: &Expect) {
        let length = |left: Duration| Length::of(left).to_string();
        for (place, expected) in &expect.rests {
            let (name, app) = place.split_once('/').expect("a source and an app");
            let mut resting = self.resolver().health.all_resting().into_iter();
            let rest = resting.find(|(source, key, _)| source.as_str() == name && key.app.as_str() == app);
            let found = rest.map_or_else(|| "none".into(), |(_, _, rest)| rest.left.map_or_else(|| "change".into(), length));
            self.compare(&format!("`{place}` rests for"), &found, expected);
        }
        for (name, expected) in &expect.breakers {
            let found = self.resolver().health.open(&source(name)).map_or_else(|| "none".into(), length);
            self.compare(&format!("the breaker of `{name}` is open for"), &found, expected);
        }
    }

    fn counts(&mut self, expect: &Expect) {
        let resolver = self.resolver();
        let counts = [
            ("mints in the ledger:", resolver.mints.all().unwrap().len(), expect.minted),
            ("numbers drawn:", self.drawn.load(Ordering::Relaxed), expect.drawn),
            ("tombstones:", resolver.tombstones.count(), expect.tombstones),
            ("owners:", self.core.inner.owners.count(), expect.owners),
        ];
        for (what, found, expected) in counts {
            if let Some(expected) = expected {
                self.compare(what, &found.to_string(), &expected.to_string());
            }
        }
    }
}

fn source(name: &str) -> SourceName {
    SourceName::parse(name).unwrap()
}

fn readonly(app: &AppName) -> Key {
    Key { app: app.clone(), kind: Kind::Readonly }
}
