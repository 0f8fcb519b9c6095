//! `flytoken:source/settings`: this source's `settings` from the configuration file, and no other's.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::component::HasData;

use crate::runtime::bindings::flytoken::source::settings;

/// The settings of one source.
pub(in crate::runtime) struct Settings(pub(in crate::runtime) Arc<BTreeMap<String, String>>);

impl settings::Host for Settings {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.0.get(&key).cloned())
    }

    fn keys(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }
}

/// Lets the linker borrow [`Settings`], and nothing else, out of a call.
pub(in crate::runtime) struct HasSettings;

impl HasData for HasSettings {
    type Data<'a> = &'a mut Settings;
}

#[cfg(test)]
mod tests {
    use super::{settings::Host as _, *};

    #[test]
    fn a_key_has_its_value_or_none() {
        let mut settings = Settings(Arc::new([("expiry".to_owned(), "24h".to_owned())].into()));
        assert_eq!(settings.get("expiry".into()).expect("no trap").as_deref(), Some("24h"));
        assert_eq!(settings.get("Expiry".into()).expect("no trap"), None);
        assert_eq!(settings.keys().expect("no trap"), ["expiry"]);
    }
}
