//! Nothing is said to be revoked that nobody knows.

use super::{Bench, Law, Verdict, bench::about};
use crate::runtime::{BoxFuture, Refused};

pub(super) const UNKNOWN: Law = Law {
    name: "revoke-unknown",
    demands: "refuses to revoke a name that it does not know",
    remedy: "answer only after a look at the token: whatever leaves a doubt is a refusal",
    judge: unknown,
};

fn unknown(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        if !bench.trial.loaded().is_revoker() {
            return Verdict::NotApplicable("it does not export `revoker`".into());
        }
        let question = bench.question();
        let ended = bench.trial.revoke(&question, "flytoken-nobody-ever-minted-this").await;
        bench.listen(&about(&question), &ended.traced);
        match ended.traced.ended.map_or(ended.answer, Err) {
            Err(Refused::Said(_)) => Verdict::pass(),
            Err(Refused::Broke(broke)) => Verdict::Fail(broke.text),
            Ok(_) => Verdict::Fail("it says that it revoked a token that there never was".into()),
        }
    })
}
