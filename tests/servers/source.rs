//! The source that calls, and what became of a call.

use std::{fs, sync::OnceLock};

use serde_json::Value;

use crate::harness::{Home, fixture::built};

/// A home whose only source is the one that calls.
pub(crate) struct Calling {
    pub(crate) home: Home,
}

/// What became of a call.
#[derive(Debug)]
pub(crate) struct Called {
    /// What the step came to, as `explain` and failures name it.
    pub(crate) outcome: String,
    /// In words.
    pub(crate) text: String,
}

impl Calling {
    pub(crate) fn new() -> Self {
        let mut home = Home::new();
        home.set("FLYTOKEN_CONFIG", &home.outside("secrets/config.yaml").display().to_string());
        home.write(home.outside("secrets/caller.wasm"), caller());
        Self { home }
    }

    /// Calls with these settings and grants, and whatever else there is to say of the source.
    pub(crate) fn call(&self, settings: &str, grants: &str, more: &str) -> Called {
        self.configure(settings, grants, more);
        let ran = self.home.run(&["get", "web", "--json"]);
        let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
        let step = &answer["error"]["steps"][0];
        let text = |key: &str| step[key].as_str().unwrap_or_else(|| panic!("{ran:?}")).to_owned();
        Called { outcome: text("outcome"), text: text("text") }
    }

    /// Configures the source without asking it.
    pub(crate) fn configure(&self, settings: &str, grants: &str, more: &str) {
        let source = format!("component: ./caller.wasm, dev: true, settings: {{ {settings} }}, grants: {{ {grants} }}{more}");
        self.home.write(self.home.outside("secrets/config.yaml"), format!("version: 1\nchain: [corp]\nsources:\n  corp: {{ {source} }}\n"));
    }
}

impl Called {
    /// Fails unless this is what the source answered, or a part of it.
    pub(crate) fn answers(&self, text: &str) {
        assert_eq!(self.outcome, "absent", "{self:?}");
        assert!(self.text.contains(text), "no `{text}` in {self:?}");
    }

    /// Fails unless the call counts as denied, with these words.
    pub(crate) fn is_denied(&self, text: &str) {
        assert_eq!(self.outcome, "misconfigured", "{self:?}");
        assert!(self.text.contains(text), "no `{text}` in {self:?}");
    }
}

/// The source that calls. It needs the grant `http`.
fn caller() -> &'static [u8] {
    // Built once: two cargos at a time would wait for each other.
    static CALLER: OnceLock<Vec<u8>> = OnceLock::new();
    CALLER.get_or_init(|| fs::read(built("caller")).unwrap())
}
