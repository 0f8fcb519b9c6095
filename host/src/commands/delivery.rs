//! A token on its way to the user.

use std::time::Duration;

use super::{Context, unexpected};
use crate::{
    app::AppName,
    cli::App,
    kind::Kind,
    plain,
    protocol::{Delivered, Failure, LeaseFacts, Reply, Request},
};

impl Context {
    /// A token for the app meant.
    pub(super) fn token(&self, app: &App, kind: Kind, valid_for: Option<Duration>) -> Result<Delivered, Failure> {
        let app = self.app(app)?;
        // Part of a second counts as a whole one: no less may be left than was asked for.
        let valid_for = valid_for.map(|duration| duration.as_secs() + u64::from(duration.subsec_nanos() > 0));
        match self.ask(Request::Get { app, kind, valid_for })? {
            Reply::Token(delivered) => Ok(delivered),
            _ => Err(unexpected()),
        }
    }

    /// Tells a person at the terminal what was handed out.
    pub(super) fn tell(&self, facts: &LeaseFacts) {
        self.output.say_to_person(|paint| {
            let LeaseFacts { app, kind, source, expiry, .. } = facts;
            paint.faint(format!("{app}: {kind} token from {}, {}", plain::line(source), self.moments().until(*expiry)))
        });
    }

    /// Tells a person at the terminal something about an app.
    pub(super) fn tell_of(&self, app: &AppName, text: &str) {
        self.output.say_to_person(|paint| paint.faint(format!("{app}: {text}")));
    }
}
