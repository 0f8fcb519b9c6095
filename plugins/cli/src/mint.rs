//! Minting: which command makes a token of a kind, and what its outcome means.

use flytoken_source::{CommandFailure, Commands, Expiry, Kind, Lease, Login, Output, Refusal, Request, Secret};

use crate::{complaint, printed, text};

/// Mints a token for the app and kind of `request`.
///
/// Nothing is started while nobody is logged in, nor for what `fly` cannot mint.
pub(crate) fn resolve(request: &Request, host: &(impl Login + Commands)) -> Result<Lease, Refusal> {
    if host.login().is_none() {
        return Err(Refusal::needs_human("nobody is logged in", LOGIN_COMMAND));
    }
    let args = arguments(request)?;
    let output = host.run(PROGRAM, args).map_err(not_run)?;
    let token = read(&output, &request.app)?;
    Ok(Lease::new(Secret::seal(&token), Expiry::At(request.now.saturating_add(request.lifetime.into()))))
}

/// The arguments as they are granted. The host puts in the app, the organisation, the lifetime, and a name that no other mint has.
fn arguments(request: &Request) -> Result<&'static [&'static str], Refusal> {
    match request.kind {
        // The host narrows a deploy token to reading: one app, where Fly's own `readonly` is a whole organisation.
        Kind::Readonly | Kind::Deploy => Ok(&DEPLOY),
        Kind::Ssh => Ok(&SSH),
        Kind::MachineExec => Ok(&MACHINE_EXEC),
        Kind::Org if request.organization.is_some() => Ok(&ORG),
        Kind::Org => {
            Err(Refusal::absent(format!("the organization of `{}` is not configured (set `organization` under `apps`)", request.app)))
        }
        Kind::Login => Err(Refusal::absent("the login is never minted")),
    }
}

/// The token in what `fly` wrote, or why there is none. Standard error is never searched for a token: it may hold those of others.
fn read(output: &Output, app: &str) -> Result<String, Refusal> {
    match output.code {
        Some(0) => printed::token(&output.stdout).ok_or_else(|| {
            let said = complaint::first_line(&output.stderr).or_else(|| complaint::first_line(&output.stdout));
            Refusal::misconfigured(sentence("`fly` ended well but printed no token", said))
        }),
        Some(code) => Err(complaint::refusal(&output.stderr, app, &format!("`fly` failed with exit code {code}"))),
        None => Err(Refusal::unavailable(sentence("`fly` was ended by a signal", complaint::first_line(&output.stderr)))),
    }
}

/// Why there is no output at all.
pub(crate) fn not_run(failure: CommandFailure) -> Refusal {
    match failure {
        CommandFailure::NotFound(places) if places.is_empty() => Refusal::absent("`fly` is not installed"),
        CommandFailure::NotFound(places) => {
            Refusal::absent(text::shown(&format!("`fly` is not installed (looked at {})", places.join(", "))))
        }
        CommandFailure::Denied(why) => Refusal::misconfigured(text::shown(&why)),
        CommandFailure::TimedOut => Refusal::unavailable("`fly` did not finish in time and was ended"),
        CommandFailure::TooMuchOutput => Refusal::unavailable("`fly` wrote more than allowed and was ended"),
        CommandFailure::Failed(why) => Refusal::unavailable(text::shown(&format!("`fly` could not be run: {why}"))),
    }
}

/// `what`, and what the program said about it, if anything.
pub(crate) fn sentence(what: &str, said: Option<String>) -> String {
    said.map_or_else(|| what.to_owned(), |said| format!("{what}: {said}"))
}

/// What a person types to log in.
pub(crate) const LOGIN_COMMAND: &str = "fly auth login";

/// The command, as it is granted.
pub(crate) const PROGRAM: &str = "fly";
const DEPLOY: [&str; 10] = ["tokens", "create", "deploy", "-a", "{app}", "-j", "-n", "{unique}", "-x", "{expiry}"];
const SSH: [&str; 10] = ["tokens", "create", "ssh", "-a", "{app}", "-j", "-n", "{unique}", "-x", "{expiry}"];
const MACHINE_EXEC: [&str; 10] = ["tokens", "create", "machine-exec", "-a", "{app}", "-j", "-n", "{unique}", "-x", "{expiry}"];
const ORG: [&str; 10] = ["tokens", "create", "org", "-o", "{org}", "-j", "-n", "{unique}", "-x", "{expiry}"];

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use flytoken_source::Intent;

    use super::*;

    /// A machine with or without a login, whose `fly` does what the case says and notes what it was asked.
    struct Machine {
        login: bool,
        outcome: Result<Output, CommandFailure>,
        ran: RefCell<Vec<String>>,
    }

    impl Login for Machine {
        fn login(&self) -> Option<Secret> {
            self.login.then(|| Secret::seal("fo1_login"))
        }
    }

    impl Commands for Machine {
        fn run(&self, program: &str, args: &[&str]) -> Result<Output, CommandFailure> {
            self.ran.borrow_mut().push(format!("{program} {}", args.join(" ")));
            self.outcome.clone()
        }

        fn run_on(&self, program: &str, args: &[&str], id: &str) -> Result<Output, CommandFailure> {
            panic!("a mint has no id: {program} {args:?} {id}")
        }
    }

    fn machine(outcome: Result<Output, CommandFailure>) -> Machine {
        Machine { login: true, outcome, ran: RefCell::default() }
    }

    fn output(code: Option<i32>, stdout: &str, stderr: &str) -> Output {
        Output { code, stdout: stdout.into(), stderr: stderr.into() }
    }

    fn minted() -> Machine {
        machine(Ok(output(Some(0), "{\n    \"token\": \"FlyV1 fm2_canary\"\n}\n", "")))
    }

    fn request(kind: Kind, organization: Option<&str>) -> Request {
        let organization = organization.map(str::to_owned);
        Request { app: "web".to_owned(), kind, organization, intent: Intent::Resolve, now: 1_000, lifetime: 600 }
    }

    #[test]
    fn each_kind_is_minted_with_its_own_granted_command() {
        for (kind, command) in [
            (Kind::Readonly, "fly tokens create deploy -a {app} -j -n {unique} -x {expiry}"),
            (Kind::Deploy, "fly tokens create deploy -a {app} -j -n {unique} -x {expiry}"),
            (Kind::Ssh, "fly tokens create ssh -a {app} -j -n {unique} -x {expiry}"),
            (Kind::MachineExec, "fly tokens create machine-exec -a {app} -j -n {unique} -x {expiry}"),
            (Kind::Org, "fly tokens create org -o {org} -j -n {unique} -x {expiry}"),
        ] {
            let machine = minted();
            let lease = Lease::new(Secret::seal("FlyV1 fm2_canary"), Expiry::At(1_600));
            assert_eq!(resolve(&request(kind, Some("acme")), &machine), Ok(lease), "{kind:?}");
            assert_eq!(*machine.ran.borrow(), [command]);
        }
    }

    #[test]
    fn nothing_is_started_without_a_login_or_for_what_cannot_be_minted() {
        let nobody = Machine { login: false, ..minted() };
        for (machine, kind, expected) in [
            (&nobody, Kind::Deploy, Refusal::needs_human("nobody is logged in", "fly auth login")),
            (&nobody, Kind::Login, Refusal::needs_human("nobody is logged in", "fly auth login")),
            (&minted(), Kind::Login, Refusal::absent("the login is never minted")),
            (&minted(), Kind::Org, Refusal::absent("the organization of `web` is not configured (set `organization` under `apps`)")),
        ] {
            assert_eq!(resolve(&request(kind, None), machine), Err(expected));
            assert!(machine.ran.borrow().is_empty());
        }
    }

    #[test]
    fn every_outcome_without_a_token_has_its_meaning() {
        let error = "Warning: Metrics token unavailable: unauthorized\nError: failed creating token: upstream is down\n";
        for (outcome, expected) in [
            (Err(CommandFailure::NotFound(vec![])), Refusal::absent("`fly` is not installed")),
            (
                Err(CommandFailure::NotFound(vec!["/usr/bin".to_owned(), "/opt/bin".to_owned()])),
                Refusal::absent("`fly` is not installed (looked at /usr/bin, /opt/bin)"),
            ),
            (Err(CommandFailure::Denied("add `fly`".to_owned())), Refusal::misconfigured("add `fly`")),
            (Err(CommandFailure::TimedOut), Refusal::unavailable("`fly` did not finish in time and was ended")),
            (Err(CommandFailure::TooMuchOutput), Refusal::unavailable("`fly` wrote more than allowed and was ended")),
            (
                Err(CommandFailure::Failed("its folder is writable by others".to_owned())),
                Refusal::unavailable("`fly` could not be run: its folder is writable by others"),
            ),
            (Ok(output(Some(0), "", "")), Refusal::misconfigured("`fly` ended well but printed no token")),
            (
                Ok(output(Some(0), "", error)),
                Refusal::misconfigured("`fly` ended well but printed no token: failed creating token: upstream is down"),
            ),
            (
                Ok(output(Some(0), "Error loading config: bad YAML\n", "")),
                Refusal::misconfigured("`fly` ended well but printed no token: loading config: bad YAML"),
            ),
            (Ok(output(Some(0), "", "FlyV1 fm2_canary")), Refusal::misconfigured("`fly` ended well but printed no token: [token]")),
            (
                Ok(output(Some(1), "{\"token\": \"FlyV1 fm2_canary\"}", error)),
                Refusal::unavailable("`fly` failed with exit code 1: failed creating token: upstream is down"),
            ),
            (Ok(output(Some(126), "", "")), Refusal::unavailable("`fly` failed with exit code 126")),
            (Ok(output(None, "", "")), Refusal::unavailable("`fly` was ended by a signal")),
        ] {
            assert_eq!(resolve(&request(Kind::Deploy, None), &machine(outcome)), Err(expected));
        }
    }
}
