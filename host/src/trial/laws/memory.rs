//! Memory is bounded, and too little of it is told as that.

use super::{Bench, Law, Verdict};
use crate::{
    config::SizeText,
    runtime::{BoxFuture, BrokeKind, DEFAULT_MEMORY},
    trial::Terms,
};

pub(super) const MEMORY: Law = Law {
    name: "memory",
    demands: "works within the memory that it is given, and with less of it is ended rather than wrong",
    remedy: "take less memory, or give it more: --memory, `memory` under `grants`",
    judge: memory,
};

fn memory(bench: &Bench) -> BoxFuture<'_, Verdict> {
    Box::pin(async {
        let given = bench.trial.source().grants.memory.unwrap_or(DEFAULT_MEMORY);
        let whole = bench.ask(&bench.question(), Terms::default()).await;
        let ran_out = |kind: Option<BrokeKind>| kind == Some(BrokeKind::OutOfMemory);
        if ran_out(whole.broke().map(|broke| broke.kind)) {
            return Verdict::Fail(format!("{} are not enough", SizeText(given)));
        }
        let mut bytes = LEAST;
        while bytes <= given {
            let asked = bench.ask(&bench.question(), Terms { memory: Some(bytes), ..Terms::default() }).await;
            if asked.kind() == whole.kind() {
                return Verdict::Pass(format!("{} are enough", SizeText(bytes)));
            }
            if !ran_out(asked.broke().map(|broke| broke.kind)) {
                return Verdict::Fail(format!("with {} it came to {} rather than {}", SizeText(bytes), asked.kind(), whole.kind()));
            }
            bytes *= 2;
        }
        Verdict::Pass(format!("{} are enough", SizeText(given)))
    })
}

/// One page.
const LEAST: u64 = 64 << 10;
