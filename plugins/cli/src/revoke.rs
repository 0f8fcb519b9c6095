//! Revoking: a token is found in Fly's list by its name, revoked by its id, and looked for again.
//!
//! `fly tokens revoke` ends well whether or not anything was revoked. What counts is the list that is read afterwards.

use flytoken_source::{Commands, Kind, Login, Output, Refusal, Request, Revocation};

use crate::{
    complaint,
    listed::{self, Listed, Unclear},
    mint::{LOGIN_COMMAND, PROGRAM, not_run, sentence},
};

/// Revokes the token that was minted under `name` for the app and kind of `request`.
pub(crate) fn revoke(request: &Request, name: &str, host: &(impl Login + Commands)) -> Result<Revocation, Refusal> {
    // What is looked for in the lines of a table must not be in all of them.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err(Refusal::misconfigured("that is no name of a mint"));
    }
    if host.login().is_none() {
        return Err(Refusal::needs_human("nobody is logged in", LOGIN_COMMAND));
    }
    let id = match look(request, name, host)? {
        Some(Listed { is_revoked: true, .. }) => return Ok(Revocation::AlreadyRevoked),
        Some(Listed { id, .. }) => id,
        None => return Err(Refusal::absent("`fly tokens list` shows no token of this name, so that there was none to revoke")),
    };
    let output = host.run_on(PROGRAM, &REVOKE, &id).map_err(not_run)?;
    match look(request, name, host) {
        Ok(None | Some(Listed { is_revoked: true, .. })) => Ok(Revocation::Revoked),
        Ok(Some(_)) => Err(still_good(&id, &output)),
        Err(refusal) => Err(in_doubt(&id, refusal)),
    }
}

/// The token as Fly's list has it now.
fn look(request: &Request, name: &str, host: &impl Commands) -> Result<Option<Listed>, Refusal> {
    let args: &[&str] = if request.kind == Kind::Org { &LIST_ORG } else { &LIST_APP };
    let output = host.run(PROGRAM, args).map_err(not_run)?;
    match output.code {
        Some(0) => listed::find(&output.stdout, name).map_err(|unclear| Refusal::unavailable(told(&unclear, &output))),
        Some(code) => Err(complaint::refusal(&output.stderr, &request.app, &format!("`fly tokens list` failed with exit code {code}"))),
        None => Err(Refusal::unavailable("`fly tokens list` was ended by a signal")),
    }
}

fn told(unclear: &Unclear, output: &Output) -> String {
    match unclear {
        Unclear::NoTable => sentence("`fly tokens list` printed no table of tokens", complaint::first_line(&output.stderr)),
        Unclear::NoRow => "the line of `fly tokens list` with this name cannot be read without a doubt".to_owned(),
        Unclear::BadId => "the id that `fly tokens list` shows with this name is none".to_owned(),
        Unclear::Several(count) => format!("`fly tokens list` shows {count} tokens of this name"),
    }
}

/// Its exit code is 0 also when nothing was revoked.
fn still_good(id: &str, output: &Output) -> Refusal {
    let how = output.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
    let what = format!("`fly tokens revoke {id}` ended with {how}, and Fly still lists the token as good");
    match complaint::refusal(&output.stderr, "", &what) {
        Refusal::Absent(text) => Refusal::Unavailable(text),
        refusal => refusal,
    }
}

/// Whether it was revoked could not be seen.
fn in_doubt(id: &str, refusal: Refusal) -> Refusal {
    let what = |text: String| format!("`fly tokens revoke {id}` ran, and what came of it cannot be seen: {text}");
    match refusal {
        Refusal::Absent(text) | Refusal::Unavailable(text) => Refusal::Unavailable(what(text)),
        Refusal::Misconfigured(text) => Refusal::Misconfigured(what(text)),
        Refusal::NeedsHuman(mut action) => {
            action.text = what(action.text);
            Refusal::NeedsHuman(action)
        }
    }
}

const LIST_APP: [&str; 4] = ["tokens", "list", "-a", "{app}"];
const LIST_ORG: [&str; 6] = ["tokens", "list", "-s", "org", "-o", "{org}"];
const REVOKE: [&str; 3] = ["tokens", "revoke", "{id}"];

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::VecDeque};

    use flytoken_source::{CommandFailure, Intent, Secret};

    use super::*;

    const NAME: &str = "flytoken-web-deploy-00c0ffee0000";
    const REVOKED: &str = "2026-11-26 10:00:00 +0000 UTC";

    /// A machine whose `fly` answers what the case says, one after the other, and notes what it was asked.
    struct Machine {
        login: bool,
        outcomes: RefCell<VecDeque<Result<Output, CommandFailure>>>,
        ran: RefCell<Vec<String>>,
    }

    impl Machine {
        fn next(&self, line: String) -> Result<Output, CommandFailure> {
            self.ran.borrow_mut().push(line);
            self.outcomes.borrow_mut().pop_front().expect("the case foresees this run")
        }
    }

    impl Login for Machine {
        fn login(&self) -> Option<Secret> {
            self.login.then(|| Secret::seal("fo1_login"))
        }
    }

    impl Commands for Machine {
        fn run(&self, program: &str, args: &[&str]) -> Result<Output, CommandFailure> {
            self.next(format!("{program} {}", args.join(" ")))
        }

        fn run_on(&self, program: &str, args: &[&str], id: &str) -> Result<Output, CommandFailure> {
            self.next(format!("{program} {} ({id})", args.join(" ")))
        }
    }

    fn machine(outcomes: impl IntoIterator<Item = Result<Output, CommandFailure>>) -> Machine {
        Machine { login: true, outcomes: RefCell::new(outcomes.into_iter().collect()), ran: RefCell::default() }
    }

    #[expect(clippy::unnecessary_wraps, reason = "a case is what a run comes to, be it none")]
    fn output(code: i32, stdout: &str, stderr: &str) -> Result<Output, CommandFailure> {
        Ok(Output { code: Some(code), stdout: stdout.into(), stderr: stderr.into() })
    }

    fn listing(rows: &[(&str, &str, &str)]) -> Result<Output, CommandFailure> {
        let rows: Vec<_> = rows.iter().map(|(id, name, revoked)| format!("{id}\t{name}\ta@acme.com\t{REVOKED}\t{revoked}\t\n")).collect();
        output(0, &format!("Tokens for app \"web\":\nID\tNAME\tCREATED BY\tEXPIRES AT\tREVOKED AT \n{}\n", rows.concat()), "")
    }

    fn good() -> Result<Output, CommandFailure> {
        listing(&[("other", "flytoken-web-deploy-00c0ffee0001", ""), ("mine", NAME, "")])
    }

    fn done() -> Result<Output, CommandFailure> {
        output(0, "Revoked mine\n1 tokens revoked\n", "")
    }

    fn request(kind: Kind) -> Request {
        Request { app: "web".to_owned(), kind, organization: Some("acme".to_owned()), intent: Intent::Resolve, now: 1_000, lifetime: 600 }
    }

    #[test]
    fn a_token_is_revoked_by_its_id_and_looked_for_again() {
        for (what, after) in
            [("gone", listing(&[("other", "flytoken-web-deploy-00c0ffee0001", "")])), ("marked", listing(&[("mine", NAME, REVOKED)]))]
        {
            let machine = machine([good(), done(), after]);
            assert_eq!(revoke(&request(Kind::Deploy), NAME, &machine), Ok(Revocation::Revoked), "{what}");
            assert_eq!(
                *machine.ran.borrow(),
                ["fly tokens list -a {app}", "fly tokens revoke {id} (mine)", "fly tokens list -a {app}"],
                "{what}"
            );
        }
    }

    #[test]
    fn one_of_an_organisation_is_looked_for_there() {
        let machine = machine([listing(&[("mine", NAME, REVOKED)])]);
        assert_eq!(revoke(&request(Kind::Org), NAME, &machine), Ok(Revocation::AlreadyRevoked));
        assert_eq!(*machine.ran.borrow(), ["fly tokens list -s org -o {org}"]);
    }

    #[test]
    fn nothing_is_revoked_before_the_token_is_known_without_a_doubt() {
        let unavailable = |text: &str| Refusal::unavailable(text);
        for (outcome, expected) in [
            (listing(&[]), Refusal::absent("`fly tokens list` shows no token of this name, so that there was none to revoke")),
            (listing(&[("a", NAME, ""), ("b", NAME, "")]), unavailable("`fly tokens list` shows 2 tokens of this name")),
            (listing(&[("-a", NAME, "")]), unavailable("the id that `fly tokens list` shows with this name is none")),
            (listing(&[("a", NAME, "x\t")]), unavailable("the line of `fly tokens list` with this name cannot be read without a doubt")),
            (output(0, "", "Error: upstream\n"), unavailable("`fly tokens list` printed no table of tokens: upstream")),
            (output(1, "", "Error: upstream\n"), unavailable("`fly tokens list` failed with exit code 1: upstream")),
            (
                output(1, "", "Error: Unauthorized\n"),
                Refusal::needs_human("`fly tokens list` failed with exit code 1: Unauthorized", "fly auth login"),
            ),
            (Err(CommandFailure::Denied("add it".to_owned())), Refusal::misconfigured("add it")),
            (Err(CommandFailure::NotFound(vec![])), Refusal::absent("`fly` is not installed")),
        ] {
            let machine = machine([outcome]);
            assert_eq!(revoke(&request(Kind::Deploy), NAME, &machine), Err(expected));
            assert_eq!(machine.ran.borrow().len(), 1);
        }
        let nobody = Machine { login: false, ..machine([]) };
        assert_eq!(revoke(&request(Kind::Deploy), NAME, &nobody), Err(Refusal::needs_human("nobody is logged in", "fly auth login")));
        for name in ["", "a b", "a\tb"] {
            assert!(matches!(revoke(&request(Kind::Deploy), name, &machine([])), Err(Refusal::Misconfigured(_))), "{name:?}");
        }
    }

    #[test]
    fn an_exit_code_of_0_is_not_believed() {
        let still = "`fly tokens revoke mine` ended with exit code 0, and Fly still lists the token as good";
        let unseen = "`fly tokens revoke mine` ran, and what came of it cannot be seen";
        for (revoking, after, expected) in [
            (done(), good(), Refusal::unavailable(still)),
            (done(), listing(&[("another", NAME, "")]), Refusal::unavailable(still)),
            (
                output(0, "0 tokens revoked\n", "failed to revoke token mine: Could not find it\n"),
                good(),
                Refusal::unavailable(format!("{still}: failed to revoke token mine: Could not find it")),
            ),
            (
                output(0, "0 tokens revoked\n", "failed to revoke token mine: Not authorized\n"),
                good(),
                Refusal::needs_human(format!("{still}: failed to revoke token mine: Not authorized"), "fly auth login"),
            ),
            (
                done(),
                output(1, "", "Error: upstream\n"),
                Refusal::unavailable(format!("{unseen}: `fly tokens list` failed with exit code 1: upstream")),
            ),
            (done(), output(0, "", ""), Refusal::unavailable(format!("{unseen}: `fly tokens list` printed no table of tokens"))),
            (
                done(),
                output(1, "", "Error: failed retrieving tokens for app web: Could not find App \"web\"\n"),
                Refusal::unavailable(format!(
                    "{unseen}: `fly tokens list` failed with exit code 1: failed retrieving tokens for app web: Could not find App \"web\""
                )),
            ),
        ] {
            assert_eq!(revoke(&request(Kind::Deploy), NAME, &machine([good(), revoking, after])), Err(expected));
        }
    }

    #[test]
    fn a_revocation_that_failed_by_its_own_account_counts_if_the_list_says_so() {
        let machine = machine([good(), output(1, "", "Error: timeout\n"), listing(&[("mine", NAME, REVOKED)])]);
        assert_eq!(revoke(&request(Kind::Deploy), NAME, &machine), Ok(Revocation::Revoked));
    }
}
