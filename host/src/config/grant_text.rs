//! What grants are written as: names of files and variables, and the files themselves.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::granted_files::FileForm;

/// The name that a source knows a file by: 1 to 32 of `a-z`, `0-9` and `-`, the first a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct FileName(pub(super) String);

impl<'de> Deserialize<'de> for FileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let fits = (1..=32).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if fits { Ok(Self(name)) } else { Err(de::Error::custom("a file's name is 1 to 32 of a-z, 0-9 and -, the first a letter")) }
    }
}

/// The name of a variable: letters, digits and `_`, the first no digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct VariableName(pub(super) String);

impl<'de> Deserialize<'de> for VariableName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let fits = (1..=128).contains(&name.len())
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if fits { Ok(Self(name)) } else { Err(de::Error::custom("a variable's name is letters, digits and _, the first no digit")) }
    }
}

/// A file: its path, or a map with its path and what the source gets of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileText {
    pub(super) path: String,
    pub(super) form: FileForm,
}

impl Serialize for FileText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.form {
            FileForm::Secret => self.path.serialize(serializer),
            form @ FileForm::Bytes => Whole { path: self.path.clone(), form }.serialize(serializer),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with path and as")]
struct Whole {
    path: String,
    #[serde(default, rename = "as")]
    form: FileForm,
}

impl<'de> Deserialize<'de> for FileText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FileVisitor)
    }
}

struct FileVisitor;

impl<'de> de::Visitor<'de> for FileVisitor {
    type Value = FileText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or `{ path: …, as: bytes }`")
    }

    fn visit_str<E: de::Error>(self, path: &str) -> Result<FileText, E> {
        if path.is_empty() { Err(E::custom("a path is missing")) } else { Ok(FileText { path: path.into(), form: FileForm::Secret }) }
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<FileText, A::Error> {
        let Whole { path, form } = Whole::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(FileText { path, form })
    }
}
