//! Whole processes: `flytoken get` beside a running agent.

use std::process::{Command, Stdio};

use crate::{
    home::Running,
    measure::{Table, median, shown},
    setting::Setting,
};

pub(crate) fn run(table: &Table) {
    let setting = Setting::new();
    setting.configure("");
    let _agent = Running::agent(&setting);
    let get = || {
        let status = setting.flytoken().args(["get", "app-0"]).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
    };
    let truth = || assert!(Command::new("/bin/true").env_clear().status().unwrap().success());
    get();
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        ours.push(median(20, |_| get()));
        plain.push(median(20, |_| truth()));
    }
    ours.sort_unstable();
    plain.sort_unstable();
    let (ours, plain) = (ours[ours.len() / 2], plain[plain.len() / 2]);
    table.time("flytoken get against a running agent", plain * 3, ours, &format!("/bin/true {}", shown(plain)));
}
