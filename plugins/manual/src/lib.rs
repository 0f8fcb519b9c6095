//! The source `manual`: tokens that the user set by hand, the last resort.
//!
//! The host calls `keep` for `flytoken set` and `forget` for `flytoken unset`, and for nothing else.

mod set;

use flytoken_source::{Host, Keeper, Lease, Refusal, Request, Source};

struct Manual;

impl Source for Manual {
    fn resolve(request: &Request) -> Result<Lease, Refusal> {
        set::resolve(request, &Host)
    }
}

impl Keeper for Manual {
    fn keep(_request: &Request, lease: Lease) -> Result<(), Refusal> {
        set::keep(lease, &Host)
    }

    fn forget(_request: &Request) -> Result<(), Refusal> {
        set::forget(&Host)
    }
}

flytoken_source::export_keeper!(Manual);
