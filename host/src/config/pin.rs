//! The file in which a source that was added is configured: written once, and later changed in place.
//!
//! Three keys in it are the pin: which component, its digest, and the imports that somebody agreed to. Everything else is the user's own,
//! and every byte of it stays.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_yaml::Value;

use super::{names::SourceName, position::KeyPath};
use crate::hex;

/// Which bytes a source runs, and what they may import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The component's file.
    pub component: PathBuf,
    /// Its digest.
    pub sha256: [u8; 32],
    /// What it imports.
    pub imports: BTreeSet<String>,
}

/// The file does not look as it was written, so nothing in it is changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not where and how it was written")]
pub struct Unexpected(pub &'static str);

impl Pin {
    /// A new file for `name`. `grants` are shown in it as lines that the user may put in force.
    pub fn file(&self, name: &SourceName, grants: &[(&str, &str)]) -> String {
        let mut text = format!(
            "# Written by `flytoken plugin add`, which changes `component`, `sha256` and `imports` here when the component is updated.\n\
             # The rest is yours.\nsources:\n  {name}:\n{}",
            self.lines("    ")
        );
        if !grants.is_empty() {
            text.push_str("    # It needs these grants; nothing is granted until you take the `#` away.\n    # grants:\n");
            for (_, example) in grants {
                let _ = writeln!(text, "    #   {example}");
            }
        }
        text
    }

    /// The pin as lines of a configuration file, each after `indent`.
    pub fn lines(&self, indent: &str) -> String {
        let mut lines = format!("{indent}component: {}\n{indent}sha256: {}\n", self.component_text(), self.digest_text());
        lines.push_str(&self.import_lines(indent));
        lines
    }

    /// The pin that `text` holds for `name`, as far as that can be told.
    ///
    /// # Errors
    /// [`Unexpected`] names the first key that is not as it was written.
    pub fn found_in(text: &str, name: &SourceName) -> Result<Self, Unexpected> {
        let value: Value = serde_yaml::from_str(text).map_err(|_| Unexpected("sources"))?;
        let source = value.get("sources").and_then(|sources| sources.get(name.as_str())).ok_or(Unexpected("sources"))?;
        let text_of = |key: &'static str| source.get(key).and_then(Value::as_str).ok_or(Unexpected(key));
        let component = PathBuf::from(text_of("component")?);
        let sha256 = super::text::digest(text_of("sha256")?).ok_or(Unexpected("sha256"))?;
        let imports = source.get("imports").and_then(Value::as_sequence).ok_or(Unexpected("imports"))?;
        let imports = imports.iter().map(|import| import.as_str().map(str::to_owned)).collect::<Option<_>>();
        Ok(Self { component, sha256, imports: imports.ok_or(Unexpected("imports"))? })
    }

    /// `text` with this pin in the place of the one that it holds for `name`, and not a byte of it changed elsewhere.
    ///
    /// # Errors
    /// [`Unexpected`] if a part of the old pin does not stand as it was written, so that it cannot be told what else would change.
    pub fn put_into(&self, text: &str, name: &SourceName) -> Result<String, Unexpected> {
        Self::found_in(text, name)?;
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let source = KeyPath::default().key("sources").key(name.as_str());
        let place = |key: &'static str| {
            let position = source.key(key).key_in(text).ok_or(Unexpected(key))?;
            let (line, indent) = (position.line.checked_sub(1).ok_or(Unexpected(key))?, position.column - 1);
            let begins = format!("{}{key}:", " ".repeat(indent));
            if lines.get(line).is_some_and(|text| text.starts_with(&begins)) { Ok((line, begins)) } else { Err(Unexpected(key)) }
        };
        let (component, sha256, imports) = (place("component")?, place("sha256")?, place("imports")?);
        let listed = lines.iter().skip(imports.0 + 1).take_while(|line| line.trim_start().starts_with("- ")).count();
        for ((line, begins), value) in [(component, self.component_text()), (sha256, self.digest_text())] {
            if let Some(text) = lines.get_mut(line) {
                let rest = text.get(begins.len()..).unwrap_or_default();
                // What stands behind a value is a comment, and stays.
                let comment = rest.find(" #").map_or("", |at| rest.get(at..).unwrap_or_default()).trim_end();
                *text = format!("{begins} {value}{comment}\n");
            }
        }
        let indent = " ".repeat(imports.1.len() - "imports:".len());
        lines.splice(imports.0..=imports.0 + listed, [self.import_lines(&indent)]);
        let new = lines.concat();
        // Whatever style the file was in, it says the same as before but for the pin; else it is left alone.
        if says_with(text, name, self).is_some_and(|expected| serde_yaml::from_str::<Value>(&new).is_ok_and(|new| new == expected)) {
            Ok(new)
        } else {
            Err(Unexpected("imports"))
        }
    }

    fn component_text(&self) -> String {
        scalar(&self.component)
    }

    fn digest_text(&self) -> String {
        // Digits alone, or with one `e` among them, would be read as a number.
        let digest = hex::encode(&self.sha256);
        if serde_yaml::from_str::<Value>(&digest).is_ok_and(|value| value.is_string()) { digest } else { format!("\"{digest}\"") }
    }

    fn import_lines(&self, indent: &str) -> String {
        if self.imports.is_empty() {
            return format!("{indent}imports: []\n");
        }
        let lines = self.imports.iter().map(|import| format!("{indent}  - {}\n", scalar(Path::new(import))));
        format!("{indent}imports:\n{}", lines.collect::<String>())
    }
}

/// What `text` says, with `pin` for `name`.
fn says_with(text: &str, name: &SourceName, pin: &Pin) -> Option<Value> {
    let mut value: Value = serde_yaml::from_str(text).ok()?;
    let source = value.get_mut("sources")?.get_mut(name.as_str())?.as_mapping_mut()?;
    source.insert("component".into(), pin.component.to_str()?.into());
    source.insert("sha256".into(), hex::encode(&pin.sha256).into());
    source.insert("imports".into(), Value::Sequence(pin.imports.iter().map(|import| import.as_str().into()).collect()));
    Some(value)
}

/// Text as YAML reads it back, quoted as JSON quotes it where it has to be.
fn scalar(text: &Path) -> String {
    let text = text.display().to_string();
    let harmless = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b'@'));
    if harmless && !text.ends_with(':') { text } else { serde_json::to_string(&text).unwrap_or(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(byte: u8, imports: &[&str]) -> Pin {
        let component = format!("/state/{byte}.wasm").into();
        Pin { component, sha256: [byte; 32], imports: imports.iter().map(ToString::to_string).collect() }
    }

    fn name() -> SourceName {
        SourceName::parse("corp").expect("a name")
    }

    #[test]
    fn what_is_written_is_found_again() {
        for pin in [pin(7, &["flytoken:source/types@0.1.0", "wasi:cli/environment@0.2.6"]), pin(0x10, &[]), pin(0xab, &["a"])] {
            let text = pin.file(&name(), &[("login", "login: true")]);
            assert_eq!(Pin::found_in(&text, &name()), Ok(pin), "{text}");
            assert!(text.contains("\n    # grants:\n    #   login: true\n"), "{text}");
        }
    }

    #[test]
    fn an_update_changes_the_pin_and_not_a_byte_else() {
        let (old, new) = (pin(1, &["a", "b"]), pin(2, &["a", "c", "d"]));
        let mine = |pin: &Pin| {
            format!(
                "# mine\nchain: [corp]   # too\nsources:\n  other: {{ component: builtin:cli }}\n  corp:   # of the company\n    timeout: 7s\n{}    # note\n    grants:\n      login: true # yes\n\napps: []\n",
                pin.lines("    ")
            )
        };
        assert_eq!(new.put_into(&mine(&old), &name()), Ok(mine(&new)));
        let commented = mine(&old).replace(".wasm\n", ".wasm # from /tmp\n");
        assert_eq!(new.put_into(&commented, &name()), Ok(mine(&new).replace(".wasm\n", ".wasm # from /tmp\n")));
        assert_eq!(pin(3, &[]).put_into(&mine(&old), &name()), Ok(mine(&pin(3, &[]))));
        assert_eq!(new.put_into(&mine(&pin(3, &[])), &name()), Ok(mine(&new)));
    }

    #[test]
    fn a_file_that_looks_otherwise_is_left_alone() {
        let digest = hex::encode(&[1; 32]);
        for (what, text) in [
            ("nothing", String::new()),
            ("another source", format!("sources:\n  other:\n{}", pin(1, &[]).lines("    "))),
            ("flow style", format!("sources: {{ corp: {{ component: /c.wasm, sha256: \"{digest}\", imports: [a] }} }}\n")),
            (
                "a list over lines",
                format!("sources:\n  corp:\n    component: /c.wasm\n    sha256: \"{digest}\"\n    imports: [a,\n      b]\n"),
            ),
            (
                "a comment in the list",
                format!(
                    "sources:\n  corp:\n    component: /c.wasm\n    sha256: \"{digest}\"\n    imports:\n      - a\n      # why\n      - b\n"
                ),
            ),
            ("no imports", format!("sources:\n  corp:\n    component: /c.wasm\n    sha256: \"{digest}\"\n")),
            ("no digest", "sources:\n  corp:\n    component: /c.wasm\n    imports: []\n".into()),
            (
                "a text over lines",
                format!("sources:\n  corp:\n    component: >-\n      /c.wasm\n    sha256: \"{digest}\"\n    imports: []\n"),
            ),
            ("no YAML", "sources: [".into()),
        ] {
            assert!(pin(2, &["x"]).put_into(&text, &name()).is_err(), "{what}");
        }
    }
}
