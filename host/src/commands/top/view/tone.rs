//! What colours mean: the same as in everything else that is printed.

use ratatui::style::{Color, Modifier, Style};

use crate::protocol::LeaseState;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// What matters most on its line.
    Strong,
    /// What explains the rest.
    Faint,
    /// What is as it should be.
    Good,
    /// What may need a look.
    Fair,
    /// What is wrong.
    Bad,
}

impl Tone {
    pub(super) fn style(self) -> Style {
        match self {
            Self::Strong => Style::new().add_modifier(Modifier::BOLD),
            Self::Faint => Style::new().add_modifier(Modifier::DIM),
            Self::Good => Style::new().fg(Color::Green),
            Self::Fair => Style::new().fg(Color::Yellow),
            Self::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    pub(super) fn of(state: LeaseState) -> Self {
        match state {
            LeaseState::Fresh | LeaseState::Renewing => Self::Good,
            LeaseState::Ending => Self::Fair,
            LeaseState::Expired => Self::Bad,
        }
    }
}

/// So much of `width` cells: `███░░░░░░░`. What is left of something shows as a cell at least.
pub(super) fn bar(share: f64, width: usize) -> String {
    let full = (1..=width).filter(|cell| share * to_f64(width) > to_f64(cell - 1)).count();
    "█".repeat(full) + &"░".repeat(width - full)
}

/// Numbers that are shown are small.
pub(super) fn to_f64(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_and_shows_the_last_bit() {
        for (share, expected) in
            [(0.0, "░░░░"), (0.01, "█░░░"), (0.5, "██░░"), (0.51, "███░"), (1.0, "████"), (7.0, "████"), (-1.0, "░░░░")]
        {
            assert_eq!(bar(share, 4), expected, "{share}");
        }
        assert_eq!(bar(f64::NAN, 2), "░░");
    }
}
