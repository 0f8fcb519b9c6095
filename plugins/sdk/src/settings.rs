//! A source's own `settings` from the operator's configuration.

use std::collections::BTreeMap;

use crate::Refusal;

/// This source's `settings`. Needs no grant.
pub trait Settings {
    /// The value of one key as text, or none if the key is not set. Numbers and booleans are written as YAML writes them.
    fn setting(&self, key: &str) -> Option<String>;

    /// The keys that are set, in their order. Needs a host of version 0.1.1 of the contract.
    ///
    /// None unless an implementation says otherwise, which is good enough for a test that is about something else.
    fn setting_keys(&self) -> Vec<String> {
        Vec::new()
    }

    /// Holds the keys that are set against those that the source knows, so that nobody wonders why a misspelled one has no effect.
    ///
    /// # Errors
    ///
    /// The refusal `misconfigured`, with the first key that is not among `known`.
    fn only_settings(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.setting_keys().into_iter().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) if known.is_empty() => Err(Refusal::misconfigured(format!("there is no setting `{key}`, nor any other"))),
            Some(key) => Err(Refusal::misconfigured(format!("there is no setting `{key}`; known are `{}`", known.join("`, `")))),
        }
    }
}

/// Settings for a test.
impl Settings for BTreeMap<&str, &str> {
    fn setting(&self, key: &str) -> Option<String> {
        BTreeMap::get(self, key).map(ToString::to_string)
    }

    fn setting_keys(&self) -> Vec<String> {
        self.keys().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_key_is_named_with_those_that_are_known() {
        let settings = BTreeMap::from([("adress", "x"), ("path", "y")]);
        assert_eq!(settings.only_settings(&["adress", "path", "field"]), Ok(()));
        let refusal = settings.only_settings(&["address", "path"]);
        assert_eq!(refusal, Err(Refusal::misconfigured("there is no setting `adress`; known are `address`, `path`")));
        let refusal = settings.only_settings(&[]);
        assert_eq!(refusal, Err(Refusal::misconfigured("there is no setting `adress`, nor any other")));
    }
}
