//! What lies over the tables: a text, the keys, a question.

use ratatui::{
    Frame,
    layout::Rect,
    widgets::{Block, Clear, Padding, Paragraph, Wrap},
};

use super::{View, rows_of};
use crate::{
    commands::top::{
        keys::KEYS,
        state::{Over, Top},
    },
    output::{Paint, Table},
};

pub(super) fn draw(view: &View, frame: &mut Frame<'_>, top: &Top, area: Rect) {
    let (title, text, from) = match &top.over {
        Over::Nothing => return,
        Over::Help => {
            let mut keys = Table::new(Paint::new(false), []);
            for (key, meaning) in KEYS {
                keys.fact(key, meaning);
            }
            ("keys".to_owned(), keys.lines(), 0)
        }
        Over::Text { title, text, from } => (title.clone(), text.clone(), *from),
        Over::Sure(subject) => (
            format!("invalidate {} {}?", subject.app, subject.kind),
            view.typed.text(
                "No token that was obtained for it so far is handed out again. Each stays valid at Fly until it ends, or until \
                 `flytoken revoke` ends it.\n\ny: yes   any other key: no\n",
            ),
            0,
        ),
    };
    // Its frame, and a column of blanks on both sides.
    let most = area.width.saturating_sub(FRAME);
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0).max(title.len() + 2);
    let width = rows_of(longest).min(most).min(if matches!(top.over, Over::Sure(_)) { QUESTION } else { u16::MAX });
    let lines = text.lines().map(|line| line.chars().count().div_ceil(usize::from(width.max(1))).max(1)).sum();
    let height = rows_of(lines).saturating_add(2).min(area.height);
    let width = (width + FRAME).min(area.width);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let block = Block::bordered().title(format!(" {title} ")).padding(Padding::horizontal(1));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }).scroll((from, 0)).block(block), place);
}

/// The columns of a frame.
const FRAME: u16 = 4;

/// Wider than this a question is hard to read.
const QUESTION: u16 = 60;
