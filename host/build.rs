//! Compiles the built-in sources, and those of the demo, into components, so that the host carries them in itself. It also lists what new
//! projects take along, the contract and the SDK, for the host to embed.
//!
//! `FLYTOKEN_COMPONENTS_DIR` names a folder that holds them already, for builds without a network or the wasm target.

#![expect(clippy::disallowed_methods, clippy::print_stderr, reason = "a build script talks to cargo through variables and its output")]

#[path = "build/nested_cargo.rs"]
mod nested_cargo;
#[path = "build/vendored.rs"]
mod vendored;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let host = variable("CARGO_MANIFEST_DIR")?;
    let out = variable("OUT_DIR")?;
    let root = host.parent().ok_or("the host is not in a workspace")?;
    for path in ["plugins", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-env-changed=FLYTOKEN_COMPONENTS_DIR");

    match env::var_os("FLYTOKEN_COMPONENTS_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => {
            let folder = root.join(folder);
            for name in BUILTIN.iter().chain(&DEMO) {
                println!("cargo::rerun-if-changed={}", folder.join(format!("{name}.wasm")).display());
                take(&folder.join(format!("{name}.wasm")), &out, name)?;
            }
        }
        None => compile(root, &out)?,
    }
    write(&out.join("builtin.rs"), list().as_bytes())?;
    write(&out.join("vendored.rs"), vendored::lists(root, &out)?.as_bytes())
}

/// Compiles all components in one go, in a target directory of their own: that of the cargo around is locked.
fn compile(root: &Path, out: &Path) -> Result<(), String> {
    nested_cargo::add_target()?;
    let mut selection = vec!["--lib".to_owned(), "-p=flytoken-source".to_owned()];
    selection.extend(BUILTIN.iter().map(|name| format!("-p=flytoken-{name}")));
    selection.extend(DEMO.iter().map(|name| format!("--example={name}")));
    let selection: Vec<&str> = selection.iter().map(String::as_str).collect();
    let built = nested_cargo::build(root, &out.join("components"), &selection)?;
    for name in BUILTIN {
        take(&built.join(format!("flytoken_{}.wasm", name.replace('-', "_"))), out, name)?;
    }
    for name in DEMO {
        take(&built.join("examples").join(format!("{name}.wasm")), out, name)?;
    }
    Ok(())
}

/// Copies a component to where the generated code includes it from.
fn take(component: &Path, out: &Path, name: &str) -> Result<(), String> {
    let bytes = fs::read(component).map_err(|error| format!("cannot read {}: {error}", component.display()))?;
    write(&out.join(format!("{name}.wasm")), &bytes)
}

/// The Rust code that lists the components.
fn list() -> String {
    [
        ("BUILTIN", "The built-in sources: the name behind `builtin:`, and the component.", &BUILTIN[..]),
        ("DEMO", "The sources of the demo.", &DEMO),
    ]
    .map(|(list, what, names)| {
        let entry = |name: &&str| format!("    ({name:?}, include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\"))),\n");
        let entries = names.iter().map(entry).collect::<Vec<_>>().concat();
        format!("/// {what}\npub const {list}: [(&str, &[u8]); {}] = [\n{entries}];\n", names.len())
    })
    .concat()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn variable(name: &str) -> Result<PathBuf, String> {
    env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set: a build script is run by cargo"))
}

/// In the order of the default chain, and then those that are in no chain by default. Each is the package `flytoken-NAME`.
const BUILTIN: [&str; 7] = ["storage", "config", "cli", "manual", "file", "environment", "vault-http"];

/// Examples of the package `flytoken-source`.
const DEMO: [&str; 2] = ["vault", "greedy"];
