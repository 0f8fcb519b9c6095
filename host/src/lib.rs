//! The flytoken host: an agent that hands every tool the narrowest Fly.io API token it needs.
//!
//! A request for an app and kind goes from the client over the socket ([`protocol`], [`agent`]) to the [`core`], whose [`cache`] answers
//! most of them. The rest goes to the [`owner`] of that app and kind, which runs the [`chain`]: each step is a sandboxed component
//! ([`runtime`]), and what it hands over is checked and narrowed ([`check`]) before anybody gets it. `ARCHITECTURE.md` has the map.

pub mod app;
pub mod kind;
pub mod lease;
pub mod refusal;
pub mod time;
pub mod token;

pub mod attestation;
pub mod audience;
pub mod audit;
pub mod cache;
pub mod chain;
pub mod check;
pub mod core;
pub mod delivery;
pub mod ids;
pub mod owner;
pub mod policy;
pub mod resolver;
pub mod tombstones;

pub mod acquire;
pub mod admission;
pub mod builtin;
pub mod command;
pub mod denials;
pub mod events;
pub mod explanations;
pub mod granted_files;
pub mod health;
pub mod http;
pub mod keep;
pub mod leavings;
pub mod login;
pub mod login_memory;
pub mod metrics;
pub mod mints;
pub mod network;
pub mod observe;
pub mod records;
pub mod replaced;
pub mod revocation;
pub mod runtime;
pub mod sequence;
pub mod sources;
pub mod store;

pub mod arrivals;
pub mod causes;
pub mod changes;
pub mod config;
mod confine;
pub mod hex;
pub mod local_disk;
pub mod paths;
pub mod plain;
pub mod programs;
pub mod system;
pub mod trust;

pub mod agent;
pub mod app_from;
pub mod cli;
pub mod client;
pub mod commands;
pub mod demo;
pub mod docker;
pub mod output;
pub mod protocol;
pub mod scaffold;
pub mod service;
pub mod trial;

#[cfg(test)]
mod test_support;
