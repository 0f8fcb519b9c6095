//! Apps and kinds, with the time that their tokens have left.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::{Line, Span},
    widgets::{Paragraph, Row as Cells, Table},
};

use super::{Tone, View, tone::bar};
use crate::{
    commands::top::state::{Row, Top},
    lease::Expiry,
    output::rough,
    plain,
    protocol::{AppStatus, LeaseFacts, Trouble, TroubleKind, UnservedStatus},
};

/// Draws the page that the selected row is on; returns how many rows a page has.
pub(super) fn draw(view: &View, frame: &mut Frame<'_>, top: &Top, area: Rect) -> usize {
    let rows = top.rows();
    let page = usize::from(area.height.saturating_sub(1)).max(1);
    if rows.is_empty() {
        let text = view.typed.text("No token is cached. Ask for one: `flytoken get APP`");
        frame.render_widget(Paragraph::new(text), area);
        return page;
    }
    let (selected, wide) = (top.selected(), Width::of(area.width));
    let first = selected / page * page;
    let shown = rows.iter().enumerate().skip(first).take(page);
    let cells = shown.map(|(place, row)| {
        let mark = if place == selected { ">" } else { "" };
        let mut cells = vec![Span::raw(mark), Span::raw(row.app().to_string()), Span::raw(row.kind().to_string())];
        let [source, state, left, note] = told(view, *row, wide);
        if wide == Width::All {
            cells.push(source);
        }
        cells.push(state);
        cells.push(left);
        if wide == Width::All {
            cells.push(note);
        }
        let cells = Cells::new(cells.into_iter().map(Line::from));
        if place == selected { cells.style(view.selected()) } else { cells }
    });
    let longest = |texts: &mut dyn Iterator<Item = usize>, name: &str| to_u16(texts.max().unwrap_or(0).max(name.len()));
    let kind = longest(&mut rows.iter().map(|row| row.kind().as_str().len()), "KIND");
    let source = longest(&mut rows.iter().map(|row| source(*row).map_or(1, |name| name.chars().count())), "SOURCE").min(area.width / 6);
    let pages =
        if rows.len() > page { format!("APP {}-{} of {}", first + 1, (first + page).min(rows.len()), rows.len()) } else { "APP".into() };
    let app = longest(&mut rows.iter().map(|row| row.app().as_str().len()), &pages).min(area.width / 3);
    let (names, widths): (Vec<&str>, Vec<u16>) = match wide {
        Width::All => (vec!["", &pages, "KIND", "SOURCE", "STATE", "LEFT", "NOTE"], vec![1, app, kind, source, STATE, BAR + LEFT]),
        Width::Bars => (vec!["", &pages, "KIND", "STATE", "LEFT"], vec![1, app, kind, STATE, BAR + LEFT]),
        Width::Words => (vec!["", &pages, "KIND", "STATE", "LEFT"], vec![1, app, kind, STATE, LEFT]),
    };
    let rest = (wide == Width::All).then_some(Constraint::Fill(1));
    let widths = widths.into_iter().map(Constraint::Length).chain(rest);
    let heading = Cells::new(names.into_iter().map(str::to_owned)).style(view.style(Tone::Faint));
    let gap = if wide == Width::All { 2 } else { 1 };
    frame.render_widget(Table::new(cells, widths).header(heading).column_spacing(gap), area);
    page
}

/// How much of a row there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    All,
    Bars,
    Words,
}

impl Width {
    fn of(columns: u16) -> Self {
        match columns {
            ..55 => Self::Words,
            55..80 => Self::Bars,
            80.. => Self::All,
        }
    }
}

/// Source, state, what is left, and what there is to say of it.
fn told(view: &View, row: Row<'_>, wide: Width) -> [Span<'static>; 4] {
    let span = |text: String, tone| Span::styled(text, view.style(tone));
    let source = Span::raw(source(row).map_or_else(|| "-".to_owned(), plain::line));
    match row {
        Row::Cached(app) => {
            let tone = Tone::of(app.state);
            let note = match (&app.trouble, &app.last_error) {
                (Some(trouble), _) => in_trouble(view, trouble),
                (None, Some(error)) => plain::line(error),
                (None, None) => String::new(),
            };
            [source, span(app.state.as_str().into(), tone), span(left(view, app, wide), tone), span(note, Tone::Fair)]
        }
        Row::Without(UnservedStatus { last_error, failed, trouble, .. }) => {
            let trouble = trouble.as_ref().map(|trouble| format!("; {}", in_trouble(view, trouble))).unwrap_or_default();
            let note = format!("{}: {}{trouble}", view.moments.distance(*failed), plain::line(last_error));
            [source, span("no token".into(), Tone::Bad), Span::raw("-"), span(note, Tone::Fair)]
        }
    }
}

fn source(row: Row<'_>) -> Option<&str> {
    match row {
        Row::Cached(app) => Some(&app.lease.source),
        Row::Without(_) => None,
    }
}

fn left(view: &View, app: &AppStatus, wide: Width) -> String {
    let LeaseFacts { expiry, obtained, .. } = app.lease;
    let (share, words) = match expiry {
        Expiry::At(at) => {
            let (left, life) = (at.since(view.moments.now()), at.since(obtained));
            let share = left.as_secs_f64() / life.as_secs_f64().max(0.001);
            (share, if left.is_zero() { "ended".into() } else { rough(left) })
        }
        Expiry::Never => (1.0, "no end".into()),
        Expiry::Unknown => (0.0, "unknown".into()),
    };
    if wide == Width::Words { words } else { format!("{} {words}", bar(share, usize::from(BAR) - 1)) }
}

fn in_trouble(view: &View, Trouble { what, source, until }: &Trouble) -> String {
    let source = plain::line(source);
    let again = until.map(|until| format!(", again {}", view.moments.distance(until))).unwrap_or_default();
    match what {
        TroubleKind::BackedOff => format!("{source} backs off{again}"),
        TroubleKind::NeedsHuman => format!("{source} needs a person"),
        TroubleKind::Misconfigured => format!("{source} is misconfigured"),
        TroubleKind::BreakerOpen => format!("{source} broke, and rests{again}"),
    }
}

fn to_u16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// The widths of columns: the longest state, a bar with a blank behind it, and the longest time.
const STATE: u16 = 8;
const BAR: u16 = 11;
const LEFT: u16 = 8;
