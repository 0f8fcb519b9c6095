//! A core in this process, for a command that no agent answers.

use std::cell::RefCell;

use tokio::time::Instant;

use super::{Context, asking::StandIn, local::Local, turn::Turn};
use crate::{
    core::PATIENCE,
    protocol::{Failure, FailureCode, Reply, Request},
};

/// Stands in for an agent with a core of its own, from the first request on.
#[derive(Default)]
pub(super) struct InProcess {
    core: RefCell<Option<Local>>,
}

impl StandIn for InProcess {
    fn answer(&self, request: Request, context: &Context) -> Result<Reply, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let turn = Turn::take(context.paths.state(), &request)?;
        // An agent may have come up while others had their turn.
        if turn.is_some()
            && let Some(reply) = context.ask_agent(&request)?
        {
            return Ok(reply);
        }
        let local = match Local::start(context, turn) {
            Ok(local) => local,
            Err(failure) => {
                // Or right now, and taken the databases.
                let agents = if failure.code == FailureCode::Agent { context.ask_agent(&request)? } else { None };
                return agents.ok_or(failure);
            }
        };
        self.answer_by(local, request, deadline)
    }

    fn answer_own(&self, request: Request, context: &Context) -> Result<Reply, Failure> {
        // Before the next one: each has the databases for itself while it works.
        self.settle();
        self.answer_by(Local::start(context, None)?, request, Instant::now() + PATIENCE)
    }

    fn revoke_replaced(&self) {
        if let Some(local) = self.core.borrow_mut().as_mut() {
            local.revoke_replaced();
        }
    }

    fn settle(&self) {
        if let Some(local) = self.core.take() {
            local.settle();
        }
    }
}

impl InProcess {
    fn answer_by(&self, local: Local, request: Request, deadline: Instant) -> Result<Reply, Failure> {
        let answer = local.answer(request, deadline);
        self.core.replace(Some(local));
        answer
    }
}
