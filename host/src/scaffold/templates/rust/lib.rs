//! The component: what flytoken calls. `token.rs` is the source itself.

mod token;

use flytoken_source::{Host, Lease, Refusal, Request, Source};

struct TokenSource;

impl Source for TokenSource {
    fn resolve(request: &Request) -> Result<Lease, Refusal> {
        token::resolve(request, &Host)
    }
}

flytoken_source::export_source!(TokenSource);
