//! Names that a project cannot have although a source can.

use super::Language;
use crate::config::{BUILTINS, SourceName};

/// A name that stands for something else already.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is {what}")]
pub struct ReservedName {
    name: SourceName,
    what: &'static str,
}

/// Whether the project's package, its world and its module can all have this name.
pub(super) fn check(name: &SourceName, language: Language) -> Result<(), ReservedName> {
    let text = name.as_str();
    let reserved = |what| Err(ReservedName { name: name.clone(), what });
    if BUILTINS.contains(&text) {
        return reserved("the name of a built-in source, and would run with what that is granted");
    }
    if text.split('-').any(|word| !word.starts_with(|first: char| first.is_ascii_lowercase())) {
        return reserved("no name for a package: each word between dashes begins with a letter");
    }
    match language {
        Language::Rust if RUST.contains(&text) => reserved("a word or crate of Rust, so that no package can be called that"),
        Language::Python | Language::Javascript if WIT.contains(&text) => reserved("a word of WIT, so that no world can be called that"),
        Language::Python if text == "app" => reserved("what the module of the component is called"),
        Language::Javascript if text == "node-modules" => reserved("what npm calls its own folder"),
        _ => Ok(()),
    }
}

/// Keywords, and crates that this one would stand in the way of.
const RUST: [&str; 62] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "flytoken-source",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde-json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Keywords: <https://component-model.bytecodealliance.org/design/wit.html>.
const WIT: [&str; 46] = [
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "export",
    "f32",
    "f64",
    "flags",
    "float32",
    "float64",
    "flytoken",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "wasi",
    "with",
    "world",
];
