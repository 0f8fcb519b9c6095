//! For which apps two configurations say different things.

use super::{Config, Pattern};
use crate::app::AppName;

/// For which apps two configurations say different things; for some that they treat alike, too, where to tell would cost more.
pub enum Difference<'a> {
    /// For any app.
    All,
    /// For those that one of these patterns fits.
    Matching(Vec<&'a Pattern>),
}

impl Config {
    /// For which apps this one and `other` may say different things: which sources are asked in which order, how they are configured, how
    /// long what they answer is trusted, and what has to fit the app.
    pub fn difference<'a>(&'a self, other: &'a Self) -> Difference<'a> {
        if self.chain != other.chain || self.ttl != other.ttl || self.sources != other.sources {
            return Difference::All;
        }
        // The first rule that fits counts: those that are the same at both ends bear on no app that none of the others fits.
        let before = self.apps.iter().zip(&other.apps).take_while(|(own, theirs)| own == theirs).count();
        let (own, theirs) = (&self.apps[before..], &other.apps[before..]);
        let behind = own.iter().rev().zip(theirs.iter().rev()).take_while(|(own, theirs)| own == theirs).count();
        let others = own[..own.len() - behind].iter().chain(&theirs[..theirs.len() - behind]);
        let patterns: Vec<_> = others.map(|rule| &rule.pattern).collect();
        if patterns.len() > MOST_PATTERNS { Difference::All } else { Difference::Matching(patterns) }
    }
}

impl Difference<'_> {
    /// Whether it may bear on `app`.
    pub fn concerns(&self, app: &AppName) -> bool {
        match self {
            Self::All => true,
            Self::Matching(patterns) => patterns.iter().any(|pattern| pattern.matches(app)),
        }
    }
}

/// Every app in use is held against so many patterns at most: a file in which all is new concerns all.
const MOST_PATTERNS: usize = 64;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::{
        config::{AppRule, Chain, SourceName},
        delivery::Narrowing,
        mints::Budget,
    };

    fn rule(pattern: &str, id: u64) -> AppRule {
        let pattern = Pattern::parse(pattern).unwrap();
        AppRule { pattern, id: Some(id), organization: None, organization_id: None, chain: None, deliver: Narrowing::default() }
    }

    fn config(rules: &[(&str, u64)]) -> Config {
        Config {
            chain: Chain { steps: vec![SourceName::parse("cli").unwrap().into()], strict: false },
            ttl: Duration::from_hours(24),
            budget: Budget { per_app: 10, total: 60 },
            sources: BTreeMap::new(),
            apps: rules.iter().map(|(pattern, id)| rule(pattern, *id)).collect(),
            key: None,
            audit: None,
            http: crate::agent::http::Places::default(),
            docker_app: None,
            collector: None,
        }
    }

    #[test]
    fn a_rule_that_is_another_concerns_the_apps_it_fits_or_fitted_and_no_others() {
        let before = config(&[("a", 1), ("b", 2), ("c", 3)]);
        let concerned = |after: &Config| {
            let difference = before.difference(after);
            ["a", "b", "c", "d"].into_iter().filter(|app| difference.concerns(&AppName::parse(app).unwrap())).collect::<String>()
        };
        for (rules, apps) in [
            (&[("a", 1), ("b", 2), ("c", 3)][..], ""),
            (&[("a", 1), ("b", 9), ("c", 3)], "b"),
            (&[("a", 1), ("c", 3)], "b"),
            (&[("a", 1), ("b", 2), ("d", 9), ("c", 3)], "d"),
            (&[("d", 9), ("a", 1), ("b", 2), ("c", 3)], "d"),
            (&[("a", 1), ("*", 9), ("b", 2), ("c", 3)], "abcd"),
            (&[("b", 2), ("a", 1), ("c", 3)], "ab"),
            (&[], "abc"),
        ] {
            assert_eq!(concerned(&config(rules)), apps, "{rules:?}");
        }
    }

    /// Changes something.
    type Change = fn(&mut Config);

    #[test]
    fn what_counts_for_all_concerns_all_and_what_bears_on_no_lease_concerns_none() {
        let rules = [("a", 1)];
        let any = AppName::parse("z").unwrap();
        let changes: [(Change, bool); 5] = [
            (|config| config.ttl = Duration::from_hours(1), true),
            (|config| config.chain.steps.clear(), true),
            (|config| config.apps = (0..=MOST_PATTERNS as u64).map(|id| rule("a", id)).collect(), true),
            (|config| config.budget.total = 1, false),
            (|_| {}, false),
        ];
        for (number, (change, concerned)) in changes.into_iter().enumerate() {
            let (before, mut after) = (config(&rules), config(&rules));
            change(&mut after);
            assert_eq!(before.difference(&after).concerns(&any), concerned, "{number}");
        }
    }
}
