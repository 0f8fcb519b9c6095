//! Apps may be called anything that Fly lets them be called.

use super::{
    Bench, Law, Verdict,
    bench::{UNSOUND, named, question},
};
use crate::{kind::Kind, runtime::BoxFuture, trial::Terms};

pub(super) const UNUSUAL: Law = Law {
    name: "unusual-names",
    demands: "answers for every name that an app may have",
    remedy: "take the name as it is: 1 to 63 of a-z, 0-9 and -, first and last a letter or digit",
    judge: unusual,
};

fn unusual(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        if !bench.is_sound().await {
            return Verdict::NotApplicable(UNSOUND.into());
        }
        let mut broken = Vec::new();
        for name in NAMES {
            for kind in [Kind::Readonly, Kind::Deploy] {
                let asked = bench.ask(&question(named(name), kind), Terms::default()).await;
                broken.extend(asked.broke().map(|broke| format!("{}: {}", asked.about(), broke.text)));
            }
        }
        Verdict::of(&broken)
    })
}

/// One letter, the longest, digits alone, two dashes, and what looks like the encoding of another alphabet.
const NAMES: [&str; 6] =
    ["a", "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0", "0123456789", "a--b", "xn--bcher-kva", "0-0"];
