//! What a new project takes along of this tree: the contract, WASI and the SDK, as lists of files for the host to embed.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The Rust code of the lists, each entry a file's path in the project and its text. Files that are not taken as they are go to `out`.
///
/// # Errors
///
/// A file cannot be read or written, or the SDK is not what is expected here; the text says which.
pub(crate) fn lists(root: &Path, out: &Path) -> Result<String, String> {
    let wit = root.join("wit");
    let sdk = root.join("plugins/sdk");
    let mut sources = below(&sdk.join("src"), "rs")?;
    // The contract lies beside the SDK's sources in a project, and not two folders above them.
    let bindings = sdk.join("src/bindings.rs");
    let text = read(&bindings)?;
    if !text.contains(CONTRACT_HERE) {
        return Err(format!("{} does not say {CONTRACT_HERE}", bindings.display()));
    }
    let moved = out.join("sdk-bindings.rs");
    write(&moved, &text.replace(CONTRACT_HERE, CONTRACT_THERE))?;
    for (name, path) in &mut sources {
        name.insert_str(0, "src/");
        if *path == bindings {
            path.clone_from(&moved);
        }
    }
    let manifest = out.join("sdk-Cargo.toml");
    write(&manifest, &standalone(&read(&sdk.join("Cargo.toml"))?, &read(&root.join("Cargo.toml"))?)?)?;
    sources.push(("Cargo.toml".to_owned(), manifest));
    Ok([
        list("CONTRACT", "The contract, one interface a file.", &top(&wit, "wit")?),
        list("WASI", "WASI as the contract's host has it, one package a file.", &top(&wit.join("deps"), "wit")?),
        list("SDK", "The crate for sources in Rust, without the contract.", &sources),
    ]
    .concat())
}

/// A member's manifest with the values that it takes from its workspace, and without its examples and lints.
fn standalone(member: &str, workspace: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut section = String::new();
    for line in member.lines() {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        }
        if section == "[lints]" || section.starts_with("[[") {
            continue;
        }
        match line.strip_suffix(".workspace = true") {
            Some(key) => {
                let table = if section == "[package]" { "[workspace.package]" } else { "[workspace.dependencies]" };
                let value = entry(workspace, table, key).ok_or_else(|| format!("Cargo.toml has no `{key}` in {table}"))?;
                text.push_str(value);
            }
            // What the examples are is said before them.
            None if line.starts_with('#') => continue,
            None => text.push_str(line),
        }
        text.push('\n');
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// The line of this key in this table.
fn entry<'a>(manifest: &'a str, table: &str, key: &str) -> Option<&'a str> {
    let lines = manifest.lines().skip_while(|line| *line != table).skip(1);
    lines.take_while(|line| !line.starts_with('[')).find(|line| line.split_once(" = ").is_some_and(|(name, _)| name == key))
}

/// The files with this ending in a folder, by name.
fn top(folder: &Path, ending: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let mut files: Vec<_> = below(folder, ending)?.into_iter().filter(|(name, _)| !name.contains('/')).collect();
    files.sort();
    Ok(files)
}

/// The files with this ending in a folder and all below it, by their path from there.
fn below(folder: &Path, ending: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let failed = |error: io::Error| format!("cannot list {}: {error}", folder.display());
    let mut files = Vec::new();
    for item in fs::read_dir(folder).map_err(failed)? {
        let path = item.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(below(&path, ending)?.into_iter().map(|(below, path)| (format!("{name}/{below}"), path)));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            files.push((name, path));
        }
    }
    files.sort();
    Ok(files)
}

fn list(name: &str, what: &str, files: &[(String, PathBuf)]) -> String {
    let entries = files.iter().map(|(name, path)| format!("    ({name:?}, include_str!({:?})),\n", path.display().to_string()));
    format!("/// {what}\npub(super) const {name}: [(&str, &str); {}] = [\n{}];\n", files.len(), entries.collect::<String>())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

const CONTRACT_HERE: &str = "path: \"../../wit\"";
const CONTRACT_THERE: &str = "path: \"wit\"";
