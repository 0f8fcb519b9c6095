//! What the demo prints: one line for each thing that happened, as it happens.

use std::{path::Path, time::Duration};

use crate::{
    output::{Output, Paint},
    plain,
    protocol::{Failure, LeaseFacts},
};

/// Prints the demo's lines. The columns are of fixed width, since no line waits for the next.
pub(super) struct Show {
    output: Output,
    paint: Paint,
    acts: usize,
}

impl Show {
    pub(super) fn new(output: Output) -> Self {
        Self { output, paint: output.paint(), acts: 0 }
    }

    pub(super) fn title(&self, folder: &Path) -> Result<(), Failure> {
        let title = self.paint.strong("flytoken demo");
        let columns = columns("", "SOURCE", "KIND", "TOKEN", "TIME");
        self.print(&format!(
            "{title}: no account, no flyctl; everything happens in {}\n\n{}",
            plain::whole_line(&folder.display().to_string()),
            self.paint.faint(columns)
        ))
    }

    /// Begins an act.
    pub(super) fn heading(&mut self, text: &str) -> Result<(), Failure> {
        let blank = if self.acts == 0 { "" } else { "\n" };
        self.acts += 1;
        self.print(&format!("{blank}{}", self.paint.strong(format!("{}  {text}", self.acts))))
    }

    /// Something that happened, and how long it took.
    pub(super) fn timed(&self, what: &str, took: Duration) -> Result<(), Failure> {
        self.print(&columns(what, "", "", "", &precise(took)))
    }

    /// Something that happened, and what there is to say of it.
    pub(super) fn told(&self, what: &str, result: &str) -> Result<(), Failure> {
        self.print(&format!("{INDENT}{what:<WHAT$}  {}", self.paint.good(result)))
    }

    /// A token that was handed out: by which step, and which one, by its fingerprint.
    pub(super) fn answered(&self, what: &str, by: &str, facts: &LeaseFacts, took: Duration) -> Result<(), Failure> {
        let line = columns(what, by, facts.kind.as_str(), &facts.fingerprint.to_string(), &precise(took));
        // Coloured once it has its width.
        let (before, from) = line.split_at(INDENT.len() + WHAT + GAP);
        let (by, after) = from.split_at(by.len());
        self.print(&format!("{before}{}{after}", self.paint.good(by)))
    }

    /// What something else said, line by line.
    pub(super) fn quote(&self, text: &str) -> Result<(), Failure> {
        let bar = |line: &str| format!("{INDENT}| {}", plain::whole_line(line)).trim_end().to_owned();
        let lines: Vec<String> = text.trim_end().lines().map(|line| self.paint.faint(bar(line))).collect();
        self.print(&lines.join("\n"))
    }

    /// What goes on, for somebody at a terminal.
    pub(super) fn meanwhile(&self, text: &str) {
        self.output.say_to_person(|paint| paint.faint(format!("{INDENT}{text} …")));
    }

    pub(super) fn end(&self, text: &str) -> Result<(), Failure> {
        let next = "Next: `flytoken --help`, or `flytoken get` in a folder with a fly.toml.";
        self.print(&format!("\n{} {next}", self.paint.good(text)))
    }

    fn print(&self, line: &str) -> Result<(), Failure> {
        self.output.print(&format!("{line}\n"))
    }
}

/// A duration with two or three digits that count.
pub(super) fn precise(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
        10_000..1_000_000 => format!("{} ms", duration.as_millis()),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

fn columns(what: &str, source: &str, kind: &str, token: &str, time: &str) -> String {
    // Joined by as many blanks as `GAP` says.
    format!("{INDENT}{what:<WHAT$}  {source:<SOURCE$}  {kind:<8}  {token:<16}  {time:>7}")
}

const INDENT: &str = "   ";
const WHAT: usize = 50;
const SOURCE: usize = 7;
const GAP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_or_three_digits_that_count() {
        for (micros, text) in
            [(0, "0 µs"), (999, "999 µs"), (1_234, "1.2 ms"), (31_900, "31 ms"), (1_234_000, "1.2 s"), (75_000_000, "75.0 s")]
        {
            assert_eq!(precise(Duration::from_micros(micros)), text);
        }
    }
}
