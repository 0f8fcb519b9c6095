//! The source `storage`: leases kept from earlier runs.
//!
//! The host seals them and decides which still hold; this source passes them on.

mod kept;

use flytoken_source::{Host, Keeper, Lease, Refusal, Request, Source};

struct Storage;

impl Source for Storage {
    fn resolve(request: &Request) -> Result<Lease, Refusal> {
        kept::resolve(request, &Host)
    }
}

impl Keeper for Storage {
    fn keep(_request: &Request, lease: Lease) -> Result<(), Refusal> {
        kept::keep(lease, &Host)
    }

    fn forget(_request: &Request) -> Result<(), Refusal> {
        kept::forget(&Host)
    }
}

flytoken_source::export_keeper!(Storage);
