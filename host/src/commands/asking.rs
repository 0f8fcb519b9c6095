//! Who answers a command's request: an agent, or whatever stands in for one.

use super::{Context, failure};
use crate::{
    cli::AgentUse,
    client::{self, ClientError},
    protocol::{Answer, Failure, FailureCode, Reply, Request},
};

/// What stands in for an agent where there is none.
pub(super) trait StandIn: Send {
    /// Its answer.
    fn answer(&self, request: Request, context: &Context) -> Result<Reply, Failure>;

    /// Its answer, about what this user keeps.
    fn answer_own(&self, request: Request, context: &Context) -> Result<Reply, Failure> {
        self.answer(request, context)
    }

    /// Revokes what it replaced, where the configuration wants that.
    fn revoke_replaced(&self) {}

    /// Ends it, once what it promised is done.
    fn settle(&self) {}
}

impl Context {
    /// The agent's answer if there is an agent, else that of what stands in for one. An agent that is there and cannot be asked is a failure:
    /// going on without it could mint twice, or hand out what it would not.
    pub(super) fn ask(&self, request: Request) -> Result<Reply, Failure> {
        match self.ask_agent(&request)? {
            Some(reply) => Ok(reply),
            None => self.stand_in.answer(request, self),
        }
    }

    /// The answer of this user's own agent if one runs, else that of what stands in for one: about what this user keeps, which no agent of the
    /// whole system knows.
    pub(super) fn ask_own(&self, request: Request) -> Result<Reply, Failure> {
        let own = match self.paths.socket().ok().flatten() {
            Some(socket) if self.global.agent != AgentUse::Never => client::ask(socket, &request)?,
            _ => None,
        };
        own.unwrap_or_else(|| self.stand_in.answer_own(request, self))
    }

    /// The agent's answer; none if there is no agent, or it is not to be asked.
    pub(super) fn ask_agent(&self, request: &Request) -> Result<Option<Reply>, Failure> {
        match self.ask_some_agent(request)? {
            Some(Asked::Own(answer)) => answer.map(Some),
            Some(Asked::System(answer)) => answer.map(Some).map_err(|failure| self.of_the_system(failure)),
            None => Ok(None),
        }
    }

    /// The answer of this user's own agent or, if none runs, of the system's; none if there is neither, or none is to be asked.
    pub(super) fn ask_some_agent(&self, request: &Request) -> Result<Option<Asked>, Failure> {
        if self.global.agent == AgentUse::Never {
            return Ok(None);
        }
        let socket = self.paths.socket().map_err(|error| failure(FailureCode::Misconfigured, error.to_string(), SHORTER))?;
        let is_required = self.global.agent == AgentUse::Require;
        let answer = match socket {
            Some(socket) if is_required => client::ask_insistently(socket, request)?,
            Some(socket) => client::ask(socket, request)?,
            None => None,
        };
        if let Some(answer) = answer {
            return Ok(Some(Asked::Own(answer)));
        }
        if let Some(agent) = self.paths.system_agent()
            && let Some(answer) = client::ask_system(agent, request)?
        {
            return Ok(Some(Asked::System(answer)));
        }
        match socket {
            Some(socket) if is_required => Err(ClientError::Unreachable { socket: socket.into() }.into()),
            None if is_required => {
                let message = "there is no place for an agent's socket: neither XDG_RUNTIME_DIR nor HOME is set";
                Err(failure(FailureCode::Agent, message, "say where it is: `export FLYTOKEN_SOCKET=/path/to/agent.sock`"))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// A failure that is not one of the user's own agent: which one was asked has to be seen.
    fn of_the_system(&self, failure: Failure) -> Failure {
        let Some(agent) = self.paths.system_agent() else { return failure };
        let asked = format!("no agent of your own runs, so that the system's was asked, at {}", agent.socket.display());
        Failure { hint: format!("{}; {asked}", failure.hint), ..failure }
    }
}

/// Which agent was asked, and what it said.
pub(super) enum Asked {
    /// The one of this user.
    Own(Answer),
    /// The one of the whole system.
    System(Answer),
}

const SHORTER: &str =
    "name a shorter one: `export FLYTOKEN_SOCKET=/run/user/$(id -u)/flytoken.sock`, or set XDG_RUNTIME_DIR to a shorter directory";
