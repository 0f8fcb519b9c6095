//! A token on its way to the user.

use super::{Context, unexpected};
use crate::{
    app::AppName,
    cli::{self, App},
    kind::Kind,
    plain,
    protocol::{Delivered, Failure, LeaseFacts, Reply, Request, Wish},
};

impl Context {
    /// A token for the app meant.
    pub(super) fn token(&self, app: &App, kind: Kind, wish: cli::Wish) -> Result<Delivered, Failure> {
        let app = self.app(app)?;
        let wish = Wish {
            // Part of a second counts as a whole one: no less may be left than was asked for.
            valid_for: wish.valid_for.map(|duration| duration.as_secs() + u64::from(duration.subsec_nanos() > 0)),
            actions: wish.actions,
            max_lifetime: wish.max_lifetime.map(|duration| duration.as_secs()),
        };
        match self.ask(Request::Get { app, kind, wish })? {
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
