//! The numbers that apps and organisations have at Fly: caveats hold nothing else. They come from the configuration, or are learnt from a
//! token that the `fly` command minted for the very app.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    app::AppName,
    config::EffectiveRule,
    store::{Change, Store, StoreError, Table},
    token::{ApiToken, Bundle},
};

/// The numbers of one app; what is not known is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ids {
    /// The app's own.
    pub app: Option<u64>,
    /// That of its organisation.
    pub organization: Option<u64>,
}

impl Ids {
    /// What the configuration says.
    pub fn configured(rule: &EffectiveRule<'_>) -> Self {
        Self { app: rule.id, organization: rule.organization_id }
    }

    /// These, and `others` where these say nothing.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self { app: self.app.or(others.app), organization: self.organization.or(others.organization) }
    }

    /// Whether nothing is left to learn.
    pub fn are_known(&self) -> bool {
        self.app.is_some() && self.organization.is_some()
    }

    /// What a token that was minted for one app tells of it; none if it does not keep to one app of one organisation.
    pub fn of_mint(token: &ApiToken) -> Option<Self> {
        let bundle = Bundle::parse(token.expose()).ok()?;
        let mut all = bundle.permissions().map(|(_, macaroon)| {
            let app = macaroon.limited_to_apps().single()?;
            Some(Self { app: Some(app), organization: macaroon.limited_to_organization() })
        });
        let first = all.next()??;
        all.all(|ids| ids == Some(first)).then_some(first)
    }
}

/// What was learnt, kept in the `cache` database: it can be learnt again.
#[derive(Clone)]
pub struct Learnt(pub Arc<Store>);

impl Learnt {
    /// What is known of `app`. A damaged or unreadable record is none: then less can be narrowed, and that is said.
    pub fn of(&self, app: &AppName) -> Ids {
        let record = self.0.cache().load(Table::Ids, app.as_str()).ok().flatten();
        record.and_then(|bytes| rmp_serde::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Learns; a newer mint counts, since an app may be deleted and made anew, or move to another organisation.
    ///
    /// # Errors
    /// When the disk fails; what was known stays.
    ///
    /// # Panics
    /// Never: numbers can be written.
    pub fn learn(&self, app: &AppName, ids: Ids) -> Result<(), StoreError> {
        let before = self.of(app);
        if before == ids {
            return Ok(());
        }
        if before != Ids::default() {
            warn!(%app, "Fly knows this app by other numbers than before: {ids:?}, not {before:?}; was it made anew?");
        }
        let bytes = rmp_serde::to_vec_named(&ids).expect("numbers can be written");
        self.0.cache().update::<StoreError>(Table::Ids, app.as_str(), |_| Ok(Change::Put(bytes.into())))
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::token::{
        Caveat, Mask, ResourceSet,
        forge::{Draft, Forge},
    };

    fn org() -> Draft {
        Forge::new([1; 32]).permission([1; 16]).caveat(Caveat::Organization { id: 7, mask: Mask::ALL })
    }

    fn apps(ids: &[u64]) -> Caveat {
        Caveat::Apps(ResourceSet::new(ids.iter().map(|id| (*id, Mask::ALL))))
    }

    #[test]
    fn only_a_token_of_one_app_tells_its_number() {
        for (draft, expected) in [
            (org().caveat(apps(&[5])), Some(Ids { app: Some(5), organization: Some(7) })),
            (org().caveat(apps(&[5, 6])), None),
            (org().caveat(apps(&[0])), None),
            (org(), None),
        ] {
            let token = ApiToken::new(Zeroizing::new(draft.sign().macaroon.encode().to_string()));
            assert_eq!(Ids::of_mint(&token), expected);
        }
        assert_eq!(Ids::of_mint(&ApiToken::new(Zeroizing::new("fo1_user".into()))), None);
    }
}
