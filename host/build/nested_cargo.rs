//! A cargo inside a build or a test, which compiles components.
//!
//! Shared by the build script and the tests, which each include this file: nothing here knows either.

#![allow(clippy::disallowed_methods, reason = "what is taken out of the environment has to be looked for in it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that components are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// Compiles what `selection` names, such as `-p flytoken-cli`, into components; answers with the folder that holds them.
///
/// `root` is the workspace. `target_dir` must not be that of a running cargo: it would wait for the lock that is waiting for it.
///
/// # Errors
///
/// The text says what failed; what the compiler had to say is on standard error by then.
pub(crate) fn build(root: &Path, target_dir: &Path, selection: &[&str]) -> Result<PathBuf, String> {
    let mut cargo = clean_command(program("CARGO", "cargo"));
    cargo.current_dir(root).args(["build", "--locked", "--profile", PROFILE, "--target", TARGET, "--target-dir"]).arg(target_dir);
    run(cargo.args(selection))?;
    Ok(target_dir.join(TARGET).join(PROFILE))
}

/// Adds the target to the toolchain in use if it is missing.
///
/// # Errors
///
/// It is missing and may not or cannot be added; the text says what to do.
pub(crate) fn add_target() -> Result<(), String> {
    if has_target()? {
        return Ok(());
    }
    let advice = format!(
        "the target {TARGET} is missing: run `rustup target add {TARGET}`, or set FLYTOKEN_COMPONENTS_DIR to a folder of prebuilt components"
    );
    // Also where rustup may install nothing by itself (`RUSTUP_AUTO_INSTALL=0`): this is asked for, and a fresh checkout has to build.
    // rustup's proxy names the toolchain in use; without the proxy, the folder does that the compiler stands in.
    let toolchain = match std::env::var_os("RUSTUP_TOOLCHAIN") {
        Some(name) => name,
        None => Path::new(&rustc(&["--print", "sysroot"])?).file_name().unwrap_or_default().to_owned(),
    };
    let mut rustup = clean_command("rustup".into());
    run(rustup.args(["target", "add", TARGET, "--toolchain"]).arg(toolchain)).map_err(|error| format!("{advice} ({error})"))?;
    if has_target()? { Ok(()) } else { Err(advice) }
}

/// Whether the compiler in use has the standard library for the target.
fn has_target() -> Result<bool, String> {
    let libraries = rustc(&["--print", "target-libdir", "--target", TARGET])?;
    Ok(Path::new(&libraries).is_dir())
}

/// What the compiler in use prints.
fn rustc(args: &[&str]) -> Result<String, String> {
    output(clean_command(program("RUSTC", "rustc")).args(args))
}

/// A command with the environment of the user, but not that of the cargo around it: its flags and wrappers are meant for the host.
fn clean_command(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if FOREIGN.contains(&text.as_ref()) || FOREIGN_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    // Set and empty, it also silences `build.rustflags` in the user's own configuration.
    command.env("CARGO_ENCODED_RUSTFLAGS", "");
    command
}

/// Runs `command`; what it prints goes to standard error, since cargo reads the standard output of a build script.
fn run(command: &mut Command) -> Result<(), String> {
    let status = command.stdout(std::io::stderr()).status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed: {status}", name(command))) }
}

/// Runs `command` and answers with what it prints.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| not_started(command, &error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        Ok(text.trim().to_owned())
    } else {
        Err(format!("`{}` failed: {}", name(command), String::from_utf8_lossy(&output.stderr).trim()))
    }
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    format!("`{}` cannot be started: {error}", name(command))
}

fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// The program that cargo names in `variable`, or else the one on the path.
fn program(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from)
}

const PROFILE: &str = "component";

/// Variables that change how the nested cargo builds.
const FOREIGN: [&str; 7] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "CARGO_ENCODED_RUSTDOCFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_INCREMENTAL",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
];
const FOREIGN_PREFIXES: [&str; 4] = ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_UNSTABLE_", "CLIPPY_"];
