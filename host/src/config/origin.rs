//! Which file each value in force comes from.

use std::{collections::BTreeMap, path::PathBuf};

use serde_yaml::Value;

use super::{
    layer::Layer,
    position::{KeyPath, Position},
    problem::{ConfigError, Problem},
};
use crate::plain::line;

/// One file that was read, and holds.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The file as people call it: `built-in`, or its path with `~` for the home directory.
    pub(crate) name: String,
    /// The folder that relative paths in it start from; none for the built-in defaults.
    pub(crate) folder: Option<PathBuf>,
    /// What it says, kept to find lines when somebody asks.
    pub(crate) text: String,
}

/// Which file each value in force comes from.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    documents: Vec<Document>,
    /// By key path, the document whose value is in force; for a map, the last one that has something in it. A list is one value.
    of: BTreeMap<KeyPath, usize>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file as people call it, or `built-in`.
    pub file: String,
    /// The line of its key, counted from 1; none for the built-in defaults.
    pub line: Option<usize>,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// Whether an error is about a key or about the value behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    Key,
    Value,
}

impl Origins {
    /// Those of one document that lies over nothing.
    pub(crate) fn of_one(document: Document) -> Self {
        Self { documents: vec![document], of: BTreeMap::from([(KeyPath::default(), 0)]) }
    }

    /// Where the value at `path` comes from; none if no file gives it and it follows from other values.
    pub fn of(&self, path: &KeyPath) -> Option<Origin> {
        let document = self.of.get(path).and_then(|index| self.documents.get(*index))?;
        let line = if document.folder.is_some() { path.key_in(&document.text).map(|position| position.line) } else { None };
        Some(Origin { file: document.name.clone(), line })
    }

    /// The document that has the last word on `path`, or on the nearest key around it.
    pub(super) fn document(&self, path: &KeyPath) -> Option<&Document> {
        let mut path = path.clone();
        loop {
            if let Some(document) = self.of.get(&path).and_then(|index| self.documents.get(*index)) {
                return Some(document);
            }
            path = path.parent()?;
        }
    }

    /// An error at `path`, placed as near to it as the file allows.
    pub(crate) fn error(&self, path: &KeyPath, at: At, problem: Problem) -> ConfigError {
        let document = self.document(path);
        let position = document.and_then(|document| nearest(path, at, &document.text));
        let file = document.map_or_else(|| String::from("configuration"), |document| document.name.clone());
        ConfigError { file, position, key: line(&path.to_string()), problem: Box::new(problem) }
    }

    /// Lays `layer` over what is there: maps merge, everything else replaces. A key without a value says nothing.
    pub(super) fn lay(&mut self, document: Document, layer: &Layer, below: &mut Value) -> Result<(), serde_yaml::Error> {
        let above = serde_yaml::to_value(layer)?;
        self.documents.push(document);
        self.lay_value(&KeyPath::default(), self.documents.len() - 1, above, below);
        Ok(())
    }

    fn lay_value(&mut self, path: &KeyPath, document: usize, above: Value, below: &mut Value) {
        match above {
            Value::Null if !below.is_null() => {}
            Value::Mapping(above) => {
                self.of.insert(path.clone(), document);
                if !below.is_mapping() {
                    *below = Value::Mapping(serde_yaml::Mapping::new());
                }
                let Value::Mapping(below) = below else { return };
                for (key, above) in above {
                    let Some(name) = key.as_str().map(|name| path.key(name)) else { continue };
                    self.lay_value(&name, document, above, below.entry(key).or_insert(Value::Null));
                }
            }
            above => {
                self.of.insert(path.clone(), document);
                *below = above;
            }
        }
    }
}

/// The place of `path` in `text`, or of the nearest key around it.
fn nearest(path: &KeyPath, at: At, text: &str) -> Option<Position> {
    let exact = match at {
        At::Key => path.key_in(text),
        At::Value => path.value_in(text),
    };
    let mut path = path.clone();
    exact.or_else(|| {
        loop {
            path = path.parent().filter(|path| !path.is_root())?;
            if let Some(position) = path.key_in(text) {
                return Some(position);
            }
        }
    })
}
