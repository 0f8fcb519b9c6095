//! The world of a source: what it asks the host for, exactly.

use super::{
    File,
    need::{Need, Needs},
    vendored,
};
use crate::config::SourceName;

/// `wit`, with the world of this source and the packages that it is made of.
pub(super) fn files(name: &SourceName, needs: &Needs) -> Vec<File> {
    let text = text(name, needs);
    let mut files: Vec<File> =
        vendored::CONTRACT.iter().map(|(file, text)| File::new(format!("wit/deps/flytoken-source/{file}"), *text)).collect();
    files.extend(vendored::wasi_of(&text).map(|(file, text)| File::new(format!("wit/deps/{file}"), text)));
    files.push(File::new("wit/world.wit", text));
    files
}

fn text(name: &SourceName, needs: &Needs) -> String {
    let base = if needs.include(Need::Keeper) { "token-keeper" } else { "token-source" };
    let mut text = format!(
        "package {name}:source;\n\n\
         /// What this source asks the host for: what needs no grant, and each import with its own.\n\
         world {name} {{\n    include flytoken:source/{base}@{};\n",
        vendored::contract_version()
    );
    for import in needs.iter().flat_map(Need::imports) {
        text.push_str("    import ");
        text.push_str(&import);
        text.push_str(";\n");
    }
    text.push_str("}\n");
    text
}
