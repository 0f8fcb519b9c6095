//! The vectors of the token module: tokens, caveats and verdicts made with an independent implementation.

use serde_json::Value;

/// Every vector.
pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../../host/src/token/vectors.json")).unwrap()
}
