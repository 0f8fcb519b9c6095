//! Whether a token text as a whole is of use: one verdict, in the same words wherever it is passed.

use super::{
    ApiToken,
    bundle::{Bundle, ItemKind},
    error::TokenError,
    expiry::Unusable,
};
use crate::time::Timestamp;

/// Why a token text is of no use to anybody who sends it as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Worthless {
    /// It cannot be read, or not all of it: one line for each thing that is wrong.
    #[error("{}", lines(.0))]
    Unreadable(Vec<TokenError>),
    /// None of its permission tokens can be used, and this is why the first cannot.
    #[error("it cannot be used: {0}")]
    Unusable(Unusable),
    /// There is nothing in it that Fly's API would take.
    #[error("it cannot be used: it holds no permission token")]
    NoPermission,
}

impl ApiToken {
    /// The items of the token, each of which has to be one.
    ///
    /// # Errors
    /// [`Worthless::Unreadable`] with everything that is wrong.
    pub fn read(&self) -> Result<Bundle, Worthless> {
        Bundle::read(self.expose())
    }
}

impl Bundle {
    /// Reads a text in which every item has to be a token.
    ///
    /// # Errors
    /// [`Worthless::Unreadable`] with everything that is wrong.
    pub fn read(text: &str) -> Result<Self, Worthless> {
        let bundle = Self::parse(text).map_err(|error| Worthless::Unreadable(vec![error]))?;
        let problems: Vec<_> = bundle.problems().collect();
        if problems.is_empty() { Ok(bundle) } else { Err(Worthless::Unreadable(problems)) }
    }

    /// Whether the text, sent as it is, gets anybody anywhere at `now`: by one of its permission tokens, or by a user token, of which
    /// nobody here can tell.
    ///
    /// # Errors
    /// [`Worthless`] if not.
    pub fn verdict(&self, now: Timestamp) -> Result<(), Worthless> {
        if self.items().iter().any(|item| item.kind() == ItemKind::User) {
            return Ok(());
        }
        let mut first = None;
        for (place, _) in self.permissions() {
            match self.usability_as_sent(place, now) {
                Ok(_) => return Ok(()),
                Err(why) => first = first.or(Some(why)),
            }
        }
        Err(first.map_or(Worthless::NoPermission, Worthless::Unusable))
    }
}

fn lines(problems: &[TokenError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{AUTH_LOCATION, Caveat, Macaroon, forge::Forge};

    fn text(items: &[&Macaroon]) -> String {
        items.iter().map(|macaroon| macaroon.encode().to_string()).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn one_item_that_is_of_use_is_enough_and_one_that_cannot_be_read_is_too_much() {
        let until = |end| Caveat::ValidityWindow { not_before: 0, not_after: end };
        let permission = |end| Forge::new([1; 32]).permission([1; 16]).caveat(until(end)).sign().macaroon;
        let forged = Forge::new([1; 32]).permission([2; 16]).third_party(AUTH_LOCATION).sign();
        let discharge = forged.tickets[0].discharge([1; 16]).caveat(until(1000)).sign().macaroon;
        let missing = "it cannot be used: its discharge from https://api.fly.io/aaa/v1 is missing: was the text cut at a comma?";
        for (text, expected) in [
            (text(&[&permission(1000)]), ""),
            (text(&[&permission(1), &permission(1000)]), ""),
            (format!("{},fo1_user", text(&[&permission(1)])), ""),
            (text(&[&permission(1)]), "it cannot be used: it has expired"),
            (text(&[&forged.macaroon, &permission(1)]), missing),
            (text(&[&forged.macaroon, &discharge]), ""),
            (text(&[&discharge]), "it cannot be used: it holds no permission token"),
            (
                format!("{},what,fm2_lA==", text(&[&permission(1000)])),
                "item 2: not a Fly token: it starts with none of fm2_, fm1r_, fm1a_ and fo1_\nitem 3: cut off at byte 1: a nonce needs at least 1 more",
            ),
            (String::new(), "there is no token: the text is empty"),
        ] {
            let verdict = Bundle::read(&text).and_then(|bundle| bundle.verdict(Timestamp::from_seconds(100)));
            assert_eq!(verdict.err().map(|why| why.to_string()).unwrap_or_default(), expected);
        }
    }
}
