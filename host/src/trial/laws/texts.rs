//! What a source says is for people: one sentence, and no part of a token.

use super::{Bench, Law, Verdict};
use crate::runtime::{BoxFuture, TEXT_BYTES, Told};

pub(super) const TEXTS: Law = Law {
    name: "texts",
    demands: "says why in one sentence: one line of at most 1024 bytes, no full stop, no part of a token",
    remedy: "write one short sentence without a full stop, and keep what others wrote, such as an answer's body, out of it",
    judge: texts,
};

pub(super) const LOG: Law = Law {
    name: "log",
    demands: "writes no part of a token to its log",
    remedy: "log what happened, not what it was about: the host strikes out the tokens that it knows, and knows not every secret",
    judge: |bench| {
        let logged: Vec<_> = bench.said().logged.iter().map(|about| format!("{about}: a token is in it")).collect();
        Box::pin(std::future::ready(Verdict::of(&logged)))
    },
};

fn texts(bench: &Bench) -> BoxFuture<'_, Verdict> {
    let said = bench.said();
    let broken = said.texts.iter().filter_map(|(about, texts)| {
        let flaw = texts.iter().enumerate().find_map(|(place, told)| flaw(*told, place == 0))?;
        Some(format!("{about}: {flaw}"))
    });
    let named = said.named.iter().map(|about| format!("{about}: the lease's id holds a token"));
    let broken: Vec<_> = broken.chain(named).collect();
    let verdict = match (said.texts.len(), said.named.len()) {
        (0, 0) => Verdict::NotApplicable("it never said why not".into()),
        _ => Verdict::of(&broken),
    };
    Box::pin(std::future::ready(verdict))
}

/// What is wrong with a text; only the reason itself is a sentence.
fn flaw(told: Told, is_reason: bool) -> Option<&'static str> {
    let Told { bytes, secret, unprintable, stop, empty } = told;
    let flaws = [
        (secret, "a token is in the text"),
        (unprintable, "the text breaks the line, or holds control characters"),
        (bytes > TEXT_BYTES, "the text has more than 1024 bytes"),
        (stop && is_reason, "the text ends with a full stop"),
        (empty, "the text is empty"),
    ];
    flaws.into_iter().find_map(|(is_so, flaw)| is_so.then_some(flaw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flaw_is_named() {
        let fine = Told { bytes: 20, secret: false, unprintable: false, stop: false, empty: false };
        assert_eq!(flaw(fine, true), None);
        assert_eq!(flaw(Told { stop: true, ..fine }, false), None, "an address may end as it likes");
        for (told, word) in [
            (Told { secret: true, ..fine }, "token"),
            (Told { unprintable: true, ..fine }, "line"),
            (Told { bytes: TEXT_BYTES + 1, ..fine }, "1024"),
            (Told { stop: true, ..fine }, "full stop"),
            (Told { empty: true, ..fine }, "empty"),
        ] {
            assert!(flaw(told, true).unwrap().contains(word), "{word}");
        }
    }
}
