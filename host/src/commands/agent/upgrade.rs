//! An upgrade under a running agent: one that is started again for whoever asks ends once nobody waits for it, and the newer program answers.
//!
//! Only such a one does. An agent that somebody started by hand goes on as it is: nobody would start the next one.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::{agent::Executable, commands::local::Activity, core::Core, system::Clock};

/// An agent's program, and what there is to wait for before it gives way to a newer one.
pub(super) struct Upgrade {
    /// The program.
    pub(super) executable: Executable,
    /// Whether requests are waiting.
    pub(super) activity: Arc<Activity>,
    /// Whether sources are at work, for requests or in the background.
    pub(super) core: Core,
    /// Tells how old a file is.
    pub(super) clock: Arc<dyn Clock>,
}

impl Upgrade {
    /// Completes once the program was replaced and the agent is idle.
    ///
    /// It is looked for each time somebody connects or leaves, and every `interval` besides if there is one: an agent that nobody asks has
    /// nothing to look for.
    pub(super) async fn awaited(self, interval: Option<Duration>) {
        while !self.executable.is_replaced(&*self.clock) {
            let connected = self.activity.connected();
            if let Some(interval) = interval {
                if timeout(interval, connected).await.is_err() {
                    continue;
                }
            } else {
                connected.await;
            }
            // What is being installed right now is seen a moment later.
            sleep(PAUSE).await;
        }
        tracing::info!("a newer program is in place of this one: it answers from now on, once nobody waits here");
        self.idle().await;
    }

    /// Waits until nothing was asked for a moment and no source is at work; for a minute at most.
    async fn idle(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut asked = self.activity.asked();
        while Instant::now() < deadline {
            sleep(PAUSE).await;
            let before = std::mem::replace(&mut asked, self.activity.asked());
            if before == asked && self.activity.in_flight() == 0 && !self.core.is_at_work() {
                return;
            }
        }
    }
}

/// Between two looks. Long enough that many connections cost no more looks than one, short enough that nobody notices an upgrade.
const PAUSE: Duration = Duration::from_millis(250);

/// Clients that ask all the time ask again, and lose nothing: a pause is a courtesy.
const PATIENCE: Duration = Duration::from_mins(1);
