//! The configuration in force, written out as a file with the origin of each value behind it.

use std::fmt::Write as _;

use serde_yaml::Value;

use super::{load::Loaded, position::KeyPath};

impl Loaded {
    /// The configuration in force as YAML that can be read back, the origin of each value as a comment: `# built-in`,
    /// `# ~/.config/flytoken/config.yaml:12`, or `# default` for what follows from other values.
    pub fn show(&self) -> String {
        let mut text = String::new();
        self.map(&mut text, &KeyPath::default(), &self.effective, 0);
        text
    }

    /// The same for machines: `config` as in a file, and `origins` by key path as `{"file", "line"}`; a value without an entry there is a default.
    pub fn show_json(&self) -> serde_json::Value {
        let mut origins = serde_json::Map::new();
        self.collect(&KeyPath::default(), &self.effective, &mut origins);
        // Keys are text and numbers are finite, so the effective configuration always has a JSON form.
        serde_json::json!({ "config": serde_json::to_value(&self.effective).unwrap_or_default(), "origins": origins })
    }

    fn collect(&self, path: &KeyPath, value: &Value, origins: &mut serde_json::Map<String, serde_json::Value>) {
        if let Value::Mapping(map) = value {
            map.iter().filter_map(|(key, value)| key.as_str().map(|key| (key, value))).for_each(|(key, value)| {
                self.collect(&path.key(key), value, origins);
            });
        } else if let Some(origin) = self.origins.of(path) {
            origins.insert(path.to_string(), serde_json::json!({ "file": origin.file, "line": origin.line }));
        }
    }

    fn map(&self, text: &mut String, path: &KeyPath, value: &Value, depth: usize) {
        for (key, value) in value.as_mapping().into_iter().flatten() {
            let Some(name) = key.as_str() else { continue };
            let path = path.key(name);
            let _ = write!(text, "{:1$}{2}:", "", depth * INDENT, scalar(key));
            match value {
                Value::Mapping(map) if !map.is_empty() => {
                    text.push('\n');
                    self.map(text, &path, value, depth + 1);
                }
                Value::Sequence(list) if list.iter().any(Value::is_mapping) => {
                    let _ = writeln!(text, " # {}", self.origin(&path));
                    for item in list {
                        block_item(text, item, (depth + 1) * INDENT);
                    }
                }
                value => {
                    let _ = writeln!(text, " {} # {}", flow(value), self.origin(&path));
                }
            }
        }
    }

    fn origin(&self, path: &KeyPath) -> String {
        self.origins.of(path).map_or_else(|| "default".into(), |origin| origin.to_string())
    }
}

/// An entry of a list: a map has one line a key, so that a long command stays readable.
fn block_item(text: &mut String, item: &Value, indent: usize) {
    match item {
        Value::Mapping(map) if !map.is_empty() => {
            for (index, (key, value)) in map.iter().enumerate() {
                let dash = if index == 0 { "- " } else { "  " };
                let _ = writeln!(text, "{:indent$}{dash}{}: {}", "", scalar(key), flow(value));
            }
        }
        item => {
            let _ = writeln!(text, "{:indent$}- {}", "", flow(item));
        }
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Sequence(list) => format!("[{}]", list.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Mapping(map) if map.is_empty() => "{}".into(),
        Value::Mapping(map) => {
            let entries: Vec<_> = map.iter().map(|(key, value)| format!("{}: {}", scalar(key), flow(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        value => scalar(value),
    }
}

/// Text without quotes where YAML reads it as the same text everywhere; else as JSON writes it, which YAML reads too.
fn scalar(value: &Value) -> String {
    let plain = serde_yaml::to_string(value).map(|text| text.trim_end().to_owned()).unwrap_or_default();
    let Value::String(text) = value else { return plain };
    let harmless = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b'+'));
    if harmless && plain == *text && !text.ends_with(':') { plain } else { serde_json::to_string(text).unwrap_or(plain) }
}

/// Spaces a level.
const INDENT: usize = 2;
