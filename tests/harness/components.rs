//! Components for behaviours: the SDK's examples, which the library carries for the demo, and the fixture, built once a run.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use flytoken::{builtin, hex};
use sha2::{Digest, Sha256};

#[path = "../../host/build/nested_cargo.rs"]
mod nested_cargo;

/// A source that answers with its setting `token`, for as long as the token itself says. It needs no grant.
pub(crate) fn vault() -> &'static [u8] {
    builtin::demo("vault").unwrap()
}

/// A source that imports the login, records and commands.
pub(crate) fn greedy() -> &'static [u8] {
    builtin::demo("greedy").unwrap()
}

/// A source that behaves as its settings say: `tests/fixtures`. It needs no grant.
///
/// Built by a cargo of its own, with what the build script has compiled already; `FLYTOKEN_COMPONENTS_DIR` may hold it as `fixture.wasm`.
pub(crate) fn fixture() -> &'static [u8] {
    static FIXTURE: OnceLock<Vec<u8>> = OnceLock::new();
    FIXTURE.get_or_init(|| fs::read(built_fixture()).unwrap())
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

fn built_fixture() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the harness is handed nothing but its environment")]
    let prebuilt = std::env::var_os("FLYTOKEN_COMPONENTS_DIR").filter(|folder| !folder.is_empty());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    if let Some(folder) = prebuilt {
        return root.join(folder).join("fixture.wasm");
    }
    nested_cargo::add_target().unwrap();
    let target = Path::new(env!("OUT_DIR")).join("components");
    nested_cargo::build(root, &target, &["--quiet", "--lib", "-p=flytoken-fixture"]).unwrap().join("flytoken_fixture.wasm")
}
