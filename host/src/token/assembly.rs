//! A token text made of chosen items.

use zeroize::Zeroizing;

use super::{
    ApiToken, MAX_TEXT,
    attenuate::CannotNarrow,
    bundle::{Bundle, Item},
    caveat::Caveat,
    expiry::Usable,
    macaroon::Macaroon,
};

/// Collects items for a token text. Untouched ones keep their text; what was narrowed is written anew.
#[derive(Default)]
pub struct Assembly {
    items: Vec<Zeroizing<String>>,
}

impl Assembly {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an item as it came in.
    pub fn keep(&mut self, item: &Item) {
        self.items.push(Zeroizing::new(item.text().to_owned()));
    }

    /// Adds a macaroon that was made here.
    pub fn add(&mut self, macaroon: &Macaroon) {
        self.items.push(macaroon.encode());
    }

    /// Adds an item with more caveats, or as it came in if it carries them all.
    ///
    /// # Errors
    /// [`CannotNarrow`] says why; then nothing is added.
    pub fn narrow(&mut self, item: &Item, caveats: &[Caveat]) -> Result<(), CannotNarrow> {
        let narrowed = item.attenuated(caveats)?;
        match item.macaroon() {
            Some(macaroon) if macaroon.tail() == narrowed.tail() => self.keep(item),
            _ => self.add(&narrowed),
        }
        Ok(())
    }

    /// The text, its items in the order they were added, without a scheme; none if nothing was added.
    pub fn finish(self) -> Option<ApiToken> {
        if self.items.is_empty() {
            return None;
        }
        // Room for everything at once: a text that grows leaves unwiped copies behind.
        let length: usize = self.items.iter().map(|item| item.len() + 1).sum();
        let mut text = Zeroizing::new(String::with_capacity(length));
        for item in &self.items {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(item);
        }
        Some(ApiToken::new(text))
    }
}

impl Bundle {
    /// Every item, those macaroons that apply at `location` with `caveats` added and the others as they came in. Without caveats nothing
    /// changes, whatever it is.
    ///
    /// # Errors
    /// [`NotNarrowed`] says which item cannot be narrowed and why. A user token cannot: left beside a narrowed macaroon it would open
    /// everything that was taken away.
    pub fn narrowed(&self, location: &str, caveats: &[Caveat]) -> Result<ApiToken, NotNarrowed> {
        let stays = |item: &Item| item.macaroon().is_some_and(|macaroon| macaroon.location() != location);
        if !caveats.is_empty() && self.items().iter().all(stays) {
            return Err(NotNarrowed::Nothing);
        }
        let (mut assembly, mut length) = (Assembly::new(), 0);
        for (number, item) in (1..).zip(self.items()) {
            if caveats.is_empty() || stays(item) {
                assembly.keep(item);
            } else {
                assembly.narrow(item, caveats).map_err(|why| NotNarrowed::Item { number, why })?;
            }
            length += assembly.items.last().map_or(0, |item| item.len() + 1);
            if length > MAX_TEXT {
                return Err(NotNarrowed::TooLong);
            }
        }
        assembly.finish().ok_or(NotNarrowed::Nothing)
    }

    /// The permission token at `place` with `caveats` added, and the discharges it is used with: what can be handed out.
    ///
    /// Every other item stays behind, stale and duplicate discharges among them.
    ///
    /// # Errors
    /// [`CannotNarrow`] says why the token cannot be narrowed; [`CannotNarrow::Missing`] if `place` or `usable` is another bundle's.
    pub fn selection(&self, place: usize, usable: &Usable, caveats: &[Caveat]) -> Result<ApiToken, CannotNarrow> {
        let item = |place: usize| self.items().get(place).ok_or(CannotNarrow::Missing);
        let mut assembly = Assembly::new();
        assembly.narrow(item(place)?, caveats)?;
        for discharge in &usable.discharges {
            assembly.keep(item(*discharge)?);
        }
        assembly.finish().ok_or(CannotNarrow::Missing)
    }
}

/// Why a token text cannot be narrowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNarrowed {
    /// One of its items cannot.
    #[error("item {number}: {why}")]
    Item {
        /// Its place in the list, counted from 1.
        number: usize,
        /// Why not.
        why: CannotNarrow,
    },
    /// No macaroon in it applies there.
    #[error("no macaroon of the text is for that location, so that there is nothing to narrow")]
    Nothing,
    /// Nobody would read the result.
    #[error("with these caveats it would have more than {MAX_TEXT} characters, which no token has")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        time::Timestamp,
        token::{AUTH_LOCATION, ItemKind, Mask, PERMISSION_LOCATION, forge::Forge},
    };

    #[test]
    fn a_selection_holds_the_narrowed_token_and_its_best_discharge_alone() {
        let forged = Forge::new([1; 32]).permission([1; 16]).third_party(AUTH_LOCATION).sign();
        let other = Forge::new([1; 32]).permission([2; 16]).third_party(AUTH_LOCATION).sign();
        let discharge = |rnd: u8, not_after| {
            let window = Caveat::ValidityWindow { not_before: 0, not_after };
            forged.tickets[0].discharge([rnd; 16]).caveat(window).sign().macaroon
        };
        let mut assembly = Assembly::new();
        for macaroon in [&discharge(1, 10), &other.macaroon, &discharge(2, 1000), &forged.macaroon, &discharge(3, 2000)] {
            assembly.add(macaroon);
        }
        let text = assembly.finish().expect("five items");
        let bundle = Bundle::parse(&format!("FlyV1 fo1_user,{}", text.expose())).expect("six items");

        let usable = bundle.usability(4, Timestamp::from_seconds(100)).expect("usable");
        assert_eq!(usable, Usable { until: Some(Timestamp::from_seconds(2000)), discharges: vec![5] });
        assert!(bundle.usability(2, Timestamp::from_seconds(100)).is_err());
        let selection = bundle.selection(4, &usable, &[Caveat::Action(Mask::READ)]).expect("it can be narrowed");
        let selection = Bundle::parse(selection.expose()).expect("two items");
        assert_eq!(selection.items().iter().map(Item::kind).collect::<Vec<_>>(), [ItemKind::Permission, ItemKind::Discharge]);
        let narrowed = selection.items()[0].macaroon().expect("a macaroon");
        assert!(narrowed.reads_only() && narrowed.is_signed_with(&[1; 32]));
        assert_eq!(selection.items()[1].text(), bundle.items()[5].text());
    }

    #[test]
    fn what_is_at_the_location_is_narrowed_and_the_rest_stays() {
        let forged = Forge::new([1; 32]).permission([1; 16]).third_party(AUTH_LOCATION).sign();
        let open = forged.tickets[0].open_discharge([1; 16]).sign().macaroon.encode();
        let closed = forged.tickets[0].discharge([2; 16]).sign().macaroon.encode();
        let old = format!("fm1r_{}", &forged.macaroon.encode()[4..]);
        let narrow = |text: &str, location: &str, caveats: &[Caveat]| {
            let bundle = Bundle::parse(text).expect("items");
            bundle.narrowed(location, caveats).map(|token| token.expose().to_owned())
        };
        let (read, again) = ([Caveat::Action(Mask::READ)], |text: &str| Bundle::parse(text).expect("items").items()[0].text().to_owned());
        let narrowed = |text: &str| {
            let bundle = Bundle::parse(text).expect("an item");
            bundle.items()[0].attenuated(&read).expect("it can be narrowed").encode().to_string()
        };

        let all = format!("{old},{},{}", *open, *closed);
        assert_eq!(narrow(&all, PERMISSION_LOCATION, &read), Ok(format!("{},{},{}", narrowed(&old), *open, *closed)));
        assert_eq!(
            narrow(&all, AUTH_LOCATION, &read),
            Err(NotNarrowed::Item { number: 3, why: CannotNarrow::Finished }),
            "the third is finished"
        );
        let two = format!("{old},{}", *open);
        assert_eq!(narrow(&two, AUTH_LOCATION, &read), Ok(format!("{},{}", again(&old), narrowed(&open))));
        assert_eq!(narrow(&two, "https://auth.fly.io", &read), Err(NotNarrowed::Nothing));

        let with_user = format!("FlyV1 {all}, fo1_user");
        assert_eq!(narrow(&with_user, PERMISSION_LOCATION, &read), Err(NotNarrowed::Item { number: 4, why: CannotNarrow::User }));
        for location in [PERMISSION_LOCATION, AUTH_LOCATION, "nowhere"] {
            assert_eq!(narrow(&with_user, location, &[]), Ok(format!("{all},fo1_user")), "nothing is added");
        }
    }

    #[test]
    fn what_would_become_too_long_is_refused() {
        let token = Forge::new([1; 32]).permission([1; 16]).sign().macaroon.encode();
        let long = [Caveat::FromMachineSource("x".repeat(MAX_TEXT).into())];
        let bundle = Bundle::parse(&token).expect("one item");
        assert_eq!(bundle.narrowed(PERMISSION_LOCATION, &long).err(), Some(NotNarrowed::TooLong));
    }

    #[test]
    fn narrowing_by_nothing_keeps_the_text() {
        let token = Forge::new([1; 32]).permission([1; 16]).caveat(Caveat::Action(Mask::READ)).sign().macaroon;
        let old = format!("fm1r_{}", &token.encode()[4..]);
        let bundle = Bundle::parse(&old).expect("one item");
        for caveats in [&[][..], &[Caveat::Action(Mask::READ)]] {
            let mut assembly = Assembly::new();
            assembly.narrow(&bundle.items()[0], caveats).expect("it can be narrowed");
            assert_eq!(assembly.finish().expect("one item").expose(), old);
        }
    }
}
