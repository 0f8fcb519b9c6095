//! Two versions that meet: what mends it, as a command to type.

use super::VERSION;
use crate::{
    plain,
    programs::{self, CLIENT, beside},
};

/// What an agent of this version tells a client that speaks another.
pub(super) fn hint_of_agent(theirs: u64) -> String {
    if theirs > VERSION {
        return newer_client();
    }
    match programs::own() {
        Ok(own) => {
            let client = Some(beside(&own, CLIENT)).filter(|client| client.is_file()).unwrap_or(own);
            let client = client.display().to_string();
            format!("the client is older than the agent: upgrade it, or use the one beside the agent, `{}`", plain::whole_line(&client))
        }
        Err(_) => "the client is older than the agent: upgrade it".into(),
    }
}

/// What an agent of this version tells a client that may be newer than itself.
pub(super) fn newer_client() -> String {
    format!("if the client is newer than the agent, start the agent anew: `kill {}; flytoken agent`", std::process::id())
}

/// What a command of this version says of an agent that speaks another and could not say it itself.
pub fn hint_of_client(theirs: u64, agent: Option<u32>) -> String {
    let restart = agent.map_or_else(|| "stop it, then `flytoken agent`".into(), |pid| format!("`kill {pid}; flytoken agent`"));
    if theirs < VERSION {
        format!("start the agent anew, in this version: {restart}")
    } else {
        format!("this command is older than the agent: upgrade it, or start the agent anew in its version: {restart}")
    }
}
