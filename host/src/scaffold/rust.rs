//! A source in Rust: a crate, with the SDK inside.

use super::{
    File,
    need::{Example, Needs},
    template::Template,
    vendored,
};

pub(super) fn files(needs: &Needs, mut template: Template) -> Vec<File> {
    let example = needs.example();
    template.set("edition", "2024");
    template.set("dependencies", if example == Example::Http { "serde_json = \"1\"\n" } else { "" });
    let (lib, token) = match example {
        Example::Settings => (LIB, include_str!("templates/rust/settings/token.rs")),
        Example::Http => (LIB, include_str!("templates/rust/http/token.rs")),
        Example::Files => (LIB, include_str!("templates/rust/files/token.rs")),
        Example::Keeper => (include_str!("templates/rust/keeper/lib.rs"), include_str!("templates/rust/keeper/token.rs")),
    };
    let own = [
        ("README.md", include_str!("templates/rust/README.md")),
        // A file of that name would make the templates a package of their own.
        ("Cargo.toml", include_str!("templates/rust/Cargo.toml.in")),
        ("rust-toolchain.toml", include_str!("templates/rust/rust-toolchain.toml")),
        (".gitignore", include_str!("templates/rust/gitignore")),
        ("src/lib.rs", lib),
        ("src/token.rs", token),
    ];
    let mut files: Vec<File> = own.into_iter().map(|(path, text)| template.file(path, text)).collect();
    files.extend(vendored::SDK.iter().map(|(path, text)| File::new(format!("flytoken-source/{path}"), *text)));
    files.extend(vendored::CONTRACT.iter().map(|(path, text)| File::new(format!("flytoken-source/wit/{path}"), *text)));
    files.extend(vendored::WASI.iter().map(|(path, text)| File::new(format!("flytoken-source/wit/deps/{path}"), *text)));
    files
}

const LIB: &str = include_str!("templates/rust/lib.rs");
