//! Commands to type, as they have to be typed here: for the profile that is in force, since `fly auth login` would else log somebody in to another
//! account; and for an agent that a service manager starts.

use std::path::Path;

use super::{Context, agent};
use crate::{
    protocol::{Explanation, Failure, StepReport},
    trust::shown,
};

/// What has to stand before and in commands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// What has to stand before a command of `fly`.
    fly: Option<String>,
    /// What has to stand behind the word `flytoken`.
    flytoken: Option<String>,
    /// What starts an agent, where that is not done by hand.
    agent: Option<&'static str>,
}

impl Context {
    pub(super) fn typed(&self) -> Typed {
        let agent = Some(agent::start(self)).filter(|start| *start != BY_HAND);
        let Some(profile) = self.paths.profile() else { return Typed { agent, ..Typed::default() } };
        let is_fly_here = |fly: &Path| self.environment.var("FLY_CONFIG_DIR").is_some_and(|here| Path::new(here) == fly);
        let is_named_here = self.environment.text("FLYTOKEN_PROFILE") == Some(profile.as_str());
        Typed {
            fly: self.paths.fly().filter(|fly| !is_fly_here(fly)).map(|fly| format!("FLY_CONFIG_DIR={} ", shown(fly))),
            flytoken: (!is_named_here).then(|| format!(" --profile {profile}")),
            agent,
        }
    }
}

impl Typed {
    /// A command.
    pub(super) fn command(&self, command: &str) -> String {
        let mut typed = String::with_capacity(command.len());
        for (place, part) in command.split("; ").enumerate() {
            if place > 0 {
                typed.push_str("; ");
            }
            let part = self.agent.filter(|_| part == BY_HAND).unwrap_or(part);
            match (part.split(' ').next(), &self.fly, &self.flytoken) {
                (Some("fly"), Some(before), _) => {
                    typed.push_str(before);
                    typed.push_str(part);
                }
                (Some("flytoken"), _, Some(behind)) => {
                    typed.push_str("flytoken");
                    typed.push_str(behind);
                    typed.push_str(&part["flytoken".len()..]);
                }
                _ => typed.push_str(part),
            }
        }
        typed
    }

    /// A text with commands between backticks.
    pub(super) fn text(&self, text: &str) -> String {
        let parts = text.split('`').enumerate().map(|(place, part)| if place % 2 == 1 { self.command(part) } else { part.to_owned() });
        parts.collect::<Vec<_>>().join("`")
    }

    /// A failure.
    pub(super) fn failure(&self, failure: Failure) -> Failure {
        if *self == Self::default() {
            return failure;
        }
        Failure { hint: self.text(&failure.hint), steps: self.steps(failure.steps), ..failure }
    }

    /// How a resolution went.
    pub(super) fn explanation(&self, explanation: Explanation) -> Explanation {
        Explanation { steps: self.steps(explanation.steps), ..explanation }
    }

    fn steps(&self, steps: Vec<StepReport>) -> Vec<StepReport> {
        let typed = |step: StepReport| StepReport {
            text: self.text(&step.text),
            command: step.command.map(|command| self.command(&command)),
            ..step
        };
        steps.into_iter().map(typed).collect()
    }
}

/// An agent that is started by hand.
const BY_HAND: &str = "flytoken agent";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_that_of_the_profile() {
        let typed = Typed {
            fly: Some("FLY_CONFIG_DIR=/w/fly ".into()),
            flytoken: Some(" --profile work".into()),
            agent: Some("flytoken agent install"),
        };
        for (command, expected) in [
            ("fly auth login", "FLY_CONFIG_DIR=/w/fly fly auth login"),
            ("flytoken set web", "flytoken --profile work set web"),
            ("flytoken", "flytoken --profile work"),
            ("rm x; flytoken agent", "rm x; flytoken --profile work agent install"),
            ("flytoken agent uninstall", "flytoken --profile work agent uninstall"),
            ("flyctl version", "flyctl version"),
            ("unset FLY_API_TOKEN", "unset FLY_API_TOKEN"),
            ("", ""),
        ] {
            assert_eq!(typed.command(command), expected);
            assert_eq!(Typed::default().command(command), command);
        }
        assert_eq!(
            typed.text("run `fly auth login`, then `flytoken get`; fly"),
            "run `FLY_CONFIG_DIR=/w/fly fly auth login`, then `flytoken --profile work get`; fly"
        );
        assert_eq!(typed.text("one ` alone"), "one ` alone");
    }
}
