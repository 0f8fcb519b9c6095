//! Whoever wants a newer token gets one that is no worse, or hears why not.

use super::{
    Bench, Law, Verdict,
    bench::{UNSOUND, question},
};
use crate::{kind::Kind, owner::Intent, runtime::BoxFuture, trial::Terms};

pub(super) const RENEWAL: Law = Law {
    name: "renewal",
    demands: "answers a renewal too, and not with what ends earlier than what it gives otherwise",
    remedy: "ask anew when `intent` is `renew`, or answer as always; never hand over less than before",
    judge: renewal,
};

fn renewal(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        if !bench.is_sound().await {
            return Verdict::NotApplicable(UNSOUND.into());
        }
        let mut broken = Vec::new();
        for kind in Kind::ALL {
            let resolve = question(bench.app(), kind);
            let renew = super::super::Question { intent: Intent::Renew, ..resolve.clone() };
            let (before, after) = (bench.ask(&resolve, Terms::default()).await, bench.ask(&renew, Terms::default()).await);
            if let Some(broke) = after.broke() {
                broken.push(format!("{}: {}", after.about(), broke.text));
            } else if let (Ok(before), Ok(renewed)) = (&before.answer, &after.answer)
                && let (Some(first), Some(second)) = (before.said.at(), renewed.said.at())
                && second < first
            {
                let earlier = first.since(second).as_secs();
                broken.push(format!("{}: it ends {earlier} s earlier than what it gives otherwise", after.about()));
            }
        }
        Verdict::of(&broken)
    })
}
