//! Every budget of flytoken as one line: budget, measured, ratio, and a reference measured in the same run.
//!
//! Not a test: a machine that is busy with something else is slow, and that is no defect. Medians, since one slow round says nothing.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's own clock")]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]

mod agent;
mod attestation;
mod core;
#[path = "../home/mod.rs"]
mod home;
mod idle;
mod languages;
mod measure;
mod process;
mod sandbox;
mod scale;
mod setting;
mod tokens;

use flytoken::{
    command::{SUPERVISE, supervisor},
    runtime::{COMPILE, compile_main},
};

use self::measure::Table;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, word, socket] = arguments.as_slice()
        && word == agent::ECHO
    {
        return agent::echo(socket);
    }
    if let [_, word, socket] = arguments.as_slice()
        && word == attestation::CLIENT
    {
        return attestation::client(socket);
    }
    // The core of this process starts its supervisors from this program.
    if arguments.get(1).is_some_and(|word| word == SUPERVISE) {
        supervisor::main();
        return;
    }
    // And its compilers.
    if arguments.get(1).is_some_and(|word| word == COMPILE) {
        let arguments: Vec<_> = arguments[2..].iter().map(Into::into).collect();
        compile_main(&arguments);
        return;
    }
    let table = Table::begin();
    let parts: [(&str, &dyn Fn()); 9] = [
        ("tokens", &|| tokens::run(&table)),
        ("sandbox", &|| sandbox::run(&table)),
        ("core", &|| core::run(&table)),
        ("agent", &|| agent::run(&table)),
        ("attestation", &|| attestation::run(&table)),
        ("process", &|| process::run(&table)),
        ("idle", &|| idle::run(&table)),
        ("scale", &scale::run),
        ("languages", &languages::run),
    ];
    // All of them, unless some are named.
    let named: Vec<&str> = arguments.iter().skip(1).map(String::as_str).filter(|argument| !argument.starts_with('-')).collect();
    for (name, part) in parts {
        if named.is_empty() || named.contains(&name) {
            part();
        }
    }
}
