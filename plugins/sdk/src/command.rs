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

    /// Runs an entry that holds `{id}`, as [`run`](Self::run) does no other, with `id` in its place: what Fly calls a token, 1 to 64 letters,
    /// digits, `-` and `_`, the first no `-`. Only while a token is being revoked.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); also for an `id` that could be taken for something else.
    fn run_on(&self, program: &str, args: &[&str], id: &str) -> Result<Output, CommandFailure>;
}
