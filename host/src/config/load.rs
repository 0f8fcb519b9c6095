//! Loading: the built-in defaults, the system's files over them, the user's files over those.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::{
    Config, bounds,
    build::{build, complete},
    files::Layers,
    flaw::Flaw,
    layer::Layer,
    origin::{Document, Origins},
    problem::{ConfigError, ConfigErrors, Problem},
};

/// A configuration in force, and where it comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What is in force.
    pub config: Arc<Config>,
    /// Every file that has its place in the order, existing or not.
    pub files: Vec<PathBuf>,
    /// The files that were read.
    pub read: Vec<PathBuf>,
    /// Where each value comes from.
    pub origins: Origins,
    /// What is in force in the form of a file, what follows from other values filled in.
    pub(super) effective: Value,
}

/// Reads all files and lays them over each other: maps merge, lists and single values replace.
///
/// # Errors
/// Everything that is wrong: the first problem of each file, or, if every file holds by itself, all problems of what they say together.
/// Nothing is in force then; an agent goes on with what it has.
pub fn load(layers: &Layers) -> Result<Loaded, ConfigErrors> {
    let (mut origins, mut merged) = (Origins::default(), Value::Null);
    let (files, mut errors) = layers.files();
    let mut read = Vec::new();
    let mut lay = |document: Document| -> Result<(), ConfigError> {
        let layer = parse(&document)?;
        let name = document.name.clone();
        origins.lay(document, &layer, &mut merged).map_err(|error| Flaw::of_value(&error).in_file(name))
    };
    errors.extend(lay(Document { name: BUILT_IN.into(), folder: None, text: DEFAULTS.into() }).err());
    for (path, required) in &files {
        let laid = layers.read(path).and_then(|text| match text {
            Some(text) => {
                read.push(path.clone());
                let folder = Some(path.parent().unwrap_or(Path::new("")).to_owned());
                lay(Document { name: layers.name(path), folder, text })
            }
            None if *required => Err(layers.error(path, None, Problem::Missing)),
            None => Ok(()),
        });
        errors.extend(laid.err());
    }
    ConfigErrors::unless_empty(errors)?;
    finish(&origins, merged, layers.home.as_deref()).map(|(config, effective)| Loaded {
        config: Arc::new(config),
        files: files.into_iter().map(|(path, _)| path).collect(),
        read,
        origins,
        effective,
    })
}

fn finish(origins: &Origins, merged: Value, home: Option<&Path>) -> Result<(Config, Value), ConfigErrors> {
    // Both steps only turn around what has just been turned: they fail for no file that could be parsed.
    let one = |error: serde_yaml::Error| ConfigErrors::from(Flaw::of_value(&error).in_file("configuration".into()));
    let mut layer: Layer = serde_yaml::from_value(merged).map_err(one)?;
    complete(&mut layer);
    let effective = serde_yaml::to_value(&layer).map_err(one)?;
    Ok((build(&layer, origins, home)?, effective))
}

/// One file by itself; what says nothing is a layer too.
fn parse(document: &Document) -> Result<Layer, ConfigError> {
    parse_document::<Option<Layer>>(document).map(Option::unwrap_or_default)
}

/// A file of any form, not too deep, not too much, and with no key twice.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(crate) fn parse_document<T: DeserializeOwned>(document: &Document) -> Result<T, ConfigError> {
    let parsed = bounds::check(&document.text).and_then(|()| serde_yaml::from_str(&document.text).map_err(|error| Flaw::of_value(&error)));
    parsed.map_err(|flaw| flaw.in_file(document.name.clone()))
}

/// What is in force where no file says otherwise.
const DEFAULTS: &str = include_str!("defaults.yaml");

/// What people call the file that is part of the program.
const BUILT_IN: &str = "built-in";
