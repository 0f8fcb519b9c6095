//! The source `config`: the user's own Fly login.
//!
//! The host reads and watches flyctl's file, offers the login, and narrows it to what a request asks for. This source only says that it
//! is there.

mod logged_in;

use flytoken_source::{Host, Lease, Refusal, Request, Source};

struct Config;

impl Source for Config {
    fn resolve(_request: &Request) -> Result<Lease, Refusal> {
        logged_in::resolve(&Host)
    }
}

flytoken_source::export_source!(Config);
