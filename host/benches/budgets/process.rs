//! Whole processes: `flytoken get`, and what Docker starts, beside a running agent.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use flytoken::docker;

use crate::{
    home::Running,
    measure::{Table, median, shown},
    setting::Setting,
};

pub(crate) fn run(table: &Table) {
    let setting = Setting::new();
    setting.configure("");
    let _agent = Running::agent(&setting);
    let question = setting.path("question");
    fs::write(&question, docker::REGISTRY).unwrap();
    let succeeds = |command: &mut Command| assert!(command.stdout(Stdio::null()).status().unwrap().success());
    let flytoken = || setting.command(env!("CARGO_BIN_EXE_flytoken"));
    let get = || succeeds(flytoken().args(["get", "app-0"]).stdin(Stdio::null()));
    let asked = || File::open(&question).unwrap();
    let helper = || succeeds(flytoken().arg0(docker::PROGRAM).arg("get").env("FLY_APP", "app-0").stdin(asked()));
    let truth = || succeeds(Command::new("/bin/true").env_clear());
    get();
    helper();
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..20 {
        all[0].push(median(20, |_| get()));
        all[1].push(median(20, |_| helper()));
        all[2].push(median(20, |_| truth()));
    }
    let [get, helper, truth] = all.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    table.time("flytoken get against a running agent", truth * 3, get, &format!("/bin/true {}", shown(truth)));
    table.time("docker-credential-flytoken get, likewise", truth * 3, helper, &format!("/bin/true {}", shown(truth)));
}
