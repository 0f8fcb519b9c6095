//! `flytoken policy`: what an administrator's policy says, what it cuts away, and whom it lets do what. Asks nobody.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

use serde::Serialize;

use super::{Context, failure};
use crate::{
    attestation::{self, Facts},
    cli::{ClientFact, Json, Policy, PolicyAction, PolicyCheck, PolicyTest},
    config::{self, Config, ConfigErrors, DurationText},
    delivery::Narrowing,
    output::Table,
    plain,
    policy::{self, Accounts, Asked, Cut, Machine, Place, SystemAccounts, Verb, Verdict},
    protocol::{Failure, FailureCode},
};

pub(super) fn run(policy: &Policy, context: &Context) -> Result<ExitCode, Failure> {
    match &policy.action {
        PolicyAction::Check(check) => self::check(check, context),
        PolicyAction::Show(form) => show(*form, context).map(|()| ExitCode::SUCCESS),
        PolicyAction::Test(test) => self::test(test, context),
    }
}

/// What is in force for this user.
pub(super) struct Effective {
    /// The policy, if there is one.
    pub(super) policy: Option<policy::Policy>,
    /// What it leaves of the configuration.
    pub(super) config: Arc<Config>,
    /// What it takes away.
    pub(super) cuts: Vec<Cut>,
}

/// What is in force for this user: the configuration as far as the policy leaves it.
pub(super) fn effective(context: &Context) -> Result<Effective, Failure> {
    let place = context.paths.policy();
    let policy = policy::Policy::load(&place, &Machine::here(place.audience)).map_err(|errors| does_not_hold(&errors))?;
    let layers = context.paths.layers(rustix::process::getuid().as_raw());
    let loaded = config::load(&layers)
        .map_err(|errors| failure(FailureCode::Misconfigured, errors.to_string(), "mend the file, then run `flytoken config check`"))?;
    Ok(match policy {
        None => Effective { policy: None, config: loaded.config, cuts: Vec::new() },
        Some(policy) => {
            let (config, cuts) = policy.limit(&loaded.config);
            Effective { policy: Some(policy), config: Arc::new(config), cuts }
        }
    })
}

fn check(check: &PolicyCheck, context: &Context) -> Result<ExitCode, Failure> {
    let place = place(check.file.as_ref(), context);
    let file = place.file.display().to_string();
    let errors = match policy::Policy::load(&place, &Machine::here(place.audience)) {
        Ok(Some(_)) => Vec::new(),
        Ok(None) if check.file.is_none() => return Err(none(&place)),
        Ok(None) => vec![format!("{file}: there is no such file")],
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    };
    if check.json {
        context.output.print_json(&Checked { file: &file, errors: &errors })?;
    } else if errors.is_empty() {
        context.output.print(&format!("{}: {}\n", context.output.paint().good("ok"), plain::whole_line(&file)))?;
    } else {
        let message = format!("the policy does not hold:\n{}", errors.join("\n"));
        return Err(failure(
            FailureCode::Misconfigured,
            message,
            "mend it, then run `flytoken policy check`; while it is in force nothing starts and nothing is answered",
        ));
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FailureCode::Misconfigured as u8) })
}

fn show(form: Json, context: &Context) -> Result<(), Failure> {
    let Effective { policy, cuts, .. } = effective(context)?;
    let Some(policy) = policy else { return Err(none(&context.paths.policy())) };
    let text = std::fs::read_to_string(policy.file()).unwrap_or_default();
    if form.json {
        let cut =
            |cut: &Cut| CutShown { rule: cut.rule.clone(), source: cut.source.as_ref().map(ToString::to_string), what: cut.what.clone() };
        return context.output.print_json(&Shown {
            file: policy.file().display().to_string(),
            reports_only: policy.reports_only(),
            requires_agent: policy.requires_agent(),
            text: &text,
            cuts: cuts.iter().map(cut).collect(),
        });
    }
    let paint = context.output.paint();
    let mut shown = format!("# {}", plain::whole_line(&policy.file().display().to_string()));
    shown.push_str(if policy.reports_only() { ", which only reports\n" } else { ", enforced\n" });
    for line in text.lines() {
        let _ = writeln!(shown, "{}", plain::line(line));
    }
    shown.push('\n');
    if cuts.is_empty() {
        shown.push_str("It takes nothing away from your configuration.\n");
        return context.output.print(&shown);
    }
    shown.push_str(if policy.reports_only() {
        "It would take away from your configuration:\n"
    } else {
        "It takes away from your configuration:\n"
    });
    let mut table = Table::new(paint, ["RULE", "SOURCE", "WHAT"]);
    for cut in &cuts {
        let source = cut.source.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        table.row([plain::line(&cut.rule), source, plain::line(&cut.what)]);
    }
    shown.push_str(&table.lines());
    context.output.print(&shown)
}

fn test(test: &PolicyTest, context: &Context) -> Result<ExitCode, Failure> {
    let place = place(test.file.as_ref(), context);
    let policy = policy::Policy::load(&place, &Machine::here(place.audience))
        .map_err(|errors| does_not_hold(&errors))?
        .ok_or_else(|| none(&place))?;
    let facts = facts(test, &policy)?;
    // What is about no app is judged without one.
    let about_app = !matches!(test.request, Verb::Status | Verb::Minted | Verb::Audit | Verb::Revoke);
    let app = if about_app { Some(context.app(&test.app)?) } else { None };
    let about_kind = matches!(test.request, Verb::Get | Verb::Refresh | Verb::Invalidate | Verb::Explain);
    let asked = Asked { verb: test.request, app: app.as_ref(), kind: about_kind.then_some(test.kind) };
    let verdict = policy.judge(&facts, asked);
    let (decision, rule, most) = match verdict {
        Verdict::Allowed { rule, most } => ("allowed", rule, most),
        Verdict::Denied { rule } if policy.reports_only() => ("would-deny", rule, Narrowing::default()),
        Verdict::Denied { rule } => ("denied", rule, Narrowing::default()),
    };
    let tested = Tested {
        decision,
        rule,
        client: &facts,
        actions: most.actions.map(|actions| actions.to_string()),
        max_lifetime: most.max_lifetime.map(|lifetime| lifetime.as_secs()),
    };
    if test.json {
        context.output.print_json(&tested)?;
    } else {
        let paint = context.output.paint();
        let mut table = Table::new(paint, []);
        table.fact("decision", if decision == "allowed" { paint.good(decision) } else { paint.bad(decision) });
        table.fact("rule", rule.map_or_else(|| no_rule(&policy, decision).to_owned(), plain::line));
        if let Some(actions) = &tested.actions {
            table.fact("actions", format!("{actions} at most"));
        }
        if let Some(lifetime) = most.max_lifetime {
            table.fact("lifetime", format!("{} at most", DurationText(lifetime)));
        }
        table.fact("client", facts.to_string());
        context.output.print(&table.lines())?;
    }
    Ok(if decision == "denied" { ExitCode::from(FailureCode::Denied as u8) } else { ExitCode::SUCCESS })
}

fn no_rule(policy: &policy::Policy, decision: &str) -> &'static str {
    match (decision, policy.judges_clients()) {
        ("allowed", _) => "none: the policy judges no clients",
        (_, _) => "none: no rule under `clients` admits this client to that",
    }
}

/// Who asks: as described, or whoever runs this command.
fn facts(test: &PolicyTest, policy: &policy::Policy) -> Result<Facts, Failure> {
    if test.client.is_empty() {
        return Ok(attestation::of_this_process(policy.wanted()).facts().clone());
    }
    let mut facts = Facts { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw(), ..Facts::default() };
    for fact in &test.client {
        match fact {
            ClientFact::User(user) => facts.uid = number("user", user, |name| SystemAccounts.user(name))?,
            ClientFact::Group(group) => facts.groups.push(number("group", group, |name| SystemAccounts.group(name))?),
            ClientFact::Executable(path) => {
                let found = attestation::executable_at(path).map_err(|cause| {
                    let message = format!("cannot look at {}: {cause}", plain::whole_line(&path.display().to_string()));
                    failure(
                        FailureCode::Usage,
                        message,
                        "name the program by its absolute path, as in `--client executable=/usr/bin/terraform`",
                    )
                })?;
                facts.executable = Some(found);
            }
            ClientFact::Unit(unit) => facts.unit = Some(unit.clone()),
            ClientFact::Cgroup(cgroup) => facts.cgroup = Some(cgroup.clone()),
        }
    }
    Ok(facts)
}

fn number(what: &str, text: &str, find: impl FnOnce(&str) -> Result<Option<u32>, String>) -> Result<u32, Failure> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let unknown = || {
        failure(
            FailureCode::Usage,
            format!("this machine knows no {what} `{}`", plain::line(text)),
            "name another, or its number; `getent passwd` lists them",
        )
    };
    find(text).ok().flatten().ok_or_else(unknown)
}

/// A file that is only looked at may be its reader's own.
fn place(file: Option<&PathBuf>, context: &Context) -> Place {
    let in_force = context.paths.policy();
    match file {
        Some(file) => Place {
            file: std::path::absolute(file).unwrap_or_else(|_| file.clone()),
            owner: rustix::process::getuid().as_raw(),
            ..in_force
        },
        None => in_force,
    }
}

fn none(place: &Place) -> Failure {
    let message = format!("there is no policy: {} does not exist", plain::whole_line(&place.file.display().to_string()));
    failure(FailureCode::Misconfigured, message, "name a file: `flytoken policy check FILE`")
}

fn does_not_hold(errors: &ConfigErrors) -> Failure {
    failure(FailureCode::Denied, format!("the policy does not hold:\n{errors}"), "look at it with `flytoken policy check`")
}

/// `policy check --json`.
#[derive(Serialize)]
struct Checked<'a> {
    file: &'a str,
    errors: &'a [String],
}

/// `policy show --json`.
#[derive(Serialize)]
struct Shown<'a> {
    file: String,
    reports_only: bool,
    requires_agent: bool,
    text: &'a str,
    cuts: Vec<CutShown>,
}

#[derive(Serialize)]
struct CutShown {
    rule: String,
    source: Option<String>,
    what: String,
}

/// `policy test --json`.
#[derive(Serialize)]
struct Tested<'a> {
    decision: &'static str,
    rule: Option<&'a str>,
    client: &'a Facts,
    actions: Option<String>,
    max_lifetime: Option<u64>,
}
