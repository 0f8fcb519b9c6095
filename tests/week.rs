//! `docs/a-week.md`, lived through: what happens stands in its comments, and each command prints what the page says.

#![cfg(target_os = "linux")]

use std::{fs, time::Duration};

use crate::{
    disks::limit,
    harness::{Agent, Fly, Home, eventually, minted, user_token, wrapped},
    readme::{document, examples, is_what_was_promised},
};

/// Somebody's machine, and what time it is there.
struct Machine {
    /// Ends before its home goes.
    agent: Option<Agent>,
    fly: Fly,
    home: Home,
    /// Hours since Monday morning.
    hour: u32,
}

const APPS: [&str; 10] = ["web", "api", "jobs", "mail", "docs", "search", "admin", "auth", "img", "beta"];

impl Machine {
    fn new() -> Self {
        let home = Home::new();
        let machine = Self { agent: None, fly: home.install_fly(), home, hour: 0 };
        fs::create_dir_all(machine.home.outside("secrets")).unwrap();
        machine.go_on(0);
        machine
    }

    /// Moves the clock; what `fly` mints from then on is good for a day, and so is what somebody has in a file.
    fn go_on(&self, hour: u32) {
        self.home.set_clock(i64::from(hour) * 3600);
        let day = Duration::from_hours(24 + u64::from(hour));
        fs::write(self.home.outside("secrets/legacy.txt"), minted(7, day)).unwrap();
        for (number, app) in (100..).zip(APPS) {
            self.fly.mints(app, &[minted(number, day)]);
            let _ = fs::remove_file(self.home.outside("fly").join(format!("{app}.next")));
        }
    }

    /// Whether the agent has seen what became of the login.
    fn follows(&self, present: bool) {
        if let Some(agent) = &self.agent {
            eventually("the login", || (agent.status()["login"]["present"] == present).then_some(()));
        }
    }

    fn logs_in(&self, token: &str, last_login: &str) {
        self.home.write_login(&format!("access_token: {token}\nlast_login: {last_login}\n"));
        self.follows(true);
    }

    fn happens(&mut self, what: &str) {
        match what {
            "logs in" => self.logs_in(&user_token(), "2026-11-23T08:00:00Z"),
            "logs in as somebody else" => self.logs_in(&user_token(), "2026-11-25T08:00:00Z"),
            "logs out" => {
                self.home.write_login("wire_guard_state: {}\n");
                self.follows(false);
            }
            "the agent starts" => {
                let command = wrapped("trap '' XFSZ", &self.home.command(&["agent", "-v"]));
                self.agent = Some(Agent::start_by(&self.home, command, &self.home.path(".local/state/flytoken/run/agent.sock")));
            }
            "flyctl is upgraded" => {
                let program = self.home.outside("bin/fly");
                fs::copy(&program, program.with_extension("new")).unwrap();
                fs::rename(program.with_extension("new"), program).unwrap();
            }
            "the network is gone" => {
                self.fly.fails("Post \"https://api.machines.dev/graphql\": dial tcp: lookup api.machines.dev: no such host");
            }
            "the network is back" => self.fly.recovers(),
            "the disk is full" => limit(self.agent.as_ref().unwrap(), Some(1024)),
            "the disk has room" => limit(self.agent.as_ref().unwrap(), None),
            other => {
                let hours = other.strip_suffix(" hours go by").unwrap_or_else(|| panic!("nobody knows how `{other}` happens"));
                self.hour += hours.parse::<u32>().unwrap();
                self.go_on(self.hour);
            }
        }
    }

    fn prints(&self, command: &str, promised: &str) {
        let shown = self.home.shell(&self.home.outside("secrets"), command);
        assert!(is_what_was_promised(promised, &shown), "hour {}\n$ {command}\n{shown}\nis not\n{promised}", self.hour);
    }
}

#[test]
fn a_week_goes_by_as_its_page_says() {
    let page = document("docs/a-week.md");
    let mut machine = Machine::new();
    let (mut events, mut commands) = (0, 0);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(what) = line.strip_prefix("<!-- ") {
            machine.happens(what.trim_end_matches(" -->"));
            events += 1;
        } else if line == "```console" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            for (command, promised) in examples(&format!("```console\n{}\n```", block.join("\n"))) {
                machine.prints(&command, &promised);
                commands += 1;
            }
        }
    }
    assert!(events >= 12 && commands >= 15, "{events} events, {commands} commands");
    let mints = machine.fly.called_to("create").len();
    assert_eq!(mints, 17, "one for each token that somebody asked for, and one more without a network");
}
