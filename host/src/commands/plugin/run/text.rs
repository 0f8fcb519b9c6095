//! A run as people read it.

use std::fmt::Write as _;

use super::{
    super::trial::{size, span},
    End, Ran,
};
use crate::{
    output::{Moments, Paint, Table},
    plain,
    trial::{Facts, Holds},
};

/// ```text
/// compiled  2 ms
/// linked    45 us
/// started   60 us
/// took      210 us
/// memory    1.1 MiB at most
///
/// AT     TOOK  CALL                CAME TO
/// 70 us  1 us  settings.get token  is set
/// 80 us  1 us  secrets.seal        sealed
///
/// lease
///   token        permission token, discharge
///   …
///
/// This run needed no grants.
/// ```
pub(super) fn text(ran: &Ran, paint: Paint, moments: &Moments) -> String {
    let Ran { trial, end, traced, .. } = ran;
    let mut facts = Table::new(paint, []);
    facts.fact("compiled", span(trial.compiled_in()));
    facts.fact("linked", span(trial.loaded().linked_in()));
    facts.fact("started", span(traced.started));
    facts.fact("took", span(traced.took));
    facts.fact("memory", format!("{} at most", size(traced.memory)));
    let mut text = facts.lines();
    text.push('\n');
    if traced.steps.is_empty() {
        text.push_str("It asked the host for nothing.\n");
    } else {
        let mut calls = Table::new(paint, ["AT", "TOOK", "CALL", "CAME TO"]);
        for step in &traced.steps {
            let took = step.took.map_or_else(|| "-".into(), span);
            calls.row([span(step.at), took, plain::line(&step.name), plain::line(&step.outcome)]);
        }
        text.push_str(&calls.lines());
        if traced.more > 0 {
            let _ = writeln!(text, "and {} more", traced.more);
        }
    }
    lines(&mut text, "log", &traced.log);
    lines(&mut text, "denied", &traced.denied);
    text.push('\n');
    match end {
        End::Lease(facts) => lease(&mut text, facts, paint, moments),
        End::Refused(_) => {
            let said = end.text().map(plain::line).unwrap_or_default();
            let _ = writeln!(text, "{}: {said}", paint.bad(end.name()));
            if let Some(command) = end.command() {
                let _ = writeln!(text, "  run `{}`", plain::line(command));
            }
        }
    }
    text.push('\n');
    least(&mut text, ran);
    text
}

fn lines(text: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{heading}");
    for line in lines {
        let _ = writeln!(text, "  {}", plain::line(line));
    }
}

fn lease(text: &mut String, facts: &Facts, paint: Paint, moments: &Moments) {
    let mut table = Table::new(paint, []);
    table.fact("token", facts.items.join(", "));
    table.fact("source says", moments.until(facts.said));
    table.fact("token says", moments.until(facts.own));
    table.fact("id", facts.id.as_deref().map_or_else(|| "none".into(), plain::line));
    table.fact("fingerprint", facts.fingerprint.to_string());
    match &facts.holds {
        Holds::Yes { expiry, notes } => {
            let notes = if notes.is_empty() { String::new() } else { format!("; {}", plain::line(notes)) };
            table.fact("holds", paint.good(format!("{}{notes}", moments.until(*expiry))));
        }
        Holds::No(refusal) => table.fact("holds", paint.bad(format!("no, {}: {}", refusal.outcome().name(), plain::line(refusal.text())))),
    }
    let _ = writeln!(text, "{}", paint.strong("lease"));
    for line in table.lines().lines() {
        let _ = writeln!(text, "  {line}");
    }
}

fn least(text: &mut String, ran: &Ran) {
    let lines = ran.least.grants.lines();
    if lines.is_empty() {
        text.push_str("This run needed no grants.\n");
        return;
    }
    let is_only_to_load = ran.least.grants.names().iter().all(|name| ran.least.only_to_load.contains(name));
    text.push_str(if is_only_to_load {
        "This run used none of its grants, and the component does not load without these:\n\ngrants:\n"
    } else {
        "The least grants that this run needed:\n\ngrants:\n"
    });
    for line in lines.lines() {
        let _ = writeln!(text, "  {line}");
    }
    for name in &ran.least.only_to_load {
        let _ = writeln!(text, "  # {name}: not used in this run, but the component imports it and does not load without");
    }
}
