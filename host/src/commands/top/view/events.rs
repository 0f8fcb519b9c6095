//! What happened last, the newest first.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::{Line, Span},
    widgets::{Row as Cells, Table},
};

use super::{Tone, View};
use crate::{commands::top::state::Top, output::rough, plain, protocol::Event};

pub(super) fn draw(view: &View, frame: &mut Frame<'_>, top: &Top, area: Rect) {
    let events = &top.status.events;
    let about = |event: &Event| {
        let words = [event.app.as_ref().map(ToString::to_string), event.kind.map(|kind| kind.to_string())];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let widest = events.iter().map(|event| about(event).len()).max().unwrap_or(0);
    let rows = events.iter().map(|event| {
        let (words, tone) = told(event);
        let cells = [Span::raw(view.moments.distance(event.at)), Span::raw(about(event)), Span::styled(words, view.style(tone))];
        Cells::new(cells.map(Line::from))
    });
    let widest = u16::try_from(widest).unwrap_or(u16::MAX).clamp(3, (area.width / 3).max(3));
    let widths = [Constraint::Length(11), Constraint::Length(widest), Constraint::Fill(1)];
    let heading = Cells::new(["WHEN", "APP", "WHAT HAPPENED"]).style(view.style(Tone::Faint));
    frame.render_widget(Table::new(rows, widths).header(heading).column_spacing(2), area);
}

/// What it was, in words.
fn told(event: &Event) -> (String, Tone) {
    let by = event.source.as_deref().map(|source| format!(" by {}", plain::line(source))).unwrap_or_default();
    let done = match event.what.as_str() {
        "resolve" => format!("resolved{by}"),
        "renew" => format!("renewed{by}"),
        "set" => "set by hand".into(),
        "unset" => "no longer set by hand".into(),
        "invalidate" => "invalidated".into(),
        "revoke" => "revoked".into(),
        // Of a newer agent, or denied.
        other => plain::line(other),
    };
    let took = event.micros.map(|micros| format!(" in {}", rough(Duration::from_micros(micros)))).unwrap_or_default();
    let times = if event.times > 1 { format!(", {} times", event.times) } else { String::new() };
    match event.failure {
        None => (format!("{done}{took}{times}"), Tone::Good),
        Some(failure) => {
            let (what, source) = (plain::line(&event.what), event.source.as_deref());
            let source = source.map(|source| format!(" ({})", plain::line(source))).unwrap_or_default();
            (format!("{what} failed: {}{source}{times}", failure.name()), Tone::Bad)
        }
    }
}
