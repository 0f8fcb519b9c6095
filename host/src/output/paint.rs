//! Colours, where they are wanted.

use std::fmt::Display;

use clap::builder::styling::{AnsiColor, Style};

use crate::protocol::{LeaseState, StepOutcome};

/// Puts colours into text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// With colours or without.
    pub fn new(on: bool) -> Self {
        Self { on }
    }

    /// Whether there are colours.
    pub fn is_on(self) -> bool {
        self.on
    }

    /// What matters most on its line.
    pub fn strong(self, text: impl Display) -> String {
        self.with(Style::new().bold(), text)
    }

    /// What explains the rest.
    pub fn faint(self, text: impl Display) -> String {
        self.with(Style::new().dimmed(), text)
    }

    /// What is as it should be.
    pub fn good(self, text: impl Display) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    /// What may need a look.
    pub fn fair(self, text: impl Display) -> String {
        self.with(AnsiColor::Yellow.on_default(), text)
    }

    /// What is wrong.
    pub fn bad(self, text: impl Display) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    /// What came of a step, in its colour.
    pub fn outcome(self, outcome: StepOutcome) -> String {
        let name = outcome_name(outcome);
        match outcome {
            StepOutcome::Lease => self.good(name),
            StepOutcome::Absent | StepOutcome::Skipped => self.faint(name),
            StepOutcome::Unavailable | StepOutcome::NeedsHuman => self.fair(name),
            StepOutcome::Misconfigured | StepOutcome::Denied => self.bad(name),
        }
    }

    /// Where in its life a lease is, in its colour.
    pub fn state(self, state: LeaseState) -> String {
        match state {
            LeaseState::Fresh => self.good("fresh"),
            LeaseState::Renewing => self.good("renewing"),
            LeaseState::Ending => self.fair("ending"),
            LeaseState::Expired => self.bad("expired"),
        }
    }

    fn with(self, style: Style, text: impl Display) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

fn outcome_name(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Lease => "lease",
        StepOutcome::Absent => "absent",
        StepOutcome::Unavailable => "unavailable",
        StepOutcome::NeedsHuman => "needs human",
        StepOutcome::Misconfigured => "misconfigured",
        StepOutcome::Denied => "denied",
        StepOutcome::Skipped => "skipped",
    }
}
