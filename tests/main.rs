//! The behaviours of flytoken, shown through the real binary and socket.
//!
//! One test binary: linking the host is the slow part. `harness` has what behaviours share; every other module is one theme.

#![expect(
    clippy::unwrap_used,
    reason = "a behaviour that cannot be set up has failed; clippy allows it in test functions, but not in what they share"
)]

mod harness;

mod account;
mod activation;
mod apps;
mod attenuate;
mod audit;
mod ci;
mod clients;
mod commands;
mod compile;
mod completions;
mod config;
mod config_changes;
mod config_mistakes;
mod damage;
mod delivery;
mod demo;
mod dev;
mod disks;
mod docker;
mod docs;
mod doctor;
mod durability;
mod files;
mod fly;
mod flyctl;
mod frozen;
mod health;
mod herd;
mod hostile;
mod http;
mod ids;
mod impostors;
mod inspect;
mod install;
mod invalidate;
mod kinds;
mod lifecycle;
mod load;
mod login;
mod manual;
mod messages;
mod metrics;
mod mints;
mod observe;
mod one_shots;
mod output;
mod panics;
mod pictures;
mod pins;
mod plugin;
mod policy;
mod profiles;
mod programs;
mod readme;
mod renewal;
mod replaced;
mod restart;
mod revoke;
mod scaffold;
mod setup;
mod socket;
mod source_changes;
mod sources;
mod structure;
mod swap;
mod switch;
mod system_agent;
mod top;
mod trial;
mod tutorial;
mod uninstall;
mod week;
