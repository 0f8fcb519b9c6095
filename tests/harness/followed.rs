//! An agent, the login it follows, and who rewrites that.

use serde_json::Value;

use super::{Account, Agent, Fly, Flyctl, Home, Login, MONDAY, Wire, eventually, get};

/// An agent that follows somebody's login.
pub(crate) struct Followed {
    pub(crate) agent: Agent,
    pub(crate) account: Account,
    pub(crate) flyctl: Flyctl,
    pub(crate) fly: Fly,
    pub(crate) generation: Value,
    pub(crate) home: Home,
}

impl Followed {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        let (fly, flyctl, account) = (home.install_fly(), Flyctl::at(&home.path(".fly")), Account::new());
        flyctl.logs_in(&account.discharged().text, MONDAY);
        // Known from before: a login that has just begun may still be given its time.
        home.run(&["status"]).ends_with(0);
        let agent = home.agent();
        let generation = agent.status()["login"]["generation"].clone();
        assert!(generation.is_string(), "{generation}");
        Self { agent, account, flyctl, fly, generation, home }
    }

    /// Waits until the agent answers for `app` out of this login.
    pub(crate) fn awaits(&self, login: &Login, app: &str) {
        eventually(app, || {
            let answer = Wire::connect(&self.agent.socket).ask(&get(app));
            answer["reply"]["token"].as_str().is_some_and(|token| login.gave(token)).then_some(())
        });
    }

    /// Waits until the agent tells that the last look at the login did not count.
    pub(crate) fn awaits_problem(&self, what: &str) -> String {
        eventually(what, || self.agent.status()["login"]["problem"].as_str().map(str::to_owned))
    }

    /// Fails unless it is the same login as at first, known without a doubt, and `fly` ran so many times.
    pub(crate) fn is_as_before(&self, what: &str, mints: usize) {
        let login = &self.agent.status()["login"];
        assert_eq!((&login["generation"], &login["problem"]), (&self.generation, &Value::Null), "{what}");
        assert_eq!(self.fly.calls().len(), mints, "{what}");
        let log = self.agent.log();
        assert!(!log.contains("ERROR") && !log.contains("WARN"), "{what}: {log}");
    }
}
