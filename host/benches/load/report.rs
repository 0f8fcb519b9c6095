//! The tables.

use std::time::Duration;

use crate::{
    samples::Samples,
    scenario::{Resources, tally::Tally},
};

/// Prints everything; whether memory stayed as it was after the warm-up.
pub(crate) fn print(
    tally: &Tally,
    samples: &Samples,
    lasting: Duration,
    before: &Resources,
    after: &Resources,
    differences: &[String],
) -> bool {
    requests(tally);
    let warm = WARM_UP.min(lasting / 2);
    renewals(tally, warm, lasting);
    let flat = machine(samples, warm, lasting);
    resources(before, after, differences);
    flat
}

fn requests(tally: &Tally) {
    println!("\n{:<28} {:>10}", "ANSWERED", "REQUESTS");
    for (asked, count) in &tally.answered {
        println!("{:<28} {count:>10}", format!("{asked:?}").to_lowercase());
    }
    println!("{:<28} {:>10}", "configurations written", tally.rewrites);
    for (code, count) in &tally.failed {
        println!("{:<28} {count:>10}", format!("said by a source: {code}"));
    }
    println!("{:<28} {:>10}", "any other failure", tally.wrongs);
    for wrong in &tally.wrong {
        println!("  {wrong}");
    }
    println!("\n{:<28} {:>10} {:>10} {:>10} {:>10}", "TIME OF A GET", "REQUESTS", "P50", "P99", "MAX");
    for (what, times) in
        [("from the cache", &tally.cached), ("with a source asked", &tally.missed), ("an echo, for comparison", &tally.echoed)]
    {
        let mut times = times.clone();
        times.sort_unstable();
        let at = |rank: usize| times.get((times.len() * rank / 1000).min(times.len().saturating_sub(1))).copied().unwrap_or_default();
        let shown = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
        println!("{what:<28} {:>10} {:>10} {:>10} {:>10}", times.len(), shown(at(500)), shown(at(990)), shown(at(1000)));
    }
}

/// How the renewals of each second are spread, once the leases that all came at the beginning have been renewed.
fn renewals(tally: &Tally, warm: Duration, lasting: Duration) {
    let Some(first) = tally.renewals.keys().next() else { return };
    let (from, to) = (first + warm.as_secs() / 2, first + lasting.as_secs().saturating_sub(2));
    let counts: Vec<usize> = (from..to).map(|second| tally.renewals.get(&second).copied().unwrap_or(0)).collect();
    let most = counts.iter().max().copied().unwrap_or(0);
    let mean = ratio(counts.iter().sum(), counts.len());
    println!("\n{:<28} {:>10} {:>10} {:>10}", "RENEWALS", "MEAN", "MAX", "MAX/MEAN");
    println!("{:<28} {mean:>10.1} {most:>10} {:>10.2}", "in a second", ratio(most, 1) / mean.max(f64::EPSILON));
}

fn machine(samples: &Samples, warm: Duration, lasting: Duration) -> bool {
    println!("\n{:<28} {:>10} {:>10} {:>10}", "THE AGENT", "MEMORY", "REQUESTS/S", "PROCESSOR");
    let step = (samples.taken.len() / ROWS).max(1);
    for pair in samples.taken.iter().step_by(step).collect::<Vec<_>>().windows(2) {
        let [then, now] = pair else { continue };
        let seconds = now.after.saturating_sub(then.after).as_secs_f64();
        let processor = now.processor.saturating_sub(then.processor).as_secs_f64() / seconds * 100.0;
        let answered = ratio(now.answered - then.answered, 1) / seconds;
        let memory = mebibytes(now.memory);
        println!("{:<28} {memory:>10} {answered:>10.0} {processor:>8.0} %", format!("after {} s", now.after.as_secs()));
    }
    let span = (lasting / 10).max(Duration::from_secs(5));
    let early = samples.memory_between(warm, warm + span);
    let late = samples.memory_between(lasting.saturating_sub(span), lasting + span);
    let grown = i64::try_from(late).unwrap_or(i64::MAX) - i64::try_from(early).unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "no memory is so large")]
    let share = grown as f64 / early.max(1) as f64 * 100.0;
    let flat = share <= MOST_GROWTH;
    let (early, late, verdict) = (mebibytes(early), mebibytes(late), if flat { "flat" } else { "GROWING" });
    println!("{:<28} {early:>10} then {late}: {grown:+} KiB, {share:+.1} %, {verdict}", format!("memory from {} s on", warm.as_secs()));
    flat
}

fn resources(before: &Resources, after: &Resources, differences: &[String]) {
    println!("\n{:<28} {:>10} {:>10}", "HELD", "BEFORE", "AFTER");
    for (name, count) in &before.0 {
        let then = after.0.get(name).copied().unwrap_or_default();
        let why = if name == "tombstones" { "  one for each token that was rejected, for an hour and longer than it lives" } else { "" };
        println!("{name:<28} {count:>10} {then:>10}{why}");
    }
    for difference in differences {
        println!("NOT AS BEFORE  {difference}");
    }
}

fn mebibytes(kibibytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "no memory is so large")]
    let mebibytes = kibibytes as f64 / 1024.0;
    format!("{mebibytes:.1} MiB")
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
fn ratio(count: usize, of: usize) -> f64 {
    count as f64 / of.max(1) as f64
}

/// After it every app was asked for, and most leases have been renewed once.
const WARM_UP: Duration = Duration::from_secs(150);

/// Rows of the table over time.
const ROWS: usize = 12;

/// What memory may grow by after the warm-up, in percent: an allocator keeps a little more now and then.
const MOST_GROWTH: f64 = 10.0;
