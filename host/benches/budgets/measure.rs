//! Timing, and the table.

use std::time::{Duration, Instant};

/// The table, printed line by line as the figures come.
pub(crate) struct Table;

impl Table {
    pub(crate) fn begin() -> Self {
        println!("{:<52} {:>12} {:>12} {:>7}  REFERENCE OF THE SAME RUN", "WHAT", "BUDGET", "MEASURED", "RATIO");
        Self
    }

    /// A duration against a budget.
    pub(crate) fn time(&self, what: &str, budget: Duration, measured: Duration, reference: &str) {
        self.line(what, &shown(budget), &shown(measured), measured.as_secs_f64() / budget.as_secs_f64(), reference);
    }

    /// Anything else against a budget.
    #[expect(clippy::unused_self, reason = "there is no line without the table's head before it")]
    pub(crate) fn line(&self, what: &str, budget: &str, measured: &str, ratio: f64, reference: &str) {
        let over = if ratio > 1.0 { "  OVER" } else { "" };
        println!("{what:<52} {budget:>12} {measured:>12} {ratio:>7.2}  {reference}{over}");
    }
}

/// The median of single calls.
pub(crate) fn median(rounds: usize, mut call: impl FnMut(usize)) -> Duration {
    let mut times: Vec<_> = (0..rounds)
        .map(|round| {
            let begun = Instant::now();
            call(round);
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// The median over batches of the time of one call: for what is shorter than a look at the clock.
pub(crate) fn batched(batches: usize, size: u32, mut call: impl FnMut(u32)) -> Duration {
    median(batches, |_| (0..size).for_each(&mut call)) / size
}

/// A duration in the unit that suits it.
pub(crate) fn shown(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0..10_000 => format!("{nanos} ns"),
        10_000..10_000_000 => format!("{:.1} µs", duration.as_secs_f64() * 1e6),
        _ => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
    }
}
