//! `flytoken explain`: how the last token was found, step by step.

use std::time::Duration;

use super::{Context, unexpected};
use crate::{
    app::AppName,
    cli::Explain,
    kind::Kind,
    output::{Moments, Paint, Table, json, rough},
    plain,
    protocol::{Explanation, Failure, Reply, Request, StepOutcome, StepReport},
};

pub(super) fn run(explain: &Explain, context: &Context) -> Result<(), Failure> {
    let app = context.app(&explain.app)?;
    let kind = explain.kind;
    let request = Request::Explain { app: app.clone(), kind, resolve: explain.resolve };
    // A core started just now has resolved nothing, so it is worth starting only to resolve.
    let (reply, remembered) = if explain.resolve { (Some(context.ask(request)?), true) } else { remembered(context, &request)? };
    let explanation = match reply {
        Some(Reply::Explained { explanation }) => explanation.map(|explanation| context.typed().explanation(*explanation)),
        None => None,
        Some(_) => return Err(unexpected()),
    };
    if explain.json {
        let resolution = explanation.as_ref().map(Into::into);
        return context.output.print_json(&json::Explained { app: &app, kind, resolution });
    }
    context.output.print(&match explanation {
        Some(explanation) => text(&explanation, context.output.paint(), &context.moments()),
        None => context.typed().text(&nothing(&app, kind, remembered)),
    })
}

/// The agent's answer, and whether there is an agent.
fn remembered(context: &Context, request: &Request) -> Result<(Option<Reply>, bool), Failure> {
    let reply = context.ask_agent(request)?;
    let remembered = reply.is_some();
    Ok((reply, remembered))
}

pub(super) fn nothing(app: &AppName, kind: Kind, agent: bool) -> String {
    let why = if agent {
        "the agent has not resolved it since it started"
    } else {
        "there is no last resolution: without an agent nothing is remembered between commands"
    };
    let kind_option = if kind == Kind::default() { String::new() } else { format!(" --kind {kind}") };
    format!("{app} {kind}: {why}\n\nResolve it now: `flytoken explain {app}{kind_option} --resolve`\n")
}

pub(super) fn text(explanation: &Explanation, paint: Paint, moments: &Moments) -> String {
    let mut steps = Table::new(paint, ["STEP", "OUTCOME", "TIME", "WHAT IT SAID"]);
    for step in &explanation.steps {
        let time = if step.outcome == StepOutcome::Skipped { String::new() } else { rough(Duration::from_micros(step.micros)) };
        steps.row([plain::line(&step.source), paint.outcome(step.outcome), time, said(step)]);
    }
    let facts = facts(explanation, paint, moments).lines();
    format!("{}\n\n{}\n{facts}", summary(explanation, paint, moments), steps.lines())
}

fn summary(explanation: &Explanation, paint: Paint, moments: &Moments) -> String {
    let Explanation { app, kind, at, renewal, steps, .. } = explanation;
    let took = rough(Duration::from_micros(steps.iter().map(|step| step.micros).sum()));
    let doing = if *renewal { "renewed" } else { "resolved" };
    let how = match steps.iter().find(|step| step.outcome == StepOutcome::Lease) {
        Some(step) => format!("{doing} by {}", paint.strong(plain::line(&step.source))),
        None => format!("not {doing}"),
    };
    format!("{} {kind}: {how} at {}, in {took}", paint.strong(app), moments.both(*at))
}

fn facts(explanation: &Explanation, paint: Paint, moments: &Moments) -> Table {
    let mut facts = Table::new(paint, []);
    match &explanation.lease {
        Some(lease) => {
            let source = plain::line(&lease.source);
            facts.fact("lease", format!("{} from {source}, obtained at {}", lease.fingerprint, moments.both(lease.obtained)));
            facts.fact("valid", moments.until(lease.expiry));
        }
        None => facts.fact("lease", "none is cached"),
    }
    if let Some(soft) = explanation.soft {
        facts.fact("renewal", format!("in the background from {}", moments.both(soft)));
    }
    if let Some(hard) = explanation.hard {
        facts.fact("waiting", format!("callers wait for a newer one from {}", moments.both(hard)));
    }
    if let Some(generation) = &explanation.generation {
        facts.fact("login", format!("generation {}", plain::line(generation)));
    }
    facts
}

fn said(step: &StepReport) -> String {
    let text = plain::line(&step.text);
    match &step.command {
        Some(command) if !text.contains(command.as_str()) => format!("{text}; run `{}`", plain::line(command)),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::{lease::Expiry, protocol::LeaseFacts, time::Timestamp};

    #[test]
    fn every_step_is_shown_with_what_it_said_and_how_long_it_took() {
        let now = Timestamp::from_seconds(1_700_000_000); // 22:13:20 UTC
        let step = |source: &str, outcome, text: &str, command: Option<&str>, micros| StepReport {
            source: source.into(),
            outcome,
            text: text.into(),
            command: command.map(Into::into),
            micros,
        };
        let app = AppName::parse("web").unwrap();
        let explanation = Explanation {
            app: app.clone(),
            kind: Kind::Readonly,
            at: now.before(Duration::from_mins(3)),
            renewal: false,
            lease: Some(LeaseFacts {
                app,
                kind: Kind::Readonly,
                source: "cli".into(),
                expiry: Expiry::At(now.after(Duration::from_hours(23))),
                obtained: now.before(Duration::from_mins(3)),
                fingerprint: "0123456789abcdef".parse().unwrap(),
            }),
            soft: Some(now.after(Duration::from_hours(22))),
            hard: None,
            generation: Some("00c0ffee".into()),
            steps: vec![
                step("storage", StepOutcome::Absent, "nothing is kept", None, 80),
                step("config", StepOutcome::NeedsHuman, "the discharges are stale", Some("fly auth whoami"), 120),
                step("cli", StepOutcome::Lease, "", None, 312_000),
                step("manual", StepOutcome::Skipped, "not needed", None, 0),
            ],
        };
        let expected = "\
web readonly: resolved by cli at 22:10 (3 min ago), in 312 ms

STEP     OUTCOME      TIME    WHAT IT SAID
storage  absent       80 µs   nothing is kept
config   needs human  120 µs  the discharges are stale; run `fly auth whoami`
cli      lease        312 ms
manual   skipped              not needed

lease    0123456789abcdef from cli, obtained at 22:10 (3 min ago)
valid    until 2023-11-15 21:13 (in 23 h)
renewal  in the background from 2023-11-15 20:13 (in 22 h)
login    generation 00c0ffee
";
        assert_eq!(text(&explanation, Paint::new(false), &Moments::at(now, TimeZone::UTC)), expected);
    }

    #[test]
    fn without_a_resolution_it_points_to_one() {
        let app = AppName::parse("web").unwrap();
        assert!(nothing(&app, Kind::Deploy, false).contains("`flytoken explain web --kind deploy --resolve`"));
        assert!(nothing(&app, Kind::Readonly, true).contains("since it started"));
    }
}
