//! `flytoken:source/settings`: this source's `settings` from the configuration file, and no other's.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::component::HasData;

use crate::runtime::{bindings::flytoken::source::settings, trace::Tracer};

/// The settings of one source.
pub(in crate::runtime) struct Settings {
    /// By key.
    pub(in crate::runtime) values: Arc<BTreeMap<String, String>>,
    /// Where it is written down which were asked for.
    pub(in crate::runtime) trace: Tracer,
}

impl settings::Host for Settings {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let step = self.trace.step(|| format!("settings.get {key}"));
        let value = self.values.get(&key).cloned();
        step.end(|| if value.is_some() { "is set" } else { "is not set" }.into());
        Ok(value)
    }

    fn keys(&mut self) -> wasmtime::Result<Vec<String>> {
        self.trace.step(|| "settings.keys".into()).end(|| match self.values.len() {
            1 => "1 key".into(),
            count => format!("{count} keys"),
        });
        Ok(self.values.keys().cloned().collect())
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
        let mut settings = Settings { values: Arc::new([("expiry".to_owned(), "24h".to_owned())].into()), trace: Tracer::default() };
        assert_eq!(settings.get("expiry".into()).expect("no trap").as_deref(), Some("24h"));
        assert_eq!(settings.get("Expiry".into()).expect("no trap"), None);
        assert_eq!(settings.keys().expect("no trap"), ["expiry"]);
    }
}
