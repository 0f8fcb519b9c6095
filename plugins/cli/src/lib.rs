//! The source `cli`: mints a token with the `fly` command, and revokes what it minted.
//!
//! The host finds the program, fills in the arguments and hands the login to it; this source never sees the login. It reads what `fly`
//! printed.

mod complaint;
mod json;
mod listed;
mod mint;
mod printed;
mod revoke;
mod text;

use flytoken_source::{Host, Lease, Refusal, Request, Revocation, Revoker, Source};

struct Cli;

impl Source for Cli {
    fn resolve(request: &Request) -> Result<Lease, Refusal> {
        mint::resolve(request, &Host)
    }
}

impl Revoker for Cli {
    fn revoke(request: &Request, name: &str) -> Result<Revocation, Refusal> {
        revoke::revoke(request, name, &Host)
    }
}

flytoken_source::export_source!(Cli);
flytoken_source::export_revoker!(Cli);
