//! What an agent costs by the number of apps in its cache: memory, time of a cached answer, and when renewals fall due.

use std::{collections::BTreeMap, fs, thread, time::Duration};

use flytoken::{
    client::Client,
    protocol::{Incoming, MAX_ANSWER, Outgoing, Reply, Request, decode_answer, encode_request},
    system::{Clock, SystemClock, draw},
};

use crate::{
    agent::{Exchange, request},
    core::{cached, lookup},
    home::Running,
    measure::{median, shown},
    setting::{self, Setting},
};

/// Prints one row for each number of apps.
pub(crate) fn run() {
    println!(
        "\n{:>12} {:>12} {:>14} {:>16} {:>14} {:>18} {:>10}",
        "APPS CACHED", "MEMORY", "EACH FURTHER", "GET, SOCKET", "LOOKUP", "RENEWALS A MINUTE", "MAX/MEAN"
    );
    let setting = Setting::new();
    fs::write(setting.path("vault.wasm"), flytoken::builtin::demo("vault").unwrap()).unwrap();
    setting.configure(&format!(
        "chain: [vault]\nsources:\n  vault:\n    component: {}\n    dev: true\n    settings: {{ token: '{}' }}\n",
        setting.path("vault.wasm").display(),
        setting::token(123)
    ));
    let agent = Running::agent(&setting);
    let (mut apps, mut memory) = (0, None);
    for more in SIZES {
        let before = memory.unwrap_or_else(|| agent.resident());
        fill(&setting, apps..more);
        settle(&setting);
        let now = agent.resident();
        let each = format!("{:.2} KiB", ratio(now.saturating_sub(before), more - apps));
        let (mean, spread) = renewals(more);
        println!(
            "{more:>12} {:>12} {:>14} {:>16} {:>14} {mean:>18.1} {spread:>10.2}",
            format!("{:.1} MiB", ratio(now, 1024)),
            // What is bounded fills up with the first of them.
            if more > 1_000 { each } else { "-".into() },
            shown(get(&setting, more)),
            shown(lookup(more)),
        );
        (apps, memory) = (more, Some(now));
    }
}

/// Has the agent obtain tokens for these apps, many at a time.
fn fill(setting: &Setting, apps: std::ops::Range<usize>) {
    use std::io::{Read, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(setting.socket()).unwrap();
    let mut incoming = Incoming::new(MAX_ANSWER);
    let apps: Vec<usize> = apps.collect();
    for some in apps.chunks(100) {
        let mut outgoing = Outgoing::default();
        for (id, app) in (1..).zip(some) {
            encode_request(&mut outgoing, id, &request(*app)).unwrap();
        }
        stream.write_all(outgoing.unsent()).unwrap();
        let mut answered = 0;
        while answered < some.len() {
            if let Some(answer) = incoming.next(decode_answer).unwrap() {
                answer.unwrap().1.unwrap();
                answered += 1;
            } else {
                let count = stream.read(incoming.room()).unwrap();
                incoming.received(count);
            }
        }
    }
}

/// Waits until the owners that were needed for that are gone.
fn settle(setting: &Setting) {
    let mut client = Client::connect(&setting.socket()).unwrap();
    loop {
        let Ok(Reply::Status(status)) = client.ask(&Request::Status).unwrap() else { panic!("no status") };
        if status.resources.owners == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// A cached answer over the socket, each time for another app.
fn get(setting: &Setting, apps: usize) -> Duration {
    let asked = |round: usize| {
        let mut outgoing = Outgoing::default();
        // Far from the one before, and a number of its own.
        encode_request(&mut outgoing, 1, &request(round * 7_919 % apps)).unwrap();
        outgoing.unsent().to_vec()
    };
    let mut exchange = Exchange::with(&setting.socket(), asked(0));
    exchange.first_answer();
    let frames: Vec<_> = (0..ROUNDS).map(asked).collect();
    median(ROUNDS, |round| exchange.once_with(&frames[round]))
}

/// How many renewals fall due in a minute, and how many in the fullest one against that, if all apps were asked for at the same moment
/// and their tokens live for a day: the worst there is.
fn renewals(apps: usize) -> (f64, f64) {
    let now = SystemClock::default().now();
    let mut minutes: BTreeMap<u64, u64> = BTreeMap::new();
    for _ in 0..apps {
        *minutes.entry(cached(now, draw()).soft.unwrap().seconds() / 60).or_default() += 1;
    }
    let (first, last) = (minutes.keys().next().unwrap(), minutes.keys().last().unwrap());
    let mean = ratio(apps as u64, usize::try_from(last - first + 1).unwrap());
    (mean, ratio(minutes.values().max().copied().unwrap(), 1) / mean)
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
fn ratio(count: u64, of: usize) -> f64 {
    count as f64 / of as f64
}

/// Apps in the cache.
const SIZES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

/// Answers that the median is of.
const ROUNDS: usize = 4_000;
