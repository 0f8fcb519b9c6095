//! How a call ended, if not with a lease.

use crate::refusal::Refusal;

/// Why a source gave no lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// What the source answered.
    Said(Refusal),
    /// What became of it instead of an answer.
    Broke(Broke),
}

/// A call that ended without an answer that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Broke {
    /// What kind of end it was.
    pub kind: BrokeKind,
    /// What happened, to be read after the source's name; capped, escaped, without any secret.
    pub text: String,
}

/// What kind of end a broken call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokeKind {
    /// The source crashed, or broke the contract.
    Trapped,
    /// Its time was up.
    TimedOut,
    /// It wanted more linear memory than it may have.
    OutOfMemory,
    /// It ran into another limit: the limit's name.
    Limit(&'static str),
    /// It called what it was not granted, and had no lease in the end.
    Denied,
}
