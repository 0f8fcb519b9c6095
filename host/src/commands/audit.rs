//! `flytoken audit`: what is on record of requests, and whether it is whole.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::ExitCode,
};

use serde::Serialize;
use serde_json::Value;

use super::{Context, failure, policy::effective, unexpected};
use crate::{
    cli::{Audit, AuditAction, AuditTail},
    output::{Paint, Table},
    plain,
    protocol::{AuditFinding, AuditReport, Failure, FailureCode, Reply, Request},
};

pub(super) fn run(audit: &Audit, context: &Context) -> Result<ExitCode, Failure> {
    match &audit.action {
        Some(AuditAction::Verify(form)) => verify(context, form.json),
        Some(AuditAction::Tail(tail)) => self::tail(tail, context).map(|()| ExitCode::SUCCESS),
        None => self::tail(&audit.tail, context).map(|()| ExitCode::SUCCESS),
    }
}

fn verify(context: &Context, json: bool) -> Result<ExitCode, Failure> {
    let Reply::AuditVerified(report) = context.ask(Request::VerifyAudit)? else { return Err(unexpected()) };
    if json {
        context.output.print_json(&Verified::from(&report))?;
    } else {
        context.output.print(&text(&report, context.output.paint()))?;
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FailureCode::Misconfigured as u8) })
}

/// ```text
/// fail  /home/ada/audit.jsonl:4  number 4 was changed
///
/// 10 lines, numbers 1 to 10, 1 finding
/// ```
fn text(report: &AuditReport, paint: Paint) -> String {
    let mut table = Table::new(paint, []);
    let mut add = |state: String, finding: &AuditFinding| {
        table.row([state, format!("{}:{}", plain::line(&finding.file), finding.line), plain::whole_line(&finding.text)]);
    };
    report.notes.iter().for_each(|note| add(paint.fair("note"), note));
    report.findings.iter().for_each(|finding| add(paint.bad("fail"), finding));
    let numbers = match (report.first, report.last) {
        (Some(first), Some(last)) => format!(", numbers {first} to {last}"),
        _ => String::new(),
    };
    let found = match report.findings.len() {
        0 => paint.good("whole"),
        1 => paint.bad("1 finding"),
        several => paint.bad(format!("{several} findings")),
    };
    let table = table.lines();
    let gap = if table.is_empty() { "" } else { "\n" };
    format!("{table}{gap}{}: {} lines{numbers}, {found}\n", plain::line(&report.file), report.lines)
}

/// The file is the user's own, and needs no agent to be read.
fn tail(tail: &AuditTail, context: &Context) -> Result<(), Failure> {
    let config = effective(context)?.config;
    let Some(settings) = &config.audit else {
        let message = "nothing is put on record here";
        let hint = "add `audit: { file: audit.jsonl }` to the configuration: `flytoken config path`";
        return Err(failure(FailureCode::Misconfigured, message, hint));
    };
    let lines = last_lines(&settings.path, tail).map_err(|cause| {
        failure(
            FailureCode::TryAgain,
            format!("cannot read `{}`: {cause}", settings.path.display()),
            "nothing may have been asked yet: try again after `flytoken get APP`",
        )
    })?;
    if tail.json {
        return context.output.print(&lines.iter().fold(String::new(), |all, line| all + &line.to_string() + "\n"));
    }
    context.output.print(&shown(&lines, context.output.paint()))
}

/// The last lines that are asked for, of this file alone: what is set aside is a file of its own.
fn last_lines(path: &Path, tail: &AuditTail) -> std::io::Result<Vec<Value>> {
    let mut last = VecDeque::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let Ok(value) = serde_json::from_slice::<Value>(&line?) else { continue };
        if tail.app.as_ref().is_some_and(|app| value["app"] != app.as_str()) {
            continue;
        }
        last.push_back(value);
        if last.len() > tail.lines.min(MOST_LINES) {
            last.pop_front();
        }
    }
    Ok(last.into())
}

fn shown(lines: &[Value], paint: Paint) -> String {
    let mut table = Table::new(paint, ["TIME", "PID", "UID", "REQUEST", "APP", "KIND", "DECISION", "SOURCE", "FINGERPRINT"]);
    for line in lines {
        let text = |value: &Value| match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => plain::line(text),
            other => plain::line(&other.to_string()),
        };
        let said = line["decision"].as_str().or((line["event"] == "denied-call").then_some("denied"));
        let decision = match said {
            Some("given") => paint.good("given"),
            Some(other) => paint.bad(plain::line(other)),
            None => "-".into(),
        };
        let what = if line["request"].is_null() { &line["event"] } else { &line["request"] };
        table.row([
            text(&line["time"]),
            text(&line["client"]["pid"]),
            text(&line["client"]["uid"]),
            text(what),
            text(&line["app"]),
            text(&line["kind"]),
            decision,
            text(&line["source"]),
            text(&line["fingerprint"]),
        ]);
    }
    table.lines()
}

/// `audit verify --json`.
#[derive(Serialize)]
struct Verified<'a> {
    file: &'a str,
    lines: u64,
    first: Option<u64>,
    last: Option<u64>,
    whole: bool,
    findings: Vec<Found<'a>>,
    notes: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    file: &'a str,
    line: u64,
    text: &'a str,
}

impl<'a> From<&'a AuditReport> for Verified<'a> {
    fn from(report: &'a AuditReport) -> Self {
        let found = |findings: &'a [AuditFinding]| {
            findings.iter().map(|AuditFinding { file, line, text }| Found { file, line: *line, text }).collect()
        };
        Self {
            file: &report.file,
            lines: report.lines,
            first: report.first,
            last: report.last,
            whole: report.findings.is_empty(),
            findings: found(&report.findings),
            notes: found(&report.notes),
        }
    }
}

/// More is for a program to read.
const MOST_LINES: usize = 100_000;
