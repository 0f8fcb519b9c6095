//! How often an agent wakes that nobody asks: a laptop's battery pays for each time.

use std::{fs, thread, time::Duration};

use flytoken::client::Client;

use crate::{agent::request, home::Running, measure::Table, setting::Setting};

/// With a login, and a few tokens in the cache.
pub(crate) fn run(table: &Table) {
    let setting = Setting::new();
    setting.configure("");
    let agent = Running::agent(&setting);
    let mut client = Client::connect(&setting.socket()).unwrap();
    for number in 0..APPS {
        client.ask(&request(number)).unwrap().unwrap();
    }
    drop(client);
    thread::sleep(SETTLED);
    let before = switches(agent.pid());
    thread::sleep(WATCHED);
    let woken = f64::from(switches(agent.pid()) - before) / WATCHED.as_secs_f64();
    table.line("an idle agent wakes, each second", "0.20", &format!("{woken:.2}"), woken / 0.2, &format!("over {} s", WATCHED.as_secs()));
}

/// How often threads of a process went to sleep, or were made to wait, since they began: more often than the process woke, since one wakes
/// another.
fn switches(pid: u32) -> u32 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("status")).ok());
    texts.map(|text| text.lines().filter(|line| line.contains("ctxt_switches")).map(count).sum::<u32>()).sum()
}

fn count(line: &str) -> u32 {
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

const APPS: usize = 5;

/// Longer than what a request leaves behind stays: owners, threads that may block, a warm supervisor.
const SETTLED: Duration = Duration::from_secs(45);

/// Each look of an agent at something comes within two minutes.
const WATCHED: Duration = Duration::from_mins(2);
