//! Projects for sources of one's own: what `flytoken plugin new` writes.
//!
//! What is in them stands under `templates`, as it is written but for `{{placeholders}}`; the contract and the SDK are those of this tree.

mod configuration;
mod folder;
mod javascript;
mod name;
mod need;
mod python;
mod rust;
mod template;
mod vendored;
mod world;

use std::path::Path;

use clap::ValueEnum;

use crate::config::SourceName;

use self::{configuration::Configuration, need::Needs, template::Template};
pub use self::{folder::FolderError, name::ReservedName, need::Need};

/// The language that a source is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, built with cargo
    Rust,
    /// Python, built with componentize-py
    Python,
    /// JavaScript, built with componentize-js
    #[value(alias = "js")]
    Javascript,
}

/// A project that is not written yet.
#[derive(Debug)]
pub struct Project {
    files: Vec<File>,
    language: Language,
    configuration: Configuration,
}

/// One file of a project.
#[derive(Debug, PartialEq, Eq)]
struct File {
    /// Below the project's folder.
    path: String,
    text: String,
}

impl Project {
    /// The project of a source with this name.
    ///
    /// # Errors
    /// The name stands for something else in what the project is made of.
    pub fn new(name: &SourceName, language: Language, needs: &[Need]) -> Result<Self, ReservedName> {
        name::check(name, language)?;
        let needs = Needs::of(needs);
        let configuration = Configuration { name: name.clone(), component: language.component(name), needs: needs.clone() };
        let mut template = Template::default();
        template.set("name", name.as_str());
        template.set("world", name.as_str());
        template.set("wasm", &configuration.component);
        template.set("contract", vendored::contract_version());
        template.set("wasi", vendored::wasi_version());
        template.set("about", needs.example().about());
        template.set("config", &configuration.lines(&format!("/path/to/{name}")));
        template.set("request", include_str!("templates/request.md"));
        template.set("needs", &needs.explained(language));
        let files = match language {
            Language::Rust => rust::files(&needs, template),
            Language::Python => python::files(name, &needs, template),
            Language::Javascript => javascript::files(name, &needs, template),
        };
        Ok(Self { files, language, configuration })
    }

    /// Writes the project into this folder, which is empty or is not there: all of it or nothing.
    ///
    /// # Errors
    /// The folder holds something, or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        folder::write(folder, &self.files)
    }

    /// The lines for the configuration, with the project in this folder.
    pub fn configuration(&self, folder: &Path) -> String {
        self.configuration.lines(&folder.display().to_string())
    }

    /// The commands that lead to a component, in the project's folder.
    pub fn steps(&self) -> &'static [&'static str] {
        match self.language {
            Language::Rust => &["cargo test", "cargo build --release --target wasm32-wasip2"],
            Language::Python => &[python::INSTALL, "python3 -m unittest", "sh build.sh"],
            Language::Javascript => &["npm install", "npm test", "npm run build"],
        }
    }

    /// The component, below the project's folder once it is built.
    pub fn component(&self) -> &str {
        &self.configuration.component
    }
}

impl Language {
    fn component(self, name: &SourceName) -> String {
        match self {
            Self::Rust => format!("target/wasm32-wasip2/release/{}.wasm", name.as_str().replace('-', "_")),
            Self::Python | Self::Javascript => format!("{name}.wasm"),
        }
    }
}
