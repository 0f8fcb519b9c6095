//! Runs one granted program with granted arguments, contained: it and everything it started end with the call.
//!
//! What may run is a [`CommandGrant`]; [`Commands`] finds the program, fills in its arguments, gives it an empty private folder and an
//! environment built from nothing, and hands it to a supervisor: a child process of this same binary, kept warm, that starts the
//! program and on Linux inherits whatever the program leaves behind, so that nothing outlives the call. If the agent dies, the
//! supervisor notices and ends it all the same.
//!
//! On macOS no process can inherit another's orphans: there the program's process group is ended, and a descendant that left the group
//! lives on. What a program may write, signal and become is bounded as far as the kernel can
//! (`confined.rs`); where it cannot, a hostile one of the same user can kill the supervisor first.

mod commands;
mod confined;
mod contained;
mod descendants;
mod environment;
mod frame;
mod grant;
mod outcome;
mod pool;
mod program;
mod scratch;
mod shared;
pub mod supervisor;
mod template;
mod token_id;
mod values;

use std::path::PathBuf;

use crate::system::Environment;

pub use commands::{Before, Commands, Invocation, Permit};
pub use grant::{CommandGrant, EnvValue, SecretName, granted};
pub use outcome::{Failure, Output};
pub use scratch::{place as scratch_place, sweep};
pub use supervisor::SUPERVISE;
pub use template::{Argument, BadTemplate, Placeholder};
pub use token_id::{NotAnId, TokenId};
pub use values::{CannotFill, Values};

/// Where a program is that a source may be granted to run, looked for as at each run.
///
/// # Errors
/// [`Failure::NotFound`] if no place has it, [`Failure::Failed`] if the first that is found may be changed by others.
pub fn locate(environment: &Environment, program: &str) -> Result<PathBuf, Failure> {
    program::Places::from(environment).find(program).map(|program| program.found)
}
