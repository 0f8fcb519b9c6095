//! The lines above all: the agent, its budget, its tokens, and what is wrong.

use ratatui::text::{Line, Span};

use super::{
    Tone, View,
    tone::{bar, to_f64},
};
use crate::{
    commands::top::state::Top,
    plain,
    protocol::{LeaseState, MintsStatus, Status},
};

/// As many as there are, what matters most first.
pub(super) fn lines(view: &View, top: &Top, width: u16) -> Vec<Line<'static>> {
    let mut lines = vec![agent(view, top, width)];
    // What it says of itself is not so any more.
    let problem = if top.lost.is_none() { problem(&top.status) } else { None };
    lines.extend(problem.map(|problem| Line::from(vec![Span::styled("problem: ", view.style(Tone::Bad)), Span::raw(problem)])));
    lines.push(tokens(view, &top.status));
    lines.push(mints(view, top.status.mints, width));
    lines.push(Line::default());
    lines
}

fn agent(view: &View, top: &Top, width: u16) -> Line<'static> {
    let name = if width < WIDE { "" } else { "flytoken top  " };
    let name = Span::styled(name, view.style(Tone::Strong));
    if let Some(lost) = &top.lost {
        let lost = view.typed.text(&plain::line(lost));
        return Line::from(vec![name, Span::styled(format!("as it was: {lost}"), view.style(Tone::Bad))]);
    }
    let Status { pid, version, started, system, login, .. } = &top.status;
    let whose = if *system { " of the whole system" } else { "" };
    let up = view.moments.distance(*started);
    let up = up.trim_end_matches(" ago");
    let agent = Span::raw(format!("agent{whose} {pid}, {}, up {up}, ", plain::line(version)));
    let login = if login.present { ("logged in", Tone::Good) } else { ("not logged in", Tone::Fair) };
    Line::from(vec![name, agent, Span::styled(login.0, view.style(login.1))])
}

/// The first thing that `flytoken status` would call a problem.
fn problem(status: &Status) -> Option<String> {
    let Status { config, storage, login, policy, .. } = status;
    let policy = policy.as_ref().and_then(|policy| policy.problem.as_ref());
    let problem = policy.or(config.problem.as_ref()).or(storage.problem.as_ref()).or(login.problem.as_ref())?;
    Some(plain::line(problem.lines().next().unwrap_or_default()))
}

fn tokens(view: &View, status: &Status) -> Line<'static> {
    let mut spans = vec![Span::styled("tokens  ", view.style(Tone::Faint)), Span::raw(status.resources.leases.to_string())];
    for state in LeaseState::ALL {
        let count = status.apps.iter().filter(|app| app.state == state).count();
        // Those that are left out are fresh, or there are more than anybody reads.
        if count > 0 && (state != LeaseState::Fresh || status.apps_left_out == 0) {
            spans.push(Span::raw(", "));
            spans.push(Span::styled(format!("{count} {}", state.as_str()), view.style(Tone::of(state))));
        }
    }
    if !status.unserved.is_empty() {
        spans.push(Span::raw(", "));
        spans.push(Span::styled(format!("{} without", status.unserved.len()), view.style(Tone::Bad)));
    }
    if status.apps_left_out > 0 {
        spans.push(Span::raw(format!(", {} not shown", status.apps_left_out)));
    }
    Line::from(spans)
}

fn mints(view: &View, mints: Option<MintsStatus>, width: u16) -> Line<'static> {
    let name = Span::styled("mints   ", view.style(Tone::Faint));
    let Some(MintsStatus { charged, budget }) = mints else {
        return Line::from(vec![name, Span::raw("an agent of this version tells: start it anew")]);
    };
    let Some(charged) = charged else {
        return Line::from(vec![name, Span::styled("the ledger cannot be read", view.style(Tone::Bad))]);
    };
    let number = |number: u64| to_f64(usize::try_from(number).unwrap_or(usize::MAX));
    let share = number(charged) / number(budget.max(1));
    let tone = if charged >= budget {
        Tone::Bad
    } else if share >= NEARLY {
        Tone::Fair
    } else {
        Tone::Good
    };
    let bar = Span::styled(bar(share, if width < WIDE { 5 } else { 20 }), view.style(tone));
    Line::from(vec![name, bar, Span::raw(format!(" {charged} of {budget} in the last hour"))])
}

/// From this share of the budget on it may need a look.
const NEARLY: f64 = 0.75;

/// From so many columns on there is room for more than what matters.
const WIDE: u16 = 60;
