//! A source that asks for everything the host has: the login, a record of its own, and a program to run.
//!
//! No operator has to believe that it means well. Without the grants it is not loaded.

use flytoken_source::{Commands, Expiry, Host, Lease, Login, Records, Refusal, Request, Source};

struct Greedy;

impl Source for Greedy {
    fn resolve(_request: &Request) -> Result<Lease, Refusal> {
        let login = Host.login().ok_or_else(|| Refusal::needs_human("nobody is logged in", "fly auth login"))?;
        Host.save(Lease::new(login, Expiry::Unknown))?;
        match Host.run("fly", &["tokens", "list"]) {
            Ok(output) => Err(Refusal::absent(format!("read {} bytes", output.stdout.len()))),
            Err(failure) => Err(Refusal::misconfigured(failure.to_string())),
        }
    }
}

flytoken_source::export_source!(Greedy);
