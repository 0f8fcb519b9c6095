//! The order in which sources are asked.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, value::MapAccessDeserializer},
    ser::SerializeSeq,
};

use super::names::SourceName;

/// The order in which sources are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The sources in order; each at most once, none of them unknown, 1 to 16 of them.
    pub steps: Vec<Step>,
    /// Whether it was written as the word `strict`: the login only mints.
    pub strict: bool,
}

/// A source at its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The source asked.
    pub source: SourceName,
    /// What happens if it fails.
    pub on_failure: OnFailure,
}

/// What happens when a step fails in any other way than having nothing for the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The next step is asked.
    #[default]
    Continue,
    /// The chain ends, so that a broken strict source never falls back to a weaker one in silence.
    Stop,
}

impl Chain {
    /// What the word `strict` is short for.
    fn strict() -> Self {
        let steps = STRICT.into_iter().filter_map(|name| SourceName::parse(name).ok()).map(Step::from).collect();
        Self { steps, strict: true }
    }
}

impl From<SourceName> for Step {
    fn from(source: SourceName) -> Self {
        Self { source, on_failure: OnFailure::default() }
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Chain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of sources, or the word `strict`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Chain, E> {
                if text == "strict" { Ok(Chain::strict()) } else { Err(E::custom("a chain is a list of sources, or the word `strict`")) }
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Chain, A::Error> {
                let mut steps = Vec::new();
                while let Some(step) = list.next_element()? {
                    steps.push(step);
                }
                Ok(Chain { steps, strict: false })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Chain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.strict {
            return serializer.serialize_str("strict");
        }
        let mut list = serializer.serialize_seq(Some(self.steps.len()))?;
        for step in &self.steps {
            list.serialize_element(step)?;
        }
        list.end()
    }
}

/// A step in its long form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "`use` and `on-failure`")]
struct LongStep {
    #[serde(rename = "use")]
    source: SourceName,
    #[serde(default)]
    on_failure: OnFailure,
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Step;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a source, or a map such as { use: cli, on-failure: stop }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Step, E> {
                SourceName::parse(text).map(Step::from).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Step, A::Error> {
                LongStep::deserialize(MapAccessDeserializer::new(map)).map(|LongStep { source, on_failure }| Step { source, on_failure })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.on_failure {
            OnFailure::Continue => self.source.serialize(serializer),
            OnFailure::Stop => LongStep { source: self.source.clone(), on_failure: self.on_failure }.serialize(serializer),
        }
    }
}

/// The chain in which the login only mints and is never handed out, not even narrowed.
const STRICT: [&str; 3] = ["storage", "cli", "manual"];
