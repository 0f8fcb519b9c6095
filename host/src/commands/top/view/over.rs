//! What lies over the tables: a text, the keys, a question.

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Block, Clear, Padding, Paragraph},
};

use super::{Drawn, View, rows_of};
use crate::{
    commands::top::{
        keys::KEYS,
        state::{Over, Top},
    },
    output::{Paint, Table},
};

/// Draws what there is, and tells what can be seen of it.
pub(super) fn draw(view: &View, frame: &mut Frame<'_>, top: &Top, area: Rect) -> Option<Drawn> {
    let (title, text, from) = match &top.over {
        Over::Nothing => return None,
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
    let lines: Vec<String> = text.lines().flat_map(|line| wrapped(line, width.into())).collect();
    let height = rows_of(lines.len()).saturating_add(2).min(area.height);
    let width = (width + FRAME).min(area.width);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let block = Block::bordered().title(format!(" {title} ")).padding(Padding::horizontal(1));
    frame.render_widget(Clear, place);
    let page = usize::from(height.saturating_sub(2));
    let last = lines.len().saturating_sub(page);
    let shown = lines.into_iter().skip(from.min(last)).map(Line::raw).collect::<Vec<_>>();
    frame.render_widget(Paragraph::new(shown).block(block), place);
    Some(Drawn { page, last })
}

/// A line in parts of at most `width` characters, cut between words where that can be.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let (mut parts, mut rest) = (Vec::new(), line);
    while let Some((end, _)) = rest.char_indices().nth(width.max(1)) {
        let cut = rest[..end].rfind(' ').filter(|cut| !rest[..*cut].trim().is_empty()).unwrap_or(end);
        parts.push(rest[..cut].trim_end().to_owned());
        rest = rest[cut..].trim_start();
    }
    parts.push(rest.to_owned());
    parts
}

/// The columns of a frame.
const FRAME: u16 = 4;

/// Wider than this a question is hard to read.
const QUESTION: u16 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_between_words_where_that_can_be() {
        for (line, expected) in [
            ("", &[""][..]),
            ("a word", &["a word"]),
            ("two words that are long", &["two", "words", "that", "are", "long"]),
            ("unbreakable", &["unbrea", "kable"]),
            ("äöüäöüäöü", &["äöüäöü", "äöü"]),
            ("   in", &["   in"]),
        ] {
            assert_eq!(wrapped(line, 6), expected);
        }
        assert_eq!(wrapped("ab", 0), ["a", "b"]);
    }
}
