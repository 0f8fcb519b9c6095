//! Sources: how often they were called, how often that failed, and how long it takes.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::{Line, Span},
    widgets::{Row as Cells, Table},
};

use super::{Tone, View};
use crate::{commands::top::state::Top, output::rough, plain, protocol::SourceStatus};

pub(super) fn draw(view: &View, frame: &mut Frame<'_>, top: &Top, area: Rect) {
    let mut sources: Vec<&SourceStatus> = top.status.sources.iter().collect();
    // Where there is no room for all: what is at work, and what does not work.
    sources.sort_by_key(|source| source.calls == 0 && source.problem.is_none());
    let time = |micros: Option<u64>| micros.map_or_else(|| "-".into(), |micros| rough(Duration::from_micros(micros)));
    let name = sources.iter().map(|source| source.name.chars().count()).max().unwrap_or(0).max("SOURCE".len());
    let rows = sources.into_iter().map(|source| {
        let failures = if source.failures > 0 { Tone::Bad } else { Tone::Faint };
        let cells = [
            Span::raw(plain::line(&source.name)),
            Span::raw(source.calls.to_string()),
            Span::styled(source.failures.to_string(), view.style(failures)),
            Span::raw(time(source.p50_us)),
            Span::raw(time(source.p99_us)),
            state(view, source),
        ];
        Cells::new(cells.map(Line::from))
    });
    let name = u16::try_from(name).unwrap_or(u16::MAX).min(area.width / 4);
    let widths = [
        Constraint::Length(name),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Fill(1),
    ];
    let heading = Cells::new(["SOURCE", "CALLS", "FAILURES", "MEDIAN", "P99", "STATE"]).style(view.style(Tone::Faint));
    let gap = if area.width < 80 { 1 } else { 2 };
    frame.render_widget(Table::new(rows, widths).header(heading).column_spacing(gap), area);
}

fn state(view: &View, source: &SourceStatus) -> Span<'static> {
    let span = |text: String, tone| Span::styled(text, view.style(tone));
    match (&source.problem, &source.sha256) {
        (Some(problem), Some(_)) => span(format!("the one before serves: {}", plain::line(problem)), Tone::Bad),
        (Some(problem), None) => span(format!("not loaded: {}", plain::line(problem)), Tone::Bad),
        (None, None) if source.disabled => span("disabled".into(), Tone::Faint),
        (None, None) => span("not loaded".into(), Tone::Fair),
        (None, Some(_)) => match source.open_until {
            Some(until) => span(format!("broke, and rests; again {}", view.moments.distance(until)), Tone::Bad),
            None if source.unpinned => span("loaded, not pinned (dev)".into(), Tone::Fair),
            None => span("loaded".into(), Tone::Good),
        },
    }
}
