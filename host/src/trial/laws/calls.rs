//! A thousand calls are a thousand times the same call.

use std::time::Duration;

use super::{Bench, Law, Verdict, bench::UNSOUND};
use crate::{config::SizeText, runtime::BoxFuture, trial::Terms};

pub(super) const ALIKE: Law = Law {
    name: "thousand-calls",
    demands: "has the same kind of answer to the same question, however often it is asked",
    remedy: "keep nothing from call to call, and let nothing but the question and the host decide",
    judge: alike,
};

pub(super) const STEADY: Law = Law {
    name: "steady-memory",
    demands: "leaves nothing behind in the host, however often it is asked",
    remedy: "this is a defect of flytoken rather than of the source; please report it with the component",
    judge: |bench| {
        Box::pin(async {
            // The first calls fill what stays.
            if !bench.is_sound().await {
                return Verdict::NotApplicable(UNSOUND.into());
            }
            repeat(bench, bench.calls / 4).await;
            let before = resident();
            repeat(bench, bench.calls / 4).await;
            steady(before, resident())
        })
    },
};

fn alike(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        if !bench.is_sound().await {
            return Verdict::NotApplicable(UNSOUND.into());
        }
        let Repeated { mut took, kinds } = repeat(bench, bench.calls).await;
        took.sort_unstable();
        let at = |percent: usize| took.get((took.len() * percent / 100).min(took.len() - 1)).map_or(0, Duration::as_micros);
        match kinds.as_slice() {
            [only] => Verdict::Pass(format!("{} calls, {only} each, p50 {} us, p99 {} us", took.len(), at(50), at(99))),
            several => Verdict::Fail(format!("one question came to {}", several.join(", and to "))),
        }
    })
}

/// What came of asking one question again and again.
struct Repeated {
    took: Vec<Duration>,
    /// Each kind of answer once.
    kinds: Vec<&'static str>,
}

async fn repeat(bench: &Bench, calls: usize) -> Repeated {
    let grants = &bench.trial.source().grants;
    // Nobody's server is asked a thousand times for a try.
    let calls = if grants.http.is_empty() && grants.sockets.is_empty() { calls.max(1) } else { OVER_THE_NETWORK };
    let mut repeated = Repeated { took: Vec::with_capacity(calls), kinds: Vec::new() };
    for _ in 0..calls {
        let asked = bench.ask(&bench.question(), Terms::default()).await;
        repeated.took.push(asked.traced.took);
        if !repeated.kinds.contains(&asked.kind()) {
            repeated.kinds.push(asked.kind());
        }
    }
    repeated
}

/// What the process has in memory, in bytes.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse::<u64>().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn steady(before: Option<u64>, after: Option<u64>) -> Verdict {
    let (Some(before), Some(after)) = (before, after) else {
        return Verdict::NotApplicable("this system does not tell what a process has in memory".into());
    };
    let more = after.saturating_sub(before);
    if more <= MOST_MORE {
        Verdict::pass()
    } else {
        Verdict::Fail(format!("the process has {} more than before", SizeText(more >> 10 << 10)))
    }
}

/// Calls that go over a network.
const OVER_THE_NETWORK: usize = 20;

/// Memory comes and goes with what else the process does.
const MOST_MORE: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_is_told() {
        assert_eq!(steady(Some(50 << 20), Some(51 << 20)), Verdict::pass());
        assert_eq!(steady(Some(51 << 20), Some(50 << 20)), Verdict::pass());
        assert_eq!(steady(Some(50 << 20), Some(60 << 20)), Verdict::Fail("the process has 10MiB more than before".into()));
        assert!(matches!(steady(None, None), Verdict::NotApplicable(_)));
    }
}
