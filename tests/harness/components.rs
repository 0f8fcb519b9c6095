//! Components for behaviours: the SDK's examples, which the library carries for the demo, and the fixture.

use flytoken::{builtin, hex};
use sha2::{Digest, Sha256};

pub(crate) use super::fixture::fixture;

/// A source that answers with its setting `token`, for as long as the token itself says. It needs no grant.
pub(crate) fn vault() -> &'static [u8] {
    builtin::demo("vault").unwrap()
}

/// A source that imports the login, records and commands.
pub(crate) fn greedy() -> &'static [u8] {
    builtin::demo("greedy").unwrap()
}

/// Other bytes that do the same: the component with a custom section behind it, which is the identifier 0, a length, and a name with its
/// own length.
pub(crate) fn release(component: &[u8], name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [component, &[0, length + 1, length], name.as_bytes()].concat()
}

/// The digest that `sha256:` takes and `status` shows.
pub(crate) fn sha256(component: &[u8]) -> String {
    hex::encode(&Sha256::digest(component))
}
