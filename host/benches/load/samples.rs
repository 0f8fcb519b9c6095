//! What the agent takes of the machine, second by second.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{home::Running, scenario::tally::Tally};

/// One look each second.
pub(crate) struct Samples {
    begun: Instant,
    /// What the agent had used of the processor when this began.
    processor: Duration,
    pub(crate) taken: Vec<Sample>,
}

/// One look.
pub(crate) struct Sample {
    pub(crate) after: Duration,
    /// Resident memory in KiB.
    pub(crate) memory: u64,
    /// What it has used of the processor so far.
    pub(crate) processor: Duration,
    /// Requests that were answered so far.
    pub(crate) answered: usize,
}

impl Samples {
    pub(crate) fn of(agent: &Running) -> Self {
        Self { begun: Instant::now(), processor: processor(agent), taken: Vec::new() }
    }

    pub(crate) fn take(&mut self, agent: &Running, tally: &Tally) {
        self.taken.push(Sample {
            after: self.begun.elapsed(),
            memory: agent.resident(),
            processor: processor(agent).saturating_sub(self.processor),
            answered: tally.answered.values().sum(),
        });
    }

    /// The memory in the middle of what was seen between two moments, in KiB.
    pub(crate) fn memory_between(&self, from: Duration, to: Duration) -> u64 {
        let mut seen: Vec<u64> =
            self.taken.iter().filter(|sample| (from..to).contains(&sample.after)).map(|sample| sample.memory).collect();
        seen.sort_unstable();
        seen.get(seen.len() / 2).copied().unwrap_or_default()
    }
}

/// What a process has used of the processor, itself and in the kernel.
fn processor(agent: &Running) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", agent.pid())).unwrap();
    // Behind the name, which may hold anything, these are the twelfth and the thirteenth field.
    let fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    // `USER_HZ` is a hundred on every Linux there is.
    Duration::from_millis(ticks * 10)
}
