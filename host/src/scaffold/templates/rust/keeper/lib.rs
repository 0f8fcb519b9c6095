//! The component: what flytoken calls. `token.rs` is the source itself.

mod token;

use flytoken_source::{Host, Keeper, Lease, Refusal, Request, Source};

struct TokenSource;

impl Source for TokenSource {
    fn resolve(request: &Request) -> Result<Lease, Refusal> {
        token::resolve(request, &Host)
    }
}

impl Keeper for TokenSource {
    fn keep(_request: &Request, lease: Lease) -> Result<(), Refusal> {
        token::keep(lease, &Host)
    }

    fn forget(_request: &Request) -> Result<(), Refusal> {
        token::forget(&Host)
    }
}

flytoken_source::export_source!(TokenSource);
flytoken_source::export_keeper!(TokenSource);
