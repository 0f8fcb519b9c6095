//! The sources that behave as their settings say: `tests/fixtures` and what is below, built once a run.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

#[path = "../../host/build/nested_cargo.rs"]
mod nested_cargo;

/// The component. It needs no grant.
///
/// Built by a cargo of its own, with what the build script has compiled already; `FLYTOKEN_COMPONENTS_DIR` may hold it as `fixture.wasm`.
pub(crate) fn fixture() -> &'static [u8] {
    static FIXTURE: OnceLock<Vec<u8>> = OnceLock::new();
    FIXTURE.get_or_init(|| fs::read(built("fixture")).unwrap())
}

/// The file of the component of this name: `fixture`, or `caller`, which needs the grant `http`. Built as the other.
pub(crate) fn built(name: &str) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the harness is handed nothing but its environment")]
    let prebuilt = std::env::var_os("FLYTOKEN_COMPONENTS_DIR").filter(|folder| !folder.is_empty());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    if let Some(folder) = prebuilt {
        return root.join(folder).join(format!("{name}.wasm"));
    }
    nested_cargo::add_target().unwrap();
    let target = Path::new(env!("OUT_DIR")).join("components");
    let package = format!("-p=flytoken-{name}");
    nested_cargo::build(root, &target, &["--quiet", "--lib", &package]).unwrap().join(format!("flytoken_{name}.wasm"))
}
