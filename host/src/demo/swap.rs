//! Act 3: a source is replaced while clients ask it without pause.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    act::{Act, get, now},
    configuration::{self, CORP, PAYROLL},
    failed,
    forged::Forged,
};
use crate::{
    builtin,
    client::Client,
    kind::Kind,
    protocol::{Failure, Reply, Request},
};

/// Returns what the vault holds from now on.
pub(super) fn play(act: &mut Act) -> Result<Forged, Failure> {
    act.heading("A source is replaced while clients ask it without pause")?;
    let (old, new) = (Forged::deploy(8, now()), Forged::deploy(8, now()));
    let vault = component("vault")?;
    act.stage.write(&configuration::added("corp-1.wasm"), vault, 0o600)?;
    act.stage.write(&configuration::added("corp-2.wasm"), release_two(vault), 0o600)?;
    configure(act, "corp-1.wasm", &old)?;
    act.stage
        .wait_for("the new source", || act.get(PAYROLL, Kind::Readonly).is_ok_and(|found| found.facts.source == CORP).then_some(()))?;
    act.expect("payroll: the company's vault, added just now", PAYROLL, Kind::Readonly, CORP, &old)?;

    let Asked { requests, failures, slowest, arrived } = ask_meanwhile(act, &old, &new, || configure(act, "corp-2.wasm", &new))?;
    act.expect("payroll: its second release, with other settings", PAYROLL, Kind::Readonly, CORP, &new)?;
    act.timed(&format!("until each of {CLIENTS} clients had the new answer"), arrived)?;
    act.timed("the slowest request meanwhile", slowest)?;
    act.show.told(&format!("{requests} requests meanwhile"), &format!("{failures} failures"))?;
    Ok(new)
}

fn configure(act: &Act, component: &str, token: &Forged) -> Result<(), Failure> {
    act.stage.write(&configuration::added("10-corp.yaml"), configuration::corp(component, token), 0o600)
}

/// A component of the demo, which this binary carries in itself.
pub(super) fn component(name: &str) -> Result<&'static [u8], Failure> {
    builtin::demo(name).ok_or_else(|| failed(format!("there is no component `{name}`")))
}

/// Other bytes that do the same: the component with a custom section behind it, which is the identifier 0, a length, and a name with its
/// own length.
fn release_two(component: &[u8]) -> Vec<u8> {
    [component, &[0, 10, 9], b"release-2"].concat()
}

/// What clients met while something changed.
struct Asked {
    requests: usize,
    failures: usize,
    slowest: Duration,
    /// From the change until the last client had the new answer.
    arrived: Duration,
}

/// Has clients ask without pause before, during and after `change`. None may fail, or go back to the old answer after the new one.
fn ask_meanwhile(act: &Act, old: &Forged, new: &Forged, change: impl FnOnce() -> Result<(), Failure>) -> Result<Asked, Failure> {
    let (over, arrived, socket) = (AtomicBool::new(false), AtomicUsize::new(0), act.stage.socket());
    let request = get(PAYROLL, Kind::Readonly)?;
    let asker = Asker { socket: &socket, request: &request, old, new, over: &over, arrived: &arrived };
    let (met, took) = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| asker.ask())).collect();
        thread::sleep(RUN_UP);
        let took = change().and_then(|()| {
            let begun = Instant::now();
            act.stage.wait_for("the new answer", || (arrived.load(Ordering::Relaxed) == CLIENTS).then(|| begun.elapsed()))
        });
        thread::sleep(RUN_UP);
        over.store(true, Ordering::Relaxed);
        let met: Vec<Met> = threads.into_iter().filter_map(|thread| thread.join().ok()).collect();
        (met, took)
    });
    if let Some(failure) = met.iter().find_map(|met| met.failure.as_ref()) {
        return Err(failed(format!("a request failed while the source was replaced: {failure}")));
    }
    let sum = |count: fn(&Met) -> usize| met.iter().map(count).sum();
    Ok(Asked {
        requests: sum(|met| met.requests),
        failures: sum(|met| met.failures),
        slowest: met.iter().map(|met| met.slowest).max().unwrap_or_default(),
        arrived: took?,
    })
}

/// One client. All have the same question, and know the two answers to it.
struct Asker<'a> {
    socket: &'a Path,
    request: &'a Request,
    old: &'a Forged,
    new: &'a Forged,
    /// When to stop.
    over: &'a AtomicBool,
    /// How many clients had the new answer.
    arrived: &'a AtomicUsize,
}

/// What one client met.
#[derive(Default)]
struct Met {
    requests: usize,
    failures: usize,
    /// The first failure.
    failure: Option<String>,
    slowest: Duration,
    has_new: bool,
}

impl Asker<'_> {
    fn ask(&self) -> Met {
        let mut met = Met::default();
        let mut client = match Client::connect(self.socket) {
            Ok(client) => client,
            Err(error) => return Met { failures: 1, failure: Some(error.to_string()), ..met },
        };
        while !self.over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let answer = self.one(&mut client, met.has_new);
            met.slowest = met.slowest.max(begun.elapsed());
            met.requests += 1;
            match answer {
                Ok(is_new) if is_new && !met.has_new => {
                    met.has_new = true;
                    self.arrived.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {}
                Err(failure) => {
                    met.failures += 1;
                    met.failure.get_or_insert(failure);
                }
            }
        }
        met
    }

    /// Whether the answer is the new one.
    fn one(&self, client: &mut Client, had_new: bool) -> Result<bool, String> {
        let answer = client.ask(self.request).map_err(|error| error.to_string())?;
        let Reply::Token(delivered) = answer.map_err(|failure| failure.message)? else { return Err("no token".into()) };
        match (self.new.is_behind(&delivered), self.old.is_behind(&delivered)) {
            (Ok(()), _) => Ok(true),
            (Err(_), Ok(())) if had_new => Err("the old answer came after the new one".into()),
            (Err(_), Ok(())) => Ok(false),
            (Err(why), Err(_)) => Err(why.into()),
        }
    }
}

/// Clients at a time.
const CLIENTS: usize = 4;

/// How long they ask before the change and after it.
const RUN_UP: Duration = Duration::from_millis(100);
