//! The source `file`: a token in a file, such as a secret that is mounted into a container.
//!
//! Grants: `files`, with the file under the name that the setting `file` says, `token` if it says nothing. It never sees the token.

mod mounted;

use flytoken_source::{Host, Lease, Refusal, Request, Source};

struct File;

impl Source for File {
    fn resolve(_request: &Request) -> Result<Lease, Refusal> {
        mounted::resolve(&Host)
    }
}

flytoken_source::export_source!(File);
