//! The contract, WASI and the SDK as this flytoken was built with them.

use std::collections::BTreeSet;

include!(concat!(env!("OUT_DIR"), "/vendored.rs"));

/// The version of the contract.
pub(super) fn contract_version() -> &'static str {
    CONTRACT.first().map(|(_, text)| version(text)).unwrap_or_default()
}

/// The version of WASI, all of whose packages have the same.
pub(super) fn wasi_version() -> &'static str {
    WASI.first().map(|(_, text)| version(text)).unwrap_or_default()
}

/// The files of WASI that this text refers to, and all that those refer to.
pub(super) fn wasi_of(text: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut wanted = BTreeSet::new();
    let mut texts = vec![text];
    while let Some(text) = texts.pop() {
        for (file, text) in WASI.iter().filter(|(file, _)| text.contains(&format!("wasi:{}/", file.trim_end_matches(".wit")))) {
            if wanted.insert(*file) {
                texts.push(text);
            }
        }
    }
    WASI.into_iter().filter(move |(file, _)| wanted.contains(file))
}

/// The version of the package that this file belongs to: `package NAME@VERSION;`.
fn version(text: &str) -> &str {
    let package = text.lines().find_map(|line| line.strip_prefix("package ")).unwrap_or_default();
    package.trim_end_matches(';').split_once('@').map(|(_, version)| version).unwrap_or_default()
}
