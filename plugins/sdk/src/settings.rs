//! A source's own `settings` from the operator's configuration.

use std::collections::BTreeMap;

/// This source's `settings`. Needs no grant.
pub trait Settings {
    /// The value of one key as text, or none if the key is not set. Numbers and booleans are written as YAML writes them.
    fn setting(&self, key: &str) -> Option<String>;
}

/// Settings for a test.
impl Settings for BTreeMap<&str, &str> {
    fn setting(&self, key: &str) -> Option<String> {
        BTreeMap::get(self, key).map(ToString::to_string)
    }
}
