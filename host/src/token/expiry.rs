//! When a token can be used, its discharges considered.

use std::{fmt, time::Duration};

use super::{
    bundle::Bundle,
    caveat::{Caveat, ThirdParty},
    macaroon::Macaroon,
};
use crate::time::Timestamp;

/// How far this machine's clock may be behind the issuer's before a fresh token counts as not valid yet.
pub const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// From when until when a macaroon holds by its own caveats. Both ends belong to it; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// The first moment.
    pub not_before: Option<Timestamp>,
    /// The last moment.
    pub not_after: Option<Timestamp>,
}

impl Window {
    /// On which side of the window `now` is, if it is not in it; it may be up to `skew` early.
    pub fn missed(self, now: Timestamp, skew: Duration) -> Option<Missed> {
        match (self.not_before, self.not_after) {
            (_, Some(end)) if now > end => Some(Missed::Over(end)),
            (Some(beginning), _) if now.after(skew) < beginning => Some(Missed::Ahead(beginning)),
            _ => None,
        }
    }
}

/// The side of a [`Window`] on which a moment outside of it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Behind the last moment, which is this.
    Over(Timestamp),
    /// Before the first moment, which is this.
    Ahead(Timestamp),
}

impl Macaroon {
    /// What all of its validity windows have in common, those inside conditions included, as Fly's library counts.
    pub fn window(&self) -> Window {
        let mut common = Window::default();
        for caveat in self.all_caveats() {
            if let Caveat::ValidityWindow { not_before, not_after } = caveat {
                let (from, until) = (moment(*not_before), moment(*not_after));
                common.not_before = Some(common.not_before.map_or(from, |before| before.max(from)));
                common.not_after = Some(common.not_after.map_or(until, |before| before.min(until)));
            }
        }
        common
    }

    /// Whether it answers `third_party`'s ticket; nothing but the ticket decides that.
    pub fn discharges(&self, third_party: &ThirdParty) -> bool {
        self.kid() == third_party.ticket.as_slice()
    }
}

/// How a permission token can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usable {
    /// The last moment, of the token itself and of the discharges below; none if there is no end.
    pub until: Option<Timestamp>,
    /// Places in the bundle of the discharges to send along: one for each ticket, ascending. Every other one is better left out.
    pub discharges: Vec<usize>,
}

impl Bundle {
    /// How the permission token at `place` can be used at `now`, if it is sent with the right discharges and no others.
    ///
    /// For each ticket that is the discharge that lives longest. [`CLOCK_SKEW`] is forgiven at the beginning, nothing at the end.
    ///
    /// # Errors
    /// [`Unusable`] says why it cannot be used.
    pub fn usability(&self, place: usize, now: Timestamp) -> Result<Usable, Unusable> {
        self.judge(place, now, |third_party| {
            let (living, rest): (Vec<_>, Vec<_>) =
                self.matching(third_party).partition(|(_, discharge)| discharge.window().missed(now, CLOCK_SKEW).is_none());
            // Of several that live equally long the first: that is the one a verifier would take.
            let longest = living.into_iter().rev().max_by_key(|(_, discharge)| discharge.window().not_after.unwrap_or(FOREVER));
            longest.or_else(|| rest.into_iter().next_back())
        })
    }

    /// How the permission token at `place` can be used at `now`, if the bundle is sent exactly as it is.
    ///
    /// A verifier takes the first discharge for a ticket, so that an expired one hides a fresh one behind it.
    ///
    /// # Errors
    /// [`Unusable`] says why it cannot be used.
    pub fn usability_as_sent(&self, place: usize, now: Timestamp) -> Result<Usable, Unusable> {
        match self.judge(place, now, |third_party| self.matching(third_party).next()) {
            Err(Unusable::DischargeExpired { location, .. } | Unusable::DischargeNotYet { location, .. })
                if self.usability(place, now).is_ok() =>
            {
                Err(Unusable::Hidden { location })
            }
            other => other,
        }
    }

    fn judge<'a>(
        &'a self,
        place: usize,
        now: Timestamp,
        choose: impl Fn(&ThirdParty) -> Option<(usize, &'a Macaroon)>,
    ) -> Result<Usable, Unusable> {
        let permission = self.permissions().find(|(at, _)| *at == place).ok_or(Unusable::NotPermission)?.1;
        match permission.window().missed(now, CLOCK_SKEW) {
            Some(Missed::Over(at)) => return Err(Unusable::Expired { at }),
            Some(Missed::Ahead(from)) => return Err(Unusable::NotYet { from }),
            None => {}
        }
        if permission.organization() == Err(super::ScopeError::Several) {
            return Err(Unusable::Organizations);
        }
        if permission.allows_nothing() {
            return Err(Unusable::Nothing);
        }
        if !permission.is_proof() && permission.caveats().any(Caveat::is_attestation) {
            return Err(Unusable::Attestation);
        }
        let mut usable = Usable { until: permission.window().not_after, discharges: Vec::new() };
        for third_party in permission.third_parties() {
            let location = Location(third_party.location.clone());
            let Some((at, discharge)) = choose(third_party) else {
                return Err(Unusable::Undischarged { location });
            };
            match discharge.window().missed(now, CLOCK_SKEW) {
                Some(Missed::Over(at)) => return Err(Unusable::DischargeExpired { location, at }),
                Some(Missed::Ahead(from)) => return Err(Unusable::DischargeNotYet { location, from }),
                None => {}
            }
            usable.until = [usable.until, discharge.window().not_after].into_iter().flatten().min();
            usable.discharges.push(at);
        }
        usable.discharges.sort_unstable();
        usable.discharges.dedup();
        Ok(usable)
    }

    /// The discharge that a verifier looks at for `third_party` if the bundle is sent as it is: the first that answers its ticket.
    pub fn discharge_for(&self, third_party: &ThirdParty) -> Option<&Macaroon> {
        self.matching(third_party).next().map(|(_, discharge)| discharge)
    }

    /// The discharges for a ticket, in order. One that asks for a discharge itself is none: verifiers do not nest them.
    ///
    /// Whether one that is bound to a parent is bound to this very token cannot be told: that takes signatures from the
    /// middle of the chain.
    fn matching(&self, third_party: &ThirdParty) -> impl DoubleEndedIterator<Item = (usize, &Macaroon)> {
        let all: Vec<_> = self.discharges().filter(|(_, discharge)| discharge.discharges(third_party)).collect();
        all.into_iter().filter(|(_, discharge)| discharge.third_parties().next().is_none())
    }
}

/// Unix seconds as a moment; what lies before 1970 is over anyway.
fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(u64::try_from(seconds).unwrap_or(0))
}

/// Later than any moment that a token can hold.
const FOREVER: Timestamp = Timestamp::from_millis(u64::MAX);

/// Why a permission token cannot be used. Texts leave times to the caller, who knows the user's time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is no permission token at that place.
    #[error("it is not a permission token")]
    NotPermission,
    /// Its own last moment has passed.
    #[error("it has expired")]
    Expired {
        /// That moment.
        at: Timestamp,
    },
    /// Its own first moment has not come.
    #[error("it is not valid yet")]
    NotYet {
        /// That moment.
        from: Timestamp,
    },
    /// It names two organisations, and nothing belongs to both.
    #[error("it is limited to two organisations at once, which allows nothing")]
    Organizations,
    /// Its caveats leave nothing, whatever is asked for.
    #[error("its caveats exclude each other, so that it allows nothing")]
    Nothing,
    /// A statement about who somebody is makes a token invalid unless it is a finished discharge.
    #[error("it states who its user is, which only a discharge may")]
    Attestation,
    /// A discharge is missing.
    #[error("its discharge from {location} is missing: was the text cut at a comma?")]
    Undischarged {
        /// The third party.
        location: Location,
    },
    /// The last moment of its discharge has passed.
    #[error("its discharge from {location} has expired")]
    DischargeExpired {
        /// The third party.
        location: Location,
        /// That moment; of several discharges that of the last in order.
        at: Timestamp,
    },
    /// The first moment of its discharge has not come.
    #[error("its discharge from {location} is not valid yet")]
    DischargeNotYet {
        /// The third party.
        location: Location,
        /// That moment.
        from: Timestamp,
    },
    /// A discharge that does not hold now stands before a good one, and verifiers look at the first.
    #[error("an expired discharge from {location} stands before a good one, and only the first counts")]
    Hidden {
        /// The third party.
        location: Location,
    },
}

impl Unusable {
    /// The moment it is about, if it is about one.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Expired { at }
            | Self::NotYet { from: at }
            | Self::DischargeExpired { at, .. }
            | Self::DischargeNotYet { from: at, .. } => Some(*at),
            Self::NotPermission
            | Self::Organizations
            | Self::Nothing
            | Self::Attestation
            | Self::Undischarged { .. }
            | Self::Hidden { .. } => None,
        }
    }
}

/// A third party's location, as a token names it: text from outside, so it is shortened and escaped when shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location(Box<str>);

impl Location {
    /// As it stands in the token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().take(LONGEST_SHOWN).flat_map(char::escape_debug).try_for_each(|character| write!(f, "{character}"))?;
        if self.0.chars().nth(LONGEST_SHOWN).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

/// A location may not fill a terminal.
const LONGEST_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{AUTH_LOCATION, Assembly, Mask, forge::Forge};

    const END: i64 = 1000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn window(not_before: i64, not_after: i64) -> Caveat {
        Caveat::ValidityWindow { not_before, not_after }
    }

    #[test]
    fn the_last_second_counts_and_the_first_may_be_a_minute_ahead() {
        let token = Forge::new([1; 32]).permission([1; 16]).caveat(window(500, END)).sign().macaroon;
        let window = token.window();
        for (now, missed) in [
            (at(439), Some(Missed::Ahead(at(500)))),
            (at(440), None),
            (at(1000), None),
            (Timestamp::from_millis(1_000_001), Some(Missed::Over(at(1000)))),
        ] {
            assert_eq!(window.missed(now, CLOCK_SKEW), missed, "{now:?}");
        }
    }

    #[test]
    fn times_out_of_reach_do_not_wrap() {
        for (not_before, not_after, missed) in [
            (i64::MIN, -1, Some(Missed::Over(at(0)))),
            (i64::MIN, i64::MAX, None),
            (i64::MAX, i64::MAX, Some(Missed::Ahead(Timestamp::from_millis(u64::MAX)))),
        ] {
            let token = Forge::new([1; 32]).permission([1; 16]).caveat(window(not_before, not_after)).sign().macaroon;
            assert_eq!(token.window().missed(at(1), CLOCK_SKEW), missed);
        }
    }

    #[test]
    fn what_keeps_a_token_from_being_used_is_said() {
        let plain = || Forge::new([1; 32]).permission([1; 16]);
        let forged = plain().third_party(AUTH_LOCATION).sign();
        let discharge = |from, until| forged.tickets[0].discharge([1; 16]).caveat(window(from, until)).sign().macaroon;
        let organization = |id| Caveat::Organization { id, mask: Mask::ALL };
        for (macaroons, words) in [
            (vec![plain().caveat(window(0, 1)).sign().macaroon], "it has expired"),
            (vec![plain().caveat(window(900, END)).sign().macaroon], "it is not valid yet"),
            (
                vec![plain().caveat(organization(1)).caveat(organization(2)).sign().macaroon],
                "it is limited to two organisations at once, which allows nothing",
            ),
            (
                vec![plain().caveat(Caveat::Action(Mask::READ)).caveat(Caveat::Action(Mask::WRITE)).sign().macaroon],
                "its caveats exclude each other, so that it allows nothing",
            ),
            (vec![plain().caveat(Caveat::FlyioUserId(1)).sign().macaroon], "it states who its user is, which only a discharge may"),
            (vec![forged.macaroon.copy()], "its discharge from https://api.fly.io/aaa/v1 is missing: was the text cut at a comma?"),
            (vec![forged.macaroon.copy(), discharge(0, 1)], "its discharge from https://api.fly.io/aaa/v1 has expired"),
            (vec![forged.macaroon.copy(), discharge(900, END)], "its discharge from https://api.fly.io/aaa/v1 is not valid yet"),
            (
                vec![forged.macaroon.copy(), discharge(0, 1), discharge(0, END)],
                "an expired discharge from https://api.fly.io/aaa/v1 stands before a good one, and only the first counts",
            ),
            (vec![discharge(0, END)], "it is not a permission token"),
        ] {
            let mut assembly = Assembly::new();
            for macaroon in &macaroons {
                assembly.add(macaroon);
            }
            let bundle = Bundle::parse(assembly.finish().expect("items").expose()).expect("items");
            assert_eq!(bundle.usability_as_sent(0, at(100)).expect_err(words).to_string(), words);
        }
    }

    #[test]
    fn a_location_from_a_token_cannot_play_with_a_terminal() {
        let location = Location(format!("\u{1b}[2J\u{202e}{}", "x".repeat(200)).into());
        let shown = location.to_string();
        assert!(shown.starts_with(r"\u{1b}[2J\u{202e}x") && shown.ends_with("x…") && shown.len() < 130, "{shown}");
    }
}
