//! What a component is: what it exports and imports, and which grants that takes. Nothing of it runs.

use wasmtime::{Engine, component::Component};

use super::{
    component::LoadError,
    linker::{self, Grant, Need},
    text::{Censor, ID_BYTES},
};

/// What a component says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The version of `flytoken:source` that it was built against.
    pub version: String,
    /// Whether it can remember what others obtained.
    pub is_keeper: bool,
    /// Whether it can revoke what it minted.
    pub is_revoker: bool,
    /// Everything it exports, by name, fit to be shown.
    pub exports: Vec<String>,
    /// Everything it imports.
    pub imports: Vec<Import>,
}

/// Something that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// `package:name/interface@version`, fit to be shown.
    pub name: String,
    /// What it takes.
    pub needs: Needs,
}

/// What it takes to import something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Everybody gets it.
    Nothing,
    /// A grant: its name, and an example of how it is written.
    Grant {
        /// As it is spelled in the configuration.
        name: &'static str,
        /// A line for `grants`.
        example: &'static str,
    },
    /// Nothing gives it: this host offers another version of it.
    OtherVersion,
    /// Nothing gives it.
    Unknown,
}

impl Inspected {
    /// The grants that it needs, each once: name and example.
    pub fn grants(&self) -> Vec<(&'static str, &'static str)> {
        let mut grants = Vec::new();
        for import in &self.imports {
            if let Needs::Grant { name, example } = import.needs
                && !grants.contains(&(name, example))
            {
                grants.push((name, example));
            }
        }
        grants
    }

    /// The first import that no grant can give.
    pub fn unavailable(&self) -> Option<&Import> {
        self.imports.iter().find(|import| matches!(import.needs, Needs::OtherVersion | Needs::Unknown))
    }

    /// The names of everything that it imports.
    pub fn import_names(&self) -> Vec<String> {
        self.imports.iter().map(|import| import.name.clone()).collect()
    }
}

pub(super) fn inspect(engine: &Engine, component: &Component) -> Result<Inspected, LoadError> {
    let component = component.component_type();
    let exports: Vec<String> = component.exports(engine).map(|(name, _)| Censor::default().clean(name, ID_BYTES)).collect();
    let exported = |interface: &str| {
        let prefix = format!("flytoken:source/{interface}@");
        exports.iter().find_map(|export| export.strip_prefix(&prefix))
    };
    let version = match exported("source") {
        Some(version) if version.starts_with(TRACK) => version.to_owned(),
        Some(version) => return Err(LoadError::OtherExport { interface: format!("flytoken:source/source@{version}") }),
        None if exports.is_empty() => return Err(LoadError::NoSource("it exports nothing".into())),
        None => return Err(LoadError::NoSource(format!("it exports {}", exports.join(", ")))),
    };
    let has = |interface| exported(interface).is_some_and(|version| version.starts_with(TRACK));
    let (is_keeper, is_revoker) = (has("keeper"), has("revoker"));
    let imports = linker::imports(engine, &component).into_iter().map(|name| Import { needs: needs(&name), name });
    let imports = imports.collect();
    Ok(Inspected { version, is_keeper, is_revoker, exports, imports })
}

fn needs(import: &str) -> Needs {
    match linker::need(import) {
        Need::Nothing => Needs::Nothing,
        Need::Grant(grant) => Needs::Grant { name: Grant::name(grant), example: grant.example() },
        Need::OtherVersion => Needs::OtherVersion,
        Need::Unknown => Needs::Unknown,
    }
}

/// Within it every version is one contract.
const TRACK: &str = "0.1.";
