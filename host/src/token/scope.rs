//! What a token is limited to: organisation, apps, actions.
//!
//! Two kinds of question. For people: what Fly's library says a token's scope is ([`Macaroon::organization`], [`Macaroon::apps`]). For
//! decisions: bounds that hold whatever is accessed ([`Macaroon::ceiling`], [`Macaroon::limited_to_apps`]); where a caveat leaves a doubt,
//! they answer as if it did not limit.

use std::collections::BTreeSet;

use super::{
    caveat::{Caveat, IfPresent},
    macaroon::Macaroon,
    mask::Mask,
    resources::ResourceSet,
};

/// Which apps a token can touch at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppLimit {
    /// Any app.
    Any,
    /// These, by internal number; perhaps none.
    Only(BTreeSet<u64>),
}

impl AppLimit {
    /// Whether nothing but `app` can be touched.
    pub fn is_within(&self, app: u64) -> bool {
        matches!(self, Self::Only(apps) if apps.iter().all(|id| *id == app))
    }

    /// The one app it is limited to, if it is one.
    pub fn single(&self) -> Option<u64> {
        match self {
            Self::Only(apps) if apps.len() == 1 => apps.first().copied(),
            _ => None,
        }
    }

    fn narrow(&mut self, ids: BTreeSet<u64>) {
        *self = match std::mem::replace(self, Self::Any) {
            Self::Any => Self::Only(ids),
            Self::Only(before) => Self::Only(before.intersection(&ids).copied().collect()),
        };
    }
}

/// Why a token has no organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// It names none.
    #[error("the token names no organisation")]
    Missing,
    /// It names two, and nothing belongs to both.
    #[error("the token is limited to two organisations at once, which allows nothing")]
    Several,
}

impl Macaroon {
    /// The organisation, by internal number, as Fly's library tells it: from every such caveat, those inside conditions included.
    ///
    /// # Errors
    /// [`ScopeError`] if there is none, or more than one.
    pub fn organization(&self) -> Result<u64, ScopeError> {
        let mut ids = self.all_caveats().filter_map(|caveat| match caveat {
            Caveat::Organization { id, .. } => Some(*id),
            _ => None,
        });
        let first = ids.next().ok_or(ScopeError::Missing)?;
        if ids.all(|id| id == first || id == 0) { Ok(first) } else { Err(ScopeError::Several) }
    }

    /// The organisation that a token cannot leave: the same, but from caveats that always count.
    pub fn limited_to_organization(&self) -> Option<u64> {
        self.caveats().find_map(|caveat| match caveat {
            Caveat::Organization { id, .. } if *id != 0 => Some(*id),
            _ => None,
        })
    }

    /// The apps as Fly's library tells them: those that every such caveat lists, inside conditions or not, whatever the actions.
    pub fn apps(&self) -> AppLimit {
        let mut limit = AppLimit::Any;
        for set in self.all_caveats().filter_map(app_set).filter(|set| !set.has_wildcard()) {
            limit.narrow(set.iter().map(|(id, _)| *id).collect());
        }
        limit
    }

    /// The apps outside of which the token can change nothing, but for features of the organisation.
    ///
    /// Unlike [`Macaroon::apps`] this counts a caveat inside a condition only if the condition allows at most reading where no app is
    /// named. Features of the organisation that it names beside the apps, such as builders for deploying, stay usable: they are no apps.
    pub fn limited_to_apps(&self) -> AppLimit {
        let mut limit = AppLimit::Any;
        for caveat in self.caveats() {
            match caveat {
                Caveat::Apps(set) => narrow_to(&mut limit, set),
                Caveat::IfPresent(inner) if allowed_elsewhere(inner).is_within(Mask::READ) => {
                    inner.caveats.iter().filter_map(app_set).for_each(|set| narrow_to(&mut limit, set));
                }
                _ => {}
            }
        }
        limit
    }

    /// Every action that the token could allow on anything: no access with another action succeeds.
    pub fn ceiling(&self) -> Mask {
        self.caveats().fold(Mask::ANY, |all, caveat| all & ceiling(caveat))
    }

    /// Whether the token certainly allows nothing, whatever is asked for.
    pub fn allows_nothing(&self) -> bool {
        // An access to nothing in any app is denied too: outside of conditions a caveat about apps has to allow.
        let mut limit = AppLimit::Any;
        self.caveats().filter_map(app_set).for_each(|set| narrow_to(&mut limit, set));
        self.ceiling() == Mask::NONE || matches!(limit, AppLimit::Only(apps) if apps.is_empty())
    }

    /// Whether the token allows nothing but reading.
    pub fn reads_only(&self) -> bool {
        self.ceiling().is_within(Mask::READ)
    }
}

fn app_set(caveat: &Caveat) -> Option<&ResourceSet<u64>> {
    match caveat {
        Caveat::Apps(set) => Some(set),
        _ => None,
    }
}

fn narrow_to(limit: &mut AppLimit, set: &ResourceSet<u64>) {
    if set.is_contradictory() {
        limit.narrow(BTreeSet::new());
    } else if !set.is_wildcard() {
        limit.narrow(set.iter().filter(|(_, mask)| *mask != Mask::NONE).map(|(id, _)| *id).collect());
    }
}

/// An upper bound of what one caveat allows.
fn ceiling(caveat: &Caveat) -> Mask {
    match caveat {
        Caveat::Action(mask) | Caveat::Organization { mask, .. } => *mask,
        Caveat::Apps(set) => set.ceiling(),
        Caveat::Volumes(set)
        | Caveat::FeatureSet(set)
        | Caveat::Machines(set)
        | Caveat::MachineFeatureSet(set)
        | Caveat::Clusters(set)
        | Caveat::AppFeatureSet(set)
        | Caveat::StorageObjects(set) => set.ceiling(),
        Caveat::IfPresent(inner) => {
            certain(inner).unwrap_or_else(|| inner.caveats.iter().map(ceiling).fold(inner.otherwise, |all, mask| all | mask))
        }
        // The rest limits something else than actions, or nobody here can tell what.
        _ => Mask::ANY,
    }
}

/// An upper bound of what a condition allows where neither an app, a part of an app nor a feature is named.
fn allowed_elsewhere(inner: &IfPresent) -> Mask {
    let about_something_else = |caveat: &&Caveat| !is_about_apps_or_features(caveat);
    certain(inner)
        .unwrap_or_else(|| inner.caveats.iter().filter(about_something_else).map(ceiling).fold(inner.otherwise, |all, mask| all | mask))
}

/// What those caveats in a condition allow that have an answer to every access; none if there is no such caveat.
///
/// With one of them the condition's `otherwise` never counts, since something in it always applies.
fn certain(inner: &IfPresent) -> Option<Mask> {
    let is_certain = |caveat: &&Caveat| matches!(caveat, Caveat::Action(_) | Caveat::ValidityWindow { .. });
    inner.caveats.iter().filter(is_certain).map(ceiling).reduce(|all, mask| all & mask)
}

fn is_about_apps_or_features(caveat: &Caveat) -> bool {
    matches!(
        caveat,
        Caveat::Apps(_)
            | Caveat::Volumes(_)
            | Caveat::FeatureSet(_)
            | Caveat::Machines(_)
            | Caveat::MachineFeatureSet(_)
            | Caveat::AppFeatureSet(_)
            | Caveat::Commands(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::forge::{Draft, Forge};

    fn token(caveats: Vec<Caveat>) -> Macaroon {
        caveats.into_iter().fold(Forge::new([7; 32]).permission([1; 16]), Draft::caveat).sign().macaroon
    }

    fn apps(ids: &[(u64, Mask)]) -> Caveat {
        Caveat::Apps(ResourceSet::new(ids.iter().copied()))
    }

    fn features(mask: Mask) -> Caveat {
        Caveat::FeatureSet(ResourceSet::new([("builder".into(), mask)]))
    }

    fn if_present(caveats: Vec<Caveat>, otherwise: Mask) -> Caveat {
        Caveat::IfPresent(Box::new(IfPresent { caveats, otherwise }))
    }

    #[test]
    fn only_what_always_counts_limits_apps() {
        let organization = || Caveat::Organization { id: 1, mask: Mask::ALL };
        let window = || Caveat::ValidityWindow { not_before: 0, not_after: 1 };
        let only = |ids: &[u64]| AppLimit::Only(ids.iter().copied().collect());
        for (caveats, limit) in [
            (vec![], AppLimit::Any),
            (vec![apps(&[(7, Mask::ALL)])], only(&[7])),
            (vec![apps(&[(7, Mask::ALL), (8, Mask::NONE)])], only(&[7])),
            (vec![apps(&[(7, Mask::ALL), (8, Mask::READ)]), apps(&[(8, Mask::ALL), (9, Mask::ALL)])], only(&[8])),
            (vec![apps(&[(0, Mask::ALL)])], AppLimit::Any),
            (vec![apps(&[(0, Mask::ALL), (7, Mask::ALL)])], only(&[])),
            (vec![apps(&[])], only(&[])),
            (vec![if_present(vec![apps(&[(7, Mask::ALL)])], Mask::READ)], only(&[7])),
            (vec![if_present(vec![apps(&[(7, Mask::ALL)]), features(Mask::ALL)], Mask::READ)], only(&[7])),
            (vec![if_present(vec![apps(&[(7, Mask::ALL)])], Mask::ALL)], AppLimit::Any),
            (vec![if_present(vec![apps(&[(7, Mask::ALL)]), window()], Mask::READ)], AppLimit::Any),
            (vec![if_present(vec![apps(&[(7, Mask::ALL)]), organization()], Mask::READ)], AppLimit::Any),
            (vec![if_present(vec![apps(&[(7, Mask::ALL)]), Caveat::Action(Mask::READ)], Mask::ALL)], only(&[7])),
        ] {
            let shown = format!("{caveats:?}");
            assert_eq!(token(caveats).limited_to_apps(), limit, "{shown}");
        }
    }

    #[test]
    fn the_ceiling_is_what_no_caveat_excludes() {
        let change = Mask::READ | Mask::WRITE;
        for (caveats, ceiling) in [
            (vec![], Mask::ANY),
            (vec![Caveat::Organization { id: 1, mask: Mask::ALL }, Caveat::Action(Mask::READ)], Mask::READ),
            (vec![Caveat::Organization { id: 1, mask: Mask::READ }], Mask::READ),
            (vec![apps(&[(7, Mask::READ), (8, change)])], change),
            (vec![apps(&[(0, Mask::ALL), (8, change)])], Mask::NONE),
            (vec![if_present(vec![apps(&[(7, change)])], Mask::READ)], change),
            (vec![if_present(vec![apps(&[(7, Mask::READ)])], Mask::READ)], Mask::READ),
            (vec![if_present(vec![apps(&[(7, Mask::ALL)]), Caveat::Action(Mask::READ)], Mask::ALL)], Mask::READ),
            (vec![if_present(vec![Caveat::IsMember], Mask::READ)], Mask::ANY),
        ] {
            let shown = format!("{caveats:?}");
            assert_eq!(token(caveats).ceiling(), ceiling, "{shown}");
        }
    }
}
