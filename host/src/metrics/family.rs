//! What is measured, as data: a name, and a number for each of a few labels.

use super::counts::{BOUNDS, Durations};

/// Numbers under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// What it is called, in the form of Prometheus: `flytoken_requests_total`.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// The numbers.
    pub values: Values,
}

/// The numbers of a family, each with its labels.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Each only grows while the agent lives.
    Counter(Vec<(Labels, u64)>),
    /// Each grows and falls.
    Gauge(Vec<(Labels, u64)>),
    /// How long something took.
    Histogram(Vec<(Labels, Distribution)>),
}

/// Names of labels and their values.
pub type Labels = Vec<(&'static str, String)>;

/// How often something took how long, at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// How many there are between each of [`Distribution::bounds`] and the one before it; at the end those past the last.
    pub counts: [u64; BOUNDS.len() + 1],
    /// How long all of them took together, in seconds.
    pub sum: f64,
}

impl Family {
    /// A number that only grows, once for each of these labels.
    pub fn counter(name: &'static str, help: &'static str, values: impl IntoIterator<Item = (Labels, u64)>) -> Self {
        Self { name, help, values: Values::Counter(values.into_iter().collect()) }
    }

    /// A number that grows and falls, once for each of these labels.
    pub fn gauge(name: &'static str, help: &'static str, values: impl IntoIterator<Item = (Labels, u64)>) -> Self {
        Self { name, help, values: Values::Gauge(values.into_iter().collect()) }
    }

    /// How long something took, once for each of these labels.
    pub fn histogram(name: &'static str, help: &'static str, values: impl IntoIterator<Item = (Labels, Distribution)>) -> Self {
        Self { name, help, values: Values::Histogram(values.into_iter().collect()) }
    }
}

impl Distribution {
    /// The greatest that each of the counts is for but the last one, in seconds.
    pub fn bounds() -> &'static [f64] {
        &BOUNDS
    }

    /// How many there are in all.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl From<&Durations> for Distribution {
    fn from(durations: &Durations) -> Self {
        Self { counts: durations.counts(), sum: durations.seconds() }
    }
}
