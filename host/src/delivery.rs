//! What leaves: a lease, narrowed for one answer. The wide parent stays in the agent.
//!
//! A `deliver` rule of the configuration says how narrow every answer for an app has to be; a client may wish for less than that.
//! Narrowing is one HMAC per caveat, offline, so each answer gets a copy of its own.

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    lease::Expiry,
    time::Timestamp,
    token::{ApiToken, Assembly, Bundle, CLOCK_SKEW, CannotNarrow, Caveat, Macaroon, Mask, TokenError, Unusable, Usable},
};

/// How narrow a token has to be when it leaves. Nothing set is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Narrowing {
    /// These actions at most.
    pub actions: Option<Actions>,
    /// This much life at most, from when it leaves; whole seconds count.
    pub max_lifetime: Option<Duration>,
}

impl Narrowing {
    /// Whether a token may leave as it is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// As narrow as both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let actions = match (self.actions, other.actions) {
            (Some(one), Some(two)) => Some(Actions(one.0 & two.0)),
            (one, two) => one.or(two),
        };
        let max_lifetime = [self.max_lifetime, other.max_lifetime].into_iter().flatten().min();
        Self { actions, max_lifetime }
    }

    /// Whether it leaves nothing of any token.
    pub fn leaves_nothing(&self) -> bool {
        self.actions.is_some_and(|actions| actions.0 == Mask::NONE)
    }

    /// A client's wish under a rule: what the client does not say is as the rule says.
    ///
    /// # Errors
    /// [`Exceeds`] if the client wants more than the rule gives: less than was asked for is never given in silence.
    pub fn under(self, rule: Self) -> Result<Self, Exceeds> {
        match (self.actions, rule.actions) {
            (Some(wish), Some(most)) if !wish.0.is_within(most.0) => return Err(Exceeds::Actions { wish, most }),
            _ => {}
        }
        match (self.max_lifetime, rule.max_lifetime) {
            (Some(wish), Some(most)) if wish > most => return Err(Exceeds::Lifetime { wish, most }),
            _ => {}
        }
        Ok(Self { actions: self.actions.or(rule.actions), max_lifetime: self.max_lifetime.or(rule.max_lifetime) })
    }

    /// A copy of `token` that is no wider than this, with the discharges it needs and no other. A user token beside macaroons stays behind:
    /// it cannot be narrowed.
    ///
    /// # Errors
    /// [`CannotDeliver`] says why there is no such copy.
    pub fn apply(&self, token: &ApiToken, now: Timestamp) -> Result<Narrowed, CannotDeliver> {
        let bundle = Bundle::parse(token.expose())?;
        let (mut chosen, mut discharges, mut ceiling) = (Assembly::new(), BTreeSet::new(), Mask::NONE);
        let (mut expiry, mut any, mut why) = (Expiry::Never, false, None);
        for (place, macaroon) in bundle.permissions() {
            let narrowed = bundle.usability(place, now).map_err(CannotDeliver::from).and_then(|usable| {
                chosen.narrow(&bundle.items()[place], &self.caveats(macaroon, &usable, now))?;
                Ok(usable)
            });
            match narrowed {
                Ok(usable) => {
                    any = true;
                    ceiling = ceiling | macaroon.ceiling();
                    discharges.extend(usable.discharges);
                    expiry = expiry.earlier(usable.until.map_or(Expiry::Never, Expiry::At)).earlier(self.end(now));
                }
                Err(reason) => why = why.or(Some(reason)),
            }
        }
        if !any {
            return Err(why.unwrap_or(CannotDeliver::User));
        }
        for place in discharges {
            chosen.keep(&bundle.items()[place]);
        }
        let token = chosen.finish().ok_or(CannotDeliver::User)?;
        Ok(Narrowed { token, expiry, ceiling: Actions(ceiling) })
    }

    /// What has to be added to a token; nothing that says what the token says already.
    fn caveats(&self, macaroon: &Macaroon, usable: &Usable, now: Timestamp) -> Vec<Caveat> {
        let mut caveats = Vec::new();
        if let Some(Actions(actions)) = self.actions.filter(|actions| !macaroon.ceiling().is_within(actions.0)) {
            caveats.push(Caveat::Action(actions));
        }
        if let Expiry::At(end) = self.end(now)
            && usable.until.is_none_or(|until| until > end)
        {
            let seconds = |moment: Timestamp| i64::try_from(moment.seconds()).unwrap_or(i64::MAX);
            // Fly's clock may be behind ours, and the token is to be used at once.
            caveats.push(Caveat::ValidityWindow { not_before: seconds(now.before(CLOCK_SKEW)), not_after: seconds(end) });
        }
        caveats
    }

    /// The last moment of what leaves at `now`: caveats count in whole seconds.
    fn end(&self, now: Timestamp) -> Expiry {
        self.max_lifetime.map_or(Expiry::Never, |lifetime| Expiry::At(Timestamp::from_seconds(now.after(lifetime).seconds())))
    }
}

/// A token that was narrowed for one answer.
#[derive(Debug)]
pub struct Narrowed {
    /// The token.
    pub token: ApiToken,
    /// When it stops being usable.
    pub expiry: Expiry,
    /// What it could allow before it was narrowed.
    ceiling: Actions,
}

impl Narrowed {
    /// The token, if it allows the actions that a client asked for by name.
    ///
    /// # Errors
    /// [`CannotDeliver::TooNarrow`] if it allows less.
    pub fn with(self, wish: Option<Actions>) -> Result<Self, CannotDeliver> {
        match wish.filter(|actions| !(actions.0 & Mask::ALL).is_within(self.ceiling.0)) {
            Some(actions) => Err(CannotDeliver::TooNarrow { actions, ceiling: self.ceiling }),
            None => Ok(self),
        }
    }
}

/// A set of actions as people write it: letters of `rwcdC`, or `*` for all; one at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actions(pub Mask);

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Actions {
    type Err = NoActions;

    fn from_str(text: &str) -> Result<Self, NoActions> {
        text.parse().ok().filter(|mask| *mask != Mask::NONE).map(Self).ok_or(NoActions)
    }
}

impl Serialize for Actions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Actions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that names no actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("actions are letters: r to read, w to write, c to create, d to delete, C to control, or * for all")]
pub struct NoActions;

/// A client wants more than a rule gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeds {
    /// Other actions.
    #[error("its `deliver` rule gives the actions {most} at most, and {wish} were asked for")]
    Actions {
        /// What was asked for.
        wish: Actions,
        /// What the rule gives.
        most: Actions,
    },
    /// A longer life.
    #[error("its `deliver` rule gives a token {} s of life at most, and {} s were asked for", most.as_secs(), wish.as_secs())]
    Lifetime {
        /// What was asked for.
        wish: Duration,
        /// What the rule gives.
        most: Duration,
    },
}

/// Why a token cannot leave as narrow as it has to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotDeliver {
    /// There is no macaroon in it.
    #[error("it holds only a user token, which cannot be narrowed")]
    User,
    /// A macaroon in it is closed.
    #[error(transparent)]
    Closed(#[from] CannotNarrow),
    /// No permission token in it can be used now.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// It cannot be read.
    #[error(transparent)]
    NoToken(#[from] TokenError),
    /// It allows less than is asked for.
    #[error("it allows the actions {ceiling} at most, and {actions} were asked for")]
    TooNarrow {
        /// What was asked for.
        actions: Actions,
        /// What it allows.
        ceiling: Actions,
    },
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::token::{
        ItemKind,
        forge::{Draft, Forge},
    };

    const NOW: u64 = 1_800_000_000;

    fn now() -> Timestamp {
        Timestamp::from_seconds(NOW)
    }

    fn token(text: &str) -> ApiToken {
        ApiToken::new(Zeroizing::new(text.to_owned()))
    }

    fn permission() -> Draft {
        Forge::new([1; 32]).permission([1; 16]).caveat(Caveat::Organization { id: 7, mask: Mask::ALL })
    }

    fn text(draft: Draft) -> String {
        draft.sign().macaroon.encode().to_string()
    }

    fn narrowing(actions: &str, minutes: u64) -> Narrowing {
        Narrowing { actions: actions.parse().ok(), max_lifetime: (minutes > 0).then(|| Duration::from_mins(minutes)) }
    }

    fn read(narrowed: &Narrowed) -> Bundle {
        let bundle = Bundle::parse(narrowed.token.expose()).unwrap();
        bundle.check().unwrap();
        bundle
    }

    #[test]
    fn an_answer_is_no_wider_and_no_longer_than_asked_and_still_signed() {
        let narrowed = narrowing("r", 10).apply(&token(&text(permission())), now()).unwrap();
        let bundle = read(&narrowed);
        let (_, macaroon) = bundle.permissions().next().unwrap();
        assert!(macaroon.reads_only() && macaroon.is_signed_with(&[1; 32]));
        let end = Timestamp::from_seconds(NOW + 600);
        assert_eq!((macaroon.window().not_after, narrowed.expiry), (Some(end), Expiry::At(end)));
        assert!(macaroon.window().not_before.unwrap() < now(), "a clock that is behind takes it");
    }

    #[test]
    fn what_is_narrow_already_goes_out_byte_for_byte() {
        let window = Caveat::ValidityWindow { not_before: 0, not_after: i64::try_from(NOW + 60).unwrap() };
        let narrow = text(permission().caveat(Caveat::Action(Mask::READ)).caveat(window));
        let narrowed = narrowing("rw", 0).apply(&token(&narrow), now()).unwrap();
        assert_eq!(narrowed.token.expose(), narrow, "a rule says what is given at most");
        let wish = "rw".parse().unwrap();
        let expected = CannotDeliver::TooNarrow { actions: wish, ceiling: "r".parse().unwrap() };
        assert_eq!(narrowed.with(Some(wish)).unwrap_err(), expected, "less than was asked for is no answer");
        let narrowed = narrowing("r", 10).apply(&token(&narrow), now()).unwrap();
        assert_eq!(narrowed.token.expose(), narrow);
        assert_eq!(narrowed.expiry, Expiry::At(Timestamp::from_seconds(NOW + 60)));
    }

    #[test]
    fn a_user_token_stays_behind_and_alone_it_is_no_answer() {
        let forged = permission().third_party("https://auth.fly.io").sign();
        let discharge = forged.tickets[0].discharge([3; 16]).sign().macaroon.encode();
        let whole = format!("{},{},fo1_user", *forged.macaroon.encode(), *discharge);
        let narrowed = narrowing("r", 0).apply(&token(&whole), now()).unwrap();
        let kinds: Vec<_> = read(&narrowed).items().iter().map(crate::token::Item::kind).collect();
        assert_eq!(kinds, [ItemKind::Permission, ItemKind::Discharge]);
        assert_eq!(narrowing("r", 0).apply(&token("fo1_user"), now()).unwrap_err(), CannotDeliver::User);
        let undischarged = narrowing("", 5).apply(&token(&forged.macaroon.encode()), now());
        assert!(matches!(undischarged, Err(CannotDeliver::Unusable(Unusable::Undischarged { .. }))));
    }

    #[test]
    fn a_wish_may_be_less_than_the_rule_and_never_more() {
        let rule = narrowing("rw", 15);
        for (wish, expected) in [
            (narrowing("", 0), Some(rule)),
            (narrowing("r", 0), Some(narrowing("r", 15))),
            (narrowing("rw", 5), Some(narrowing("rw", 5))),
            (narrowing("rwc", 0), None),
            (narrowing("*", 0), None),
            (narrowing("r", 16), None),
        ] {
            assert_eq!(wish.under(rule).ok(), expected, "{wish:?}");
            assert_eq!(wish.under(Narrowing::default()), Ok(wish));
        }
    }

    #[test]
    fn actions_are_letters_and_one_at_least() {
        for text in ["", "x", "R", "r,w"] {
            assert_eq!(text.parse::<Actions>(), Err(NoActions), "{text}");
        }
        assert_eq!("Cr".parse::<Actions>().unwrap().to_string(), "rC");
    }
}
