//! Asking the agent while the screen goes on: one question at a time, on a thread of its own.

use std::sync::mpsc as blocking;

use tokio::sync::mpsc;

use super::unusable;
use crate::{
    commands::Context,
    protocol::{Failure, Reply, Request},
};

/// What the agent said; none if there is no agent.
pub(super) type Heard = Result<Option<Reply>, Failure>;

/// Questions, one after the other.
pub(super) struct Questions {
    asked: blocking::SyncSender<Request>,
    heard: mpsc::Receiver<Heard>,
    waits: bool,
}

impl Questions {
    pub(super) fn begin(context: &Context) -> Result<Self, Failure> {
        let (asked, questions) = blocking::sync_channel::<Request>(1);
        let (answers, heard) = mpsc::channel(1);
        let context = context.twin()?;
        let ask = move || {
            while let Ok(request) = questions.recv() {
                if answers.blocking_send(context.ask_agent(&request)).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("questions".into()).spawn(ask).map_err(|cause| unusable(&cause))?;
        Ok(Self { asked, heard, waits: false })
    }

    /// Asks, unless the last question is not answered yet: a slow agent is not asked more often for it.
    pub(super) fn ask(&mut self, request: Request) {
        if !self.waits {
            // A thread that is gone is noticed where its answers are read.
            self.waits = self.asked.try_send(request).is_ok();
        }
    }

    /// The next answer; none if whoever asks is gone.
    pub(super) async fn answer(&mut self) -> Option<Heard> {
        let heard = self.heard.recv().await;
        self.waits = false;
        heard
    }
}
