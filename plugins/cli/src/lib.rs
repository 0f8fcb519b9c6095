//! The source `cli`: mints a token with the `fly` command.
//!
//! The host finds the program, fills in the arguments and hands the login to it; this source never sees the login. It reads what `fly`
//! printed.

mod complaint;
mod json;
mod mint;
mod printed;
mod text;

use flytoken_source::{Host, Lease, Refusal, Request, Source};

struct Cli;

impl Source for Cli {
    fn resolve(request: &Request) -> Result<Lease, Refusal> {
        mint::resolve(request, &Host)
    }
}

flytoken_source::export_source!(Cli);
