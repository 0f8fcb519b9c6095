//! Agents that are killed while clients talk to them.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use flytoken::system::draw;

use crate::harness::{Home, Wire, eventually};

/// When an agent is killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// So long after its process was started, ready or not.
    Started(Duration),
    /// So long after so many of its answers.
    Answered(usize, Duration),
}

/// Starts an agent, lets `client` talk to it for each of `clients` at the same time, and kills it. A client is called again and again,
/// until it returns none: the agent is gone.
pub(super) fn killed<C: Send>(home: &Home, moment: Moment, clients: &mut [C], client: impl Fn(&mut C, &mut Wire) -> Option<()> + Sync) {
    let log = home.outside("killed.log");
    let stderr = File::create(&log).unwrap();
    let child = home.command(&["agent"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let (answers, gone) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let mut doomed = Doomed { child, gone: &gone };
        for each in clients {
            let (client, answers, gone) = (&client, &answers, &gone);
            scope.spawn(move || {
                // It may be killed before it listens.
                let connected = || Wire::try_connect(&socket(home)).map(Some).or(gone.load(Ordering::SeqCst).then_some(None));
                let Some(mut wire) = eventually("an agent or its end", connected) else { return };
                while client(each, &mut wire).is_some() {
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        match moment {
            Moment::Started(after) => thread::sleep(after),
            Moment::Answered(least, after) => {
                eventually("answers", || {
                    let ended = doomed.child.try_wait().unwrap();
                    assert!(ended.is_none(), "the agent ended by itself: {ended:?} {}", fs::read_to_string(&log).unwrap_or_default());
                    (answers.load(Ordering::SeqCst) >= least).then_some(())
                });
                thread::sleep(after);
            }
        }
        drop(doomed);
    });
}

/// An agent that is killed when this is dropped, also when the test fails before it is time.
struct Doomed<'a> {
    child: Child,
    gone: &'a AtomicBool,
}

impl Drop for Doomed<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.gone.store(true, Ordering::SeqCst);
    }
}

fn socket(home: &Home) -> PathBuf {
    home.path(".local/state/flytoken/run/agent.sock")
}

/// A moment within these.
pub(super) fn within(most: Duration) -> Duration {
    most.mul_f64(draw())
}
