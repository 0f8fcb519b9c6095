//! Limits that people put on a token, as caveats.

use std::{collections::BTreeSet, time::Duration};

use super::{
    caveat::{Caveat, IfPresent},
    expiry::CLOCK_SKEW,
    mask::Mask,
    resources::ResourceSet,
};
use crate::time::Timestamp;

/// Limits to put on a token. What is not given is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Only these actions.
    pub actions: Option<Mask>,
    /// Only this organisation, by its internal number.
    pub organization: Option<u64>,
    /// Only these apps, by internal number; none is no limit.
    pub apps: BTreeSet<u64>,
    /// The actions that stay allowed where no app is named, such as looking up the organisation of one. Without it nothing is allowed there.
    pub elsewhere: Option<Mask>,
    /// Only for so long from now.
    pub lifetime: Option<Duration>,
}

impl Limits {
    /// The caveats, the widest thing first: organisation, apps, actions, time.
    pub fn caveats(&self, now: Timestamp) -> Vec<Caveat> {
        let mask = self.actions.unwrap_or(Mask::ALL);
        let mut caveats = Vec::new();
        if let Some(id) = self.organization {
            caveats.push(Caveat::Organization { id, mask });
        }
        if !self.apps.is_empty() {
            let apps = Caveat::Apps(ResourceSet::new(self.apps.iter().map(|id| (*id, mask))));
            caveats.push(match self.elsewhere {
                Some(otherwise) => Caveat::IfPresent(Box::new(IfPresent { caveats: vec![apps], otherwise })),
                None => apps,
            });
        }
        if let Some(actions) = self.actions {
            caveats.push(Caveat::Action(actions));
        }
        if let Some(lifetime) = self.lifetime {
            // The verifier's clock may be behind this one, and a token is wanted now.
            let not_before = seconds(now.before(CLOCK_SKEW));
            caveats.push(Caveat::ValidityWindow { not_before, not_after: seconds(now.after(lifetime)) });
        }
        caveats
    }
}

fn seconds(moment: Timestamp) -> i64 {
    i64::try_from(moment.seconds()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wish_is_one_caveat_and_no_wish_is_none() {
        let now = Timestamp::from_millis(1_000_000_999);
        let apps = |mask| Caveat::Apps(ResourceSet::new([(7, mask), (8, mask)]));
        let read_write = Mask::READ | Mask::WRITE;
        for (limits, caveats) in [
            (Limits::default(), vec![]),
            (Limits { actions: Some(Mask::READ), ..Limits::default() }, vec![Caveat::Action(Mask::READ)]),
            (Limits { organization: Some(1), ..Limits::default() }, vec![Caveat::Organization { id: 1, mask: Mask::ALL }]),
            (Limits { apps: [8, 7].into(), ..Limits::default() }, vec![apps(Mask::ALL)]),
            (
                Limits { apps: [7, 8].into(), elsewhere: Some(Mask::READ), actions: Some(read_write), ..Limits::default() },
                vec![
                    Caveat::IfPresent(Box::new(IfPresent { caveats: vec![apps(read_write)], otherwise: Mask::READ })),
                    Caveat::Action(read_write),
                ],
            ),
            (
                Limits { lifetime: Some(Duration::from_mins(10)), ..Limits::default() },
                vec![Caveat::ValidityWindow { not_before: 999_940, not_after: 1_000_600 }],
            ),
        ] {
            assert_eq!(limits.caveats(now), caveats);
        }
    }

    #[test]
    fn a_lifetime_past_every_calendar_does_not_wrap() {
        let limits = Limits { lifetime: Some(Duration::MAX), ..Limits::default() };
        let Caveat::ValidityWindow { not_before, not_after } = limits.caveats(Timestamp::from_seconds(10)).remove(0) else { panic!() };
        assert!(not_before == 0 && not_after > 1 << 50);
    }
}
