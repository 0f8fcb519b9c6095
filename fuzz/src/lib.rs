//! The token module as the targets see it: the host's own files, without the rest of the host.

#![allow(dead_code, unused_imports, reason = "the rest of the host uses what the targets do not")]

#[path = "../../host/src/hex.rs"]
pub mod hex;
#[path = "../../host/src/time.rs"]
pub mod time;
#[path = "../../host/src/token/mod.rs"]
pub mod token;
