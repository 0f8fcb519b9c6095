//! How it looks: a function from what is known to what is drawn, whatever the size of the screen.

mod apps;
mod events;
mod head;
mod over;
mod sources;
#[cfg(test)]
mod tests;
mod tone;

use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    text::Line,
    widgets::Paragraph,
};

use self::tone::Tone;
use super::state::{Note, Over, Top};
use crate::{commands::typed::Typed, output::Moments, plain};

/// How it looks at a moment.
pub(super) struct View {
    /// Words for moments, seen from now.
    pub(super) moments: Moments,
    /// Whether there are colours.
    pub(super) colours: bool,
    /// Commands as they have to be typed.
    pub(super) typed: Typed,
}

/// What was drawn, for whoever presses a key next.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drawn {
    /// How many rows there are on a page: of apps, or of the text that lies over them.
    pub(super) page: usize,
    /// The line from which on that text can be seen to its end.
    pub(super) last: usize,
}

impl View {
    /// Draws all of it.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, top: &Top) -> Drawn {
        let area = frame.area();
        let mut heading = head::lines(self, top, area.width);
        // What matters most comes first, and the apps are what it is all about.
        heading.truncate((area.height / 3).into());
        let foot = u16::from(area.height > 3);
        let (above, rest) = cut(area, rows_of(heading.len()));
        let (body, below) = cut(rest, rest.height.saturating_sub(foot));
        frame.render_widget(Paragraph::new(heading), above);
        frame.render_widget(Paragraph::new(self.foot(top)), below);
        let page = self.tables(frame, top, body);
        if top.lost.is_some() {
            // What was so when somebody could tell.
            frame.buffer_mut().set_style(body, self.style(Tone::Faint));
        }
        over::draw(self, frame, top, rest).unwrap_or(Drawn { page, last: 0 })
    }

    /// The tables below each other: the sources and events that there are, as far as the apps leave room.
    fn tables(&self, frame: &mut Frame<'_>, top: &Top, body: Rect) -> usize {
        let (apps, sources, events) = (top.rows().len(), top.status.sources.len(), top.status.events.len());
        // With a heading; those below have an empty line before it.
        let wanted = |rows: usize| rows_of(rows.max(1)) + 1;
        let below = |rows: usize, room: u16, share: u16| if body.height < room { 0 } else { (wanted(rows) + 1).min(body.height / share) };
        let (of_sources, of_events) = (below(sources, ROOM_FOR_SOURCES, 3), below(events, ROOM_FOR_EVENTS, 4));
        let apps = wanted(apps).min(body.height - of_sources - of_events);
        // What the apps leave over is theirs as well.
        let sources = if of_sources == 0 { 0 } else { (wanted(sources) + 1).min(body.height - apps - of_events) };
        let events = if of_events == 0 { 0 } else { (wanted(events) + 1).min(body.height - apps - sources) };

        let (area, rest) = cut(body, apps);
        let page = apps::draw(self, frame, top, area);
        let (area, rest) = cut(rest, sources);
        sources::draw(self, frame, top, below_a_gap(area));
        let (area, _) = cut(rest, events);
        events::draw(self, frame, top, below_a_gap(area));
        page
    }

    fn foot(&self, top: &Top) -> Line<'static> {
        if let Some(Note { text, is_good }) = &top.note {
            let tone = if *is_good { Tone::Strong } else { Tone::Bad };
            return Line::styled(plain::line(text), self.style(tone));
        }
        let help = match top.over {
            Over::Nothing => "e explain  r refresh  i invalidate  ? keys  q quit",
            Over::Sure(_) => "y yes  any other key no",
            Over::Help | Over::Text { .. } => "q back",
        };
        Line::styled(help, self.style(Tone::Faint))
    }

    /// The look of this.
    fn style(&self, tone: Tone) -> Style {
        if self.colours { tone.style() } else { Style::new() }
    }

    /// The selected row's. Without colours its mark alone tells.
    fn selected(&self) -> Style {
        if self.colours { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() }
    }
}

/// The upper `height` rows of an area, or all that it has, and the others.
fn cut(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

fn below_a_gap(area: Rect) -> Rect {
    cut(area, 1).1
}

fn rows_of(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX - 2)
}

/// Below this, a screen has apps alone.
const ROOM_FOR_SOURCES: u16 = 9;

/// Below this, it has no events.
const ROOM_FOR_EVENTS: u16 = 12;
