//! `flytoken demo`: the whole chain at work, in a throwaway home.

use super::Context;
use crate::protocol::Failure;

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    crate::demo::run(&context.output, &context.environment)
}
