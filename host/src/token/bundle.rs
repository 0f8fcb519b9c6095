//! A token text, item by item.

use std::fmt;

use zeroize::Zeroizing;

use super::{
    MAX_TEXT,
    attenuate::CannotNarrow,
    caveat::Caveat,
    error::{Malformed, TokenError},
    macaroon::Macaroon,
    text::{self, Form},
};

/// The items of a token text, in their order. Empty ones are left out.
#[derive(Debug)]
pub struct Bundle {
    items: Vec<Item>,
}

impl Bundle {
    /// Reads a text, scheme or not. An item that cannot be read stays in the list as what it is; [`Bundle::check`] reports it.
    ///
    /// # Errors
    /// [`TokenError::TooLong`] beyond [`MAX_TEXT`], and [`TokenError::Empty`] if no item is left.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.len() > MAX_TEXT {
            return Err(TokenError::TooLong { length: text.len() });
        }
        // All the room at once: a list of tiny items that grows would take several times its place.
        let mut items = Vec::with_capacity(text::items(text).count());
        items.extend(text::items(text).map(Item::read));
        if items.is_empty() { Err(TokenError::Empty) } else { Ok(Self { items }) }
    }

    /// Every item, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The permission tokens and their places in [`Bundle::items`].
    pub fn permissions(&self) -> impl Iterator<Item = (usize, &Macaroon)> {
        self.macaroons().filter(|(_, macaroon)| macaroon.is_permission())
    }

    /// The discharges and their places in [`Bundle::items`]. A macaroon from anywhere but Fly's API is one.
    pub fn discharges(&self) -> impl Iterator<Item = (usize, &Macaroon)> {
        self.macaroons().filter(|(_, macaroon)| !macaroon.is_permission())
    }

    /// Refuses a text in which not every item is a readable token of Fly's.
    ///
    /// # Errors
    /// [`TokenError::Item`] for the first one that is malformed or an opaque text.
    pub fn check(&self) -> Result<(), TokenError> {
        self.problems().next().map_or(Ok(()), Err)
    }

    /// Every item that is malformed or an opaque text, in order.
    pub fn problems(&self) -> impl Iterator<Item = TokenError> {
        let numbered = (1..).zip(&self.items);
        numbered.filter_map(|(number, item)| item.problem().map(|problem| TokenError::Item { number, problem }))
    }

    fn macaroons(&self) -> impl Iterator<Item = (usize, &Macaroon)> {
        self.items.iter().enumerate().filter_map(|(place, item)| Some((place, item.macaroon()?)))
    }
}

/// One item of a token text. It keeps its text, so that what is not changed goes out as it came in.
pub struct Item {
    text: Zeroizing<String>,
    content: Content,
}

enum Content {
    // Behind a pointer, so that a list of other items takes little room.
    Macaroon(Box<Macaroon>),
    User,
    Opaque,
    Malformed(Malformed),
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// A macaroon for Fly's API.
    Permission,
    /// A macaroon that goes with a permission token.
    Discharge,
    /// A user token: it can do what its user can, and says nothing about itself.
    User,
    /// A text without a prefix of Fly's: not a token as far as anybody here can tell.
    Opaque,
    /// A macaroon or user token by its prefix that cannot be read.
    Malformed,
}

impl Item {
    fn read(item: &str) -> Self {
        let content = match (Form::of(item), text::check_characters(item)) {
            (Form::Opaque, _) => Content::Opaque,
            (_, Err(problem)) => Content::Malformed(problem),
            (Form::User, Ok(())) => Content::User,
            (Form::Macaroon(base64), Ok(())) => {
                let decoded = text::decode(base64, item.len() - base64.len()).and_then(|bytes| Macaroon::decode(&bytes));
                decoded.map_or_else(Content::Malformed, |macaroon| Content::Macaroon(Box::new(macaroon)))
            }
        };
        Self { text: Zeroizing::new(item.to_owned()), content }
    }

    /// The item as it came in, without white space around it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it is.
    pub fn kind(&self) -> ItemKind {
        match &self.content {
            Content::Macaroon(macaroon) if macaroon.is_permission() => ItemKind::Permission,
            Content::Macaroon(_) => ItemKind::Discharge,
            Content::User => ItemKind::User,
            Content::Opaque => ItemKind::Opaque,
            Content::Malformed(_) => ItemKind::Malformed,
        }
    }

    /// The macaroon, if it is a readable one.
    pub fn macaroon(&self) -> Option<&Macaroon> {
        match &self.content {
            Content::Macaroon(macaroon) => Some(macaroon),
            Content::User | Content::Opaque | Content::Malformed(_) => None,
        }
    }

    /// What keeps it from being a token, if anything.
    pub fn problem(&self) -> Option<Malformed> {
        match &self.content {
            Content::Macaroon(_) | Content::User => None,
            Content::Opaque => Some(Malformed::Opaque),
            Content::Malformed(problem) => Some(problem.clone()),
        }
    }

    /// The macaroon with more caveats, as [`Macaroon::attenuated`].
    ///
    /// # Errors
    /// [`CannotNarrow`] says why, also for items that are no macaroons.
    pub fn attenuated(&self, caveats: &[Caveat]) -> Result<Macaroon, CannotNarrow> {
        match &self.content {
            Content::Macaroon(macaroon) => macaroon.attenuated(caveats),
            Content::User => Err(CannotNarrow::User),
            Content::Opaque => Err(CannotNarrow::Opaque),
            Content::Malformed(problem) => Err(CannotNarrow::Malformed(problem.clone())),
        }
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_item_is_what_its_prefix_and_content_say() {
        let bundle = Bundle::parse("FlyV1 fo1_x, ,opaque,fm2_,fm2_!,fo1_a\u{7}b").expect("five items");
        let kinds: Vec<_> = bundle.items().iter().map(Item::kind).collect();
        assert_eq!(kinds, [ItemKind::User, ItemKind::Opaque, ItemKind::Malformed, ItemKind::Malformed, ItemKind::Malformed]);
        let problems: Vec<_> = bundle.problems().map(|problem| problem.to_string()).collect();
        assert_eq!(
            problems,
            [
                "item 2: not a Fly token: it starts with none of fm2_, fm1r_, fm1a_ and fo1_",
                "item 3: cut off at byte 0: a macaroon needs at least 1 more",
                "item 4: bad base64 at column 5",
                "item 5: a character that no token holds at column 6",
            ]
        );
    }

    #[test]
    fn nothing_and_too_much_are_errors() {
        for text in ["", " ", ",", "FlyV1 ,,"] {
            assert_eq!(Bundle::parse(text).expect_err("no item"), TokenError::Empty, "{text:?}");
        }
        let length = MAX_TEXT + 1;
        assert_eq!(Bundle::parse(&"a".repeat(length)).expect_err("too long"), TokenError::TooLong { length });
    }

    #[test]
    fn what_is_no_macaroon_refuses_to_be_narrowed_and_says_why() {
        let bundle = Bundle::parse("fo1_x,opaque,fm2_lA==").expect("three items");
        let reasons: Vec<_> = bundle.items().iter().map(|item| item.attenuated(&[]).expect_err("no macaroon")).collect();
        let cut_off = Malformed::CutOff { at: 1, expected: "a nonce", missing: 1 };
        assert_eq!(reasons, [CannotNarrow::User, CannotNarrow::Opaque, CannotNarrow::Malformed(cut_off)]);
    }

    proptest! {
        #[test]
        fn arbitrary_texts_never_panic(text in "(FlyV1 )?(fm2_[A-Za-z0-9+/]{0,200}={0,2}|fo1_.{0,9}|.{0,40})(,.{0,40}){0,3}") {
            if let Ok(bundle) = Bundle::parse(&text) {
                prop_assert!(bundle.items().iter().all(|item| text.contains(item.text())));
            }
        }
    }
}
