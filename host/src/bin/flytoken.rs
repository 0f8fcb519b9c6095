//! `flytoken`, and `docker-credential-flytoken`: what people and tools start. It asks the agent, and becomes `flytokend` for whatever an agent
//! does not answer.

use std::{env, ffi::OsString, process::ExitCode, sync::Arc};

use flytoken::{
    commands,
    output::init_panics,
    system::{Environment, SystemClock},
};

fn main() -> ExitCode {
    init_panics();
    let arguments: Vec<OsString> = env::args_os().collect();
    let environment = Environment::of_this_process();
    let clock = Arc::new(SystemClock::new(&environment));
    commands::ask(&arguments, environment, clock)
}
