//! For tests: what a verifier says to an access, as Fly's library decides it. The judge of what narrowing and bounds may claim.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    attenuate::CannotNarrow,
    caveat::{Caveat, IfPresent},
    caveat_bytes::tests::any_caveat,
    forge::Forge,
    limits::Limits,
    macaroon::Macaroon,
    mask::Mask,
    resources::ResourceSet,
    scope::AppLimit,
};
use crate::time::Timestamp;

/// Something that somebody wants to do.
#[derive(Debug, Clone)]
struct Access {
    action: Mask,
    now: i64,
    organization: Option<u64>,
    app: Option<u64>,
    feature: Option<Box<str>>,
    /// Parts of an app, which only exist where an app is named.
    machine: Option<Box<str>>,
    volume: Option<Box<str>>,
    mutation: Option<Box<str>>,
    /// What a verifier says about whatever this crate cannot judge: types it does not know, users, machines the request comes from.
    other: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Denied,
    /// The access is not about the kind of thing that the caveat is about.
    Unspecified,
}

impl Access {
    fn is_allowed_by(&self, macaroon: &Macaroon) -> bool {
        macaroon.caveats().all(|caveat| self.judge(caveat) == Verdict::Allowed)
    }

    fn judge(&self, caveat: &Caveat) -> Verdict {
        match caveat {
            Caveat::Action(mask) => allowed(self.action.is_within(*mask)),
            Caveat::ValidityWindow { not_before, not_after } => allowed((*not_before..=*not_after).contains(&self.now)),
            Caveat::Organization { id, mask } => match self.organization {
                Some(organization) => allowed(organization == *id && self.action.is_within(*mask)),
                None => Verdict::Unspecified,
            },
            Caveat::Apps(set) => self.judge_set(set, self.app.as_ref()),
            Caveat::FeatureSet(set) => self.judge_set(set, self.feature.as_ref()),
            Caveat::Machines(set) => self.judge_set(set, self.machine.as_ref()),
            Caveat::Volumes(set) => self.judge_set(set, self.volume.as_ref()),
            Caveat::MachineFeatureSet(_) | Caveat::AppFeatureSet(_) | Caveat::Clusters(_) | Caveat::StorageObjects(_) => {
                Verdict::Unspecified
            }
            Caveat::Mutations(names) => match &self.mutation {
                Some(mutation) => allowed(names.contains(mutation)),
                None => Verdict::Unspecified,
            },
            Caveat::IfPresent(inner) => self.judge_condition(inner),
            _ => self.other,
        }
    }

    fn judge_set<Id: Ord + Default>(&self, set: &ResourceSet<Id>, named: Option<&Id>) -> Verdict {
        match named {
            None => Verdict::Unspecified,
            Some(_) if set.is_contradictory() => Verdict::Denied,
            Some(named) => allowed(set.iter().any(|(id, mask)| (id == named || set.is_wildcard()) && self.action.is_within(mask))),
        }
    }

    fn judge_condition(&self, inner: &IfPresent) -> Verdict {
        let verdicts: Vec<_> = inner.caveats.iter().map(|caveat| self.judge(caveat)).collect();
        if verdicts.iter().all(|verdict| *verdict == Verdict::Unspecified) {
            return allowed(self.action.is_within(inner.otherwise));
        }
        allowed(!verdicts.contains(&Verdict::Denied))
    }
}

fn allowed(yes: bool) -> Verdict {
    if yes { Verdict::Allowed } else { Verdict::Denied }
}

fn small_mask() -> impl Strategy<Value = Mask> {
    prop_oneof![Just(Mask::READ), Just(Mask::ALL), (0_u16..32).prop_map(Mask::from_bits)]
}

fn name() -> impl Strategy<Value = Box<str>> {
    prop_oneof![Just(""), Just("a"), Just("b")].prop_map(Box::from)
}

/// Caveats about few things, so that accesses hit them.
fn likely_caveat() -> impl Strategy<Value = Caveat> {
    let set = || prop::collection::vec((name(), small_mask()), 0..3).prop_map(ResourceSet::new);
    let leaf = prop_oneof![
        small_mask().prop_map(Caveat::Action),
        (1_u64..3, small_mask()).prop_map(|(id, mask)| Caveat::Organization { id, mask }),
        prop::collection::vec((0_u64..4, small_mask()), 0..3).prop_map(|apps| Caveat::Apps(ResourceSet::new(apps))),
        (0_i64..3, 0_i64..4).prop_map(|(not_before, not_after)| Caveat::ValidityWindow { not_before, not_after }),
        set().prop_map(Caveat::FeatureSet),
        set().prop_map(Caveat::Machines),
        set().prop_map(Caveat::Volumes),
        prop::collection::vec(name(), 0..2).prop_map(Caveat::Mutations),
        Just(Caveat::IsMember),
        Just(Caveat::ConfineUser(1)),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        (prop::collection::vec(inner, 0..4), small_mask())
            .prop_map(|(caveats, otherwise)| Caveat::IfPresent(Box::new(IfPresent { caveats, otherwise })))
    })
}

fn access() -> impl Strategy<Value = Access> {
    let other = prop_oneof![Just(Verdict::Allowed), Just(Verdict::Denied), Just(Verdict::Unspecified)];
    let part = || prop::option::of(name());
    let things = (prop::option::of(1_u64..4), prop::option::of(1_u64..3), part(), part(), part(), part());
    (0_u32..5, 0_i64..4, things, other).prop_map(|(bit, now, (app, organization, feature, machine, volume, mutation), other)| Access {
        action: Mask::from_bits(1 << bit),
        now,
        organization,
        feature,
        machine: machine.filter(|_| app.is_some()),
        volume: volume.filter(|_| app.is_some()),
        app,
        mutation,
        other,
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let mask = || prop::option::of(small_mask());
    (mask(), prop::option::of(1_u64..3), prop::collection::btree_set(1_u64..4, 0..3), mask(), prop::option::of(0_u64..3)).prop_map(
        |(actions, organization, apps, elsewhere, lifetime)| Limits {
            actions,
            organization,
            apps,
            elsewhere,
            lifetime: lifetime.map(Duration::from_secs),
        },
    )
}

fn token(caveats: &[Caveat]) -> Macaroon {
    caveats.iter().fold(Forge::new([3; 32]).permission([4; 16]), |draft, caveat| draft.caveat(caveat.clone())).sign().macaroon
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn narrowing_never_widens(
        before in prop::collection::vec(likely_caveat(), 0..4),
        added in prop::collection::vec(prop_oneof![likely_caveat(), any_caveat()], 0..4),
        accesses in prop::collection::vec(access(), 16),
    ) {
        let wide = token(&before);
        let Ok(narrow) = wide.attenuated(&added) else { return Ok(()) };
        prop_assert!(narrow.is_signed_with(&[3; 32]));
        prop_assert!(narrow.ceiling().is_within(wide.ceiling()));
        for access in accesses {
            let asked_for = added.iter().all(|caveat| access.judge(caveat) == Verdict::Allowed);
            prop_assert_eq!(access.is_allowed_by(&narrow), access.is_allowed_by(&wide) && asked_for, "{:?}", access);
        }
    }

    #[test]
    fn what_was_asked_for_bounds_every_access(
        before in prop::collection::vec(likely_caveat(), 0..2),
        limits in limits(),
        accesses in prop::collection::vec(access(), 16),
    ) {
        let (wide, added) = (token(&before), limits.caveats(Timestamp::from_seconds(1)));
        let narrow = match wide.attenuated(&added) {
            Ok(narrow) => narrow,
            Err(why) => {
                prop_assert_eq!(why, CannotNarrow::Nothing);
                let asked_for = |access: &&Access| added.iter().all(|caveat| access.judge(caveat) == Verdict::Allowed);
                prop_assert!(!accesses.iter().filter(asked_for).any(|access| access.is_allowed_by(&wide)));
                return Ok(());
            }
        };
        for access in accesses.iter().filter(|access| access.is_allowed_by(&narrow)) {
            prop_assert!(access.action.is_within(limits.actions.unwrap_or(Mask::ANY)), "{:?}", access);
            prop_assert!(limits.organization.is_none_or(|id| access.organization == Some(id)), "{:?}", access);
            prop_assert!(limits.lifetime.is_none_or(|lifetime| access.now <= 1 + lifetime.as_secs().cast_signed()), "{:?}", access);
            if !limits.apps.is_empty() {
                let elsewhere = || limits.elsewhere.is_some_and(|otherwise| access.action.is_within(otherwise));
                prop_assert!(access.app.map_or_else(elsewhere, |app| limits.apps.contains(&app)), "{:?}", access);
            }
        }
    }

    #[test]
    fn bounds_hold_for_every_access(
        caveats in prop::collection::vec(likely_caveat(), 0..4),
        accesses in prop::collection::vec(access(), 16),
    ) {
        let token = token(&caveats);
        for access in accesses.iter().filter(|access| access.is_allowed_by(&token)) {
            prop_assert!(!token.allows_nothing(), "{:?}", access);
            prop_assert!(access.action.is_within(token.ceiling()), "{:?}", access);
            if let (Some(limit), Some(organization)) = (token.limited_to_organization(), access.organization) {
                prop_assert_eq!(limit, organization);
            }
            let changes = !access.action.is_within(Mask::READ);
            if let (true, AppLimit::Only(apps)) = (changes, token.limited_to_apps()) {
                match access.app {
                    Some(app) => prop_assert!(apps.contains(&app), "{:?}", access),
                    None => prop_assert!(access.feature.is_some(), "{:?}", access),
                }
            }
        }
    }
}
