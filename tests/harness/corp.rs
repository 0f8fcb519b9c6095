//! A source of somebody's own: a component in a file, and the configuration that names it.

use std::path::PathBuf;

use serde_json::Value;

use super::{Home, components::sha256, eventually};

/// A home in which the source `corp` is a component in a file. Its configuration holds tokens, so it lies where those may.
pub(crate) struct Corp {
    pub(crate) home: Home,
}

impl Corp {
    /// With this component, and no configuration yet.
    pub(crate) fn new(component: &[u8]) -> Self {
        let mut home = Home::new();
        let configuration = home.outside("secrets/config.yaml");
        home.set("FLYTOKEN_CONFIG", &configuration.display().to_string());
        let corp = Self { home };
        corp.install(component);
        corp
    }

    /// The component's file.
    pub(crate) fn component(&self) -> PathBuf {
        self.home.outside("secrets/corp.wasm")
    }

    /// Puts a component in place in one step, as a package manager does.
    pub(crate) fn install(&self, bytes: &[u8]) {
        self.home.write(self.component(), bytes);
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, yaml: &str) {
        self.home.write(self.home.outside("secrets/config.yaml"), yaml);
    }

    /// Makes `corp` the only source that answers, with these settings and whatever else there is to say of it.
    pub(crate) fn configure_corp(&self, settings: &str, more: &str) {
        self.configure(&format!(
            "chain: [storage, corp]\nsources:\n  corp:\n    component: ./corp.wasm\n    dev: true\n    settings: {{ {settings} }}\n{more}"
        ));
    }

    /// What `status` says of `corp`.
    pub(crate) fn status(&self) -> Value {
        let status = self.home.run(&["status", "--json"]).json();
        status["sources"].as_array().unwrap().iter().find(|source| source["name"] == "corp").cloned().unwrap_or_default()
    }

    /// Waits until this component is the one that runs.
    pub(crate) fn runs(&self, component: &[u8]) {
        let digest = sha256(component);
        eventually("the component", || Some(self.status()).filter(|corp| corp["sha256"] == *digest && corp["problem"].is_null()));
    }

    /// Why the newest component is not the one that runs, once there is a reason that holds this text.
    pub(crate) fn problem(&self, with: &str) -> String {
        eventually(with, || self.status()["problem"].as_str().filter(|problem| problem.contains(with)).map(str::to_owned))
    }
}
