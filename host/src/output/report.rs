//! A failure as people read it: what happened, what each step said, what to do.

use std::fmt::Write as _;

use super::Paint;
use crate::{
    plain,
    protocol::{Failure, StepOutcome, StepReport},
};

/// A failure as people read it.
///
/// ```text
/// error: no token for app `web`
///   storage: nothing is kept for it
///   cli: nobody is logged in; run `fly auth login`
///
/// hint: run `flytoken explain web` to see where each source looked
/// ```
pub fn failure(failure: &Failure, paint: Paint) -> String {
    let mut lines = failure.message.lines();
    let mut text = format!("{} {}", paint.bad("error:"), plain::line(lines.next().unwrap_or("something failed")));
    for line in lines {
        text.push_str("\n  ");
        text.push_str(&plain::line(line));
    }
    for step in &failure.steps {
        text.push_str("\n  ");
        text.push_str(&said(step, paint));
    }
    let hint = plain::line(&failure.hint);
    let _ = write!(text, "\n\n{} {hint}", paint.good("hint:"));
    text
}

fn said(step: &StepReport, paint: Paint) -> String {
    let reason = match (step.text.as_str(), step.outcome) {
        ("", StepOutcome::Skipped) => "not asked".to_owned(),
        ("", _) => "said nothing".to_owned(),
        (text, _) => plain::line(text),
    };
    let name = paint.strong(plain::line(&step.source));
    match &step.command {
        // A source may have put the command into its text already.
        Some(command) if !reason.contains(command.as_str()) => format!("{name}: {reason}; run `{}`", plain::line(command)),
        _ => format!("{name}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::FailureCode;

    fn step(source: &str, outcome: StepOutcome, text: &str, command: Option<&str>) -> StepReport {
        StepReport { source: source.into(), outcome, text: text.into(), command: command.map(Into::into), micros: 10 }
    }

    #[test]
    fn a_failure_lists_every_step_and_what_to_do() {
        let told = Failure {
            code: FailureCode::NeedsHuman,
            message: "no token for app `web`".into(),
            hint: "run `flytoken explain web`".into(),
            steps: vec![
                step("storage", StepOutcome::Absent, "nothing is kept", None),
                step("cli", StepOutcome::NeedsHuman, "nobody is logged in", Some("fly auth login")),
                step("vault", StepOutcome::Unavailable, "\u{1b}[2Jgot fm2_canary\nback", None),
                step("manual", StepOutcome::Skipped, "", None),
            ],
        };
        let expected = "error: no token for app `web`
  storage: nothing is kept
  cli: nobody is logged in; run `fly auth login`
  vault: \\u{1b}[2Jgot fm2_…\\nback
  manual: not asked

hint: run `flytoken explain web`";
        assert_eq!(failure(&told, Paint::new(false)), expected);
        assert!(failure(&told, Paint::new(true)).starts_with("\u{1b}["));
    }
}
