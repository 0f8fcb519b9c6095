//! `flytokend`: the agent, and every command that is more than a question to one.

use std::{env, ffi::OsString, process::ExitCode, sync::Arc};

use flytoken::{
    command::{SUPERVISE, supervisor},
    commands,
    output::init_panics,
    runtime::{COMPILE, compile_main},
    system::{Environment, SystemClock},
};

fn main() -> ExitCode {
    init_panics();
    let arguments: Vec<OsString> = env::args_os().collect();
    // A process of our own that watches over one program; it is started with nothing but this word.
    if arguments.get(1).is_some_and(|first| first == SUPERVISE) {
        return supervisor::main();
    }
    // Another one that compiles one component.
    if arguments.get(1).is_some_and(|first| first == COMPILE) {
        return compile_main(&arguments[2..]);
    }
    let environment = Environment::of_this_process();
    let clock = Arc::new(SystemClock::new(&environment));
    commands::run(&arguments, environment, clock)
}
