//! `flytoken doctor`: what is wrong, and the command that mends it. Never a token.

mod agent;
mod check;
mod docker;
mod http;
mod key;
mod login;
mod policy;
mod program;
mod service;
mod sources;
mod state;
mod variables;

use std::{path::Path, process::ExitCode};

use self::check::{Check, Report, State};
use super::Context;
use crate::{
    cli::Doctor,
    config::{self, Loaded},
    output::{Paint, Table},
    paths::Paths,
    plain,
    programs::{self, CLIENT, beside},
    protocol::{Failure, FailureCode},
    trust::shown,
};

pub(super) fn run(doctor: &Doctor, context: &Context) -> Result<ExitCode, Failure> {
    let typed = context.typed();
    let as_typed =
        |check: Check| Check { text: typed.text(&check.text), command: check.command.map(|command| typed.command(&command)), ..check };
    let report = Report { checks: checks(context).into_iter().map(as_typed).collect() };
    if doctor.json {
        context.output.print_json(&report)?;
    } else {
        context.output.print(&text(&report, context.output.paint()))?;
    }
    let is_sound = report.count(State::Fail) == 0;
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::from(FailureCode::Misconfigured as u8) })
}

fn checks(context: &Context) -> Vec<Check> {
    let layers = context.paths.layers(rustix::process::getuid().as_raw());
    let loaded = config::load(&layers);
    let running = agent::ask(context);
    let mut checks = vec![version()];
    checks.extend(login::checks(context));
    checks.extend(variables::checks(context));
    checks.push(program::check(&context.environment));
    checks.push(agent::check(context, &running));
    checks.extend(docker::check(context));
    checks.push(service::check(context));
    checks.push(policy::check(context, &running));
    checks.push(state::check(context));
    checks.push(key::check(context, loaded.as_ref().ok().and_then(|loaded| loaded.config.key)));
    match &loaded {
        Ok(loaded) => {
            checks.push(configuration(loaded));
            checks.push(http::check(context, &loaded.config, &running));
            checks.push(audit(loaded));
            checks.extend(sources::checks(context, &loaded.config, &running));
        }
        Err(errors) => {
            let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            checks.push(Check::fail("config", text).mended_by("flytoken config check"));
        }
    }
    checks
}

/// What a report has to be read with, and whether both programs are there.
fn version() -> Check {
    let version = format!("{} for {} on {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH, std::env::consts::OS);
    match programs::own().map(|own| beside(&own, CLIENT)) {
        Ok(client) if !client.is_file() => {
            Check::warn("flytoken", format!("{version}; the program that asks an agent is not there: {}", shown(&client)))
                .mended_by(install(&client))
        }
        Ok(_) | Err(_) => Check::ok("flytoken", version),
    }
}

/// Brings both: into this folder, where cargo can.
fn install(client: &Path) -> String {
    let folder = client.parent().filter(|folder| folder.ends_with("bin")).and_then(Path::parent);
    let root = folder.map(|folder| format!("--root {} ", shown(folder))).unwrap_or_default();
    format!("cargo install --locked {root}--git https://github.com/flytoken/flytoken flytoken")
}

fn audit(loaded: &Loaded) -> Check {
    Check::ok(
        "audit",
        match &loaded.config.audit {
            Some(audit) if audit.required => format!("{}; without a line in it no token is given", shown(&audit.path)),
            Some(audit) => shown(&audit.path),
            None => "not kept".into(),
        },
    )
}

/// Whether the file of a profile's own holds a login.
pub(super) fn has_login_file(paths: &Paths, context: &Context) -> bool {
    login::is_in_file(paths, context)
}

/// Whether somebody is logged in and `fly` is there: of each what it is, how it is, and the command that mends it.
pub(super) fn essentials(context: &Context) -> impl Iterator<Item = (&'static str, String, Option<String>)> {
    let checks = login::checks(context).into_iter().take(1).chain([program::check(&context.environment)]);
    let typed = context.typed();
    checks.map(move |check| {
        (check.name, plain::whole_line(&plain::masked(&check.text)), check.command.map(|command| typed.command(&command)))
    })
}

fn configuration(loaded: &Loaded) -> Check {
    let files: Vec<_> = loaded.files.iter().filter(|file| file.exists()).map(|file| file.display().to_string()).collect();
    Check::ok("config", if files.is_empty() { "the built-in defaults are in force".into() } else { files.join(", ") })
}

/// ```text
/// ok    login  present from /home/ada/.fly/config.yml
/// fail  fly    nowhere to be found
///              run `curl -L https://fly.io/install.sh | sh`
///
/// 1 failure, no warnings
/// ```
fn text(report: &Report, paint: Paint) -> String {
    let mut table = Table::new(paint, []);
    for Check { name, state, text, command } in &report.checks {
        let state = match state {
            State::Ok => paint.good("ok"),
            State::Warn => paint.fair("warn"),
            State::Fail => paint.bad("fail"),
        };
        table.row([state, (*name).into(), plain::whole_line(&plain::masked(text))]);
        if let Some(command) = command {
            table.row([String::new(), String::new(), format!("run `{}`", paint.strong(plain::line(command)))]);
        }
    }
    let number = |state, one: &str| match report.count(state) {
        0 => format!("no {one}s"),
        1 => format!("1 {one}"),
        several => format!("{several} {one}s"),
    };
    format!("{}\n{}, {}\n", table.lines(), number(State::Fail, "failure"), number(State::Warn, "warning"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            checks: vec![
                Check::ok("login", "present"),
                Check::warn("discharge", "it has expired").mended_by("fly auth whoami"),
                Check::fail("agent", "\u{1b}[2J says fm2_AAAA").mended_by("flytoken status"),
            ],
        }
    }

    #[test]
    fn every_check_has_its_line_and_its_command() {
        let expected = "\
ok    login      present
warn  discharge  it has expired
                 run `fly auth whoami`
fail  agent      \\u{1b}[2J says fm2_…
                 run `flytoken status`

1 failure, 1 warning
";
        assert_eq!(text(&report(), Paint::new(false)), expected);
    }

    #[test]
    fn the_keys_for_machines_are_a_contract() {
        let expected = serde_json::json!({ "checks": [
            { "name": "login", "state": "ok", "text": "present", "command": null },
            { "name": "discharge", "state": "warn", "text": "it has expired", "command": "fly auth whoami" },
            { "name": "agent", "state": "fail", "text": "\u{1b}[2J says fm2_AAAA", "command": "flytoken status" },
        ] });
        assert_eq!(serde_json::to_value(report()).unwrap(), expected);
    }
}
