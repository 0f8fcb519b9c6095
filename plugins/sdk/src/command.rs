//! Running a program that the operator granted.

pub use crate::bindings::command::{Failure as CommandFailure, Output};

/// Programs with granted arguments. Needs the grant `commands`.
pub trait Commands {
    /// Runs `program` with `args`, exactly as they stand in one granted entry: placeholders such as `{app}` are written as they are,
    /// and the host fills them in.
    ///
    /// It runs without a shell, in an empty private directory, with an environment built by the host and no input. It and everything it
    /// started end with this call.
    ///
    /// # Errors
    ///
    /// [`CommandFailure`] says why there is no output. A program that ran and failed is no error here: see [`Output::code`].
    fn run(&self, program: &str, args: &[&str]) -> Result<Output, CommandFailure>;
}
