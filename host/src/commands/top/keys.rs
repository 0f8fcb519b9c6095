//! What is meant by a key.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Explain,
    Refresh,
    Invalidate,
    Help,
    /// The answer to a question; any other key is a no.
    Yes,
    /// Away with what lies over the tables; without it, the end.
    Back,
    /// The end, whatever is shown.
    Interrupt,
    /// To the shell, until it says to go on.
    Stop,
    /// The screen is garbled.
    Redraw,
    /// Nothing in particular.
    Other,
}

/// What this key means; nothing for one that is let go.
pub(super) fn meant(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    if event.modifiers.contains(KeyModifiers::CONTROL) {
        return Some(match event.code {
            KeyCode::Char('c' | 'd') => Key::Interrupt,
            KeyCode::Char('z') => Key::Stop,
            KeyCode::Char('l') => Key::Redraw,
            _ => Key::Other,
        });
    }
    Some(match event.code {
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown | KeyCode::Char(' ') => Key::PageDown,
        KeyCode::Home | KeyCode::Char('g') => Key::First,
        KeyCode::End | KeyCode::Char('G') => Key::Last,
        KeyCode::Char('e') | KeyCode::Enter => Key::Explain,
        KeyCode::Char('r') => Key::Refresh,
        KeyCode::Char('i') => Key::Invalidate,
        KeyCode::Char('?' | 'h') => Key::Help,
        KeyCode::Char('y' | 'Y') => Key::Yes,
        KeyCode::Char('q') | KeyCode::Esc => Key::Back,
        _ => Key::Other,
    })
}

/// The keys, as they are told.
pub(super) const KEYS: [(&str, &str); 9] = [
    ("up down j k", "select an app"),
    ("PgUp PgDn", "a page on; g and G: the first and the last"),
    ("e", "explain: where its token came from, step by step"),
    ("r", "refresh: obtain a newer token now"),
    ("i", "invalidate: never hand out again what it has"),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-Z", "stop; `fg` goes on"),
    ("?", "this list"),
    ("q Esc", "back, and the end; Ctrl-C: the end at once"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_means_what_the_help_says_and_letting_it_go_nothing() {
        let key = |code, modifiers| meant(KeyEvent::new(code, modifiers));
        for (code, modifiers, expected) in [
            (KeyCode::Char('j'), KeyModifiers::NONE, Key::Down),
            (KeyCode::Char('G'), KeyModifiers::SHIFT, Key::Last),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Key::Interrupt),
            (KeyCode::Char('i'), KeyModifiers::CONTROL, Key::Other),
            (KeyCode::Esc, KeyModifiers::NONE, Key::Back),
            (KeyCode::F(1), KeyModifiers::NONE, Key::Other),
        ] {
            assert_eq!(key(code, modifiers), Some(expected));
        }
        let released = KeyEvent::new_with_kind(KeyCode::Char('y'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(meant(released), None);
    }
}
