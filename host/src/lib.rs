//! The flytoken host: an agent that hands every tool the narrowest Fly.io API token it needs.
//!
//! A request for an app and kind goes from the client over the socket ([`protocol`], [`agent`]) to the [`core`], whose [`cache`] answers
//! most of them. The rest goes to the [`owner`] of that app and kind, which runs the [`chain`]: each step is a sandboxed component
//! ([`runtime`]), and what it hands over is checked and narrowed ([`check`]) before anybody gets it. `ARCHITECTURE.md` has the map.

pub mod app;
pub mod kind;
pub mod time;
pub mod token;
pub mod lease;
pub mod refusal;

pub mod check;
pub mod cache;
pub mod tombstones;
pub mod owner;
pub mod chain;
pub mod resolver;
pub mod core;

pub mod sources;
pub mod builtin;
pub mod runtime;
pub mod acquire;
pub mod command;
pub mod records;
pub mod keep;
pub mod store;
pub mod login;
pub mod login_memory;
pub mod sequence;
pub mod explanations;

pub mod config;
pub mod paths;
pub mod changes;
pub mod trust;
pub mod plain;
pub mod system;

pub mod protocol;

#[cfg(test)]
mod test_support;
