//! What is shown: how the agent was when it was asked last, and what somebody looks at.

use super::{
    keys::Key,
    questions::Heard,
    view::{Drawn, View},
};
use crate::{
    app::AppName,
    cache::Key as Subject,
    commands::explain,
    kind::Kind,
    output::{Paint, told},
    plain,
    protocol::{AppStatus, Failure, LeaseFacts, Reply, Request, Status, UnservedStatus},
};

/// What is shown.
pub(super) struct Top {
    pub(super) status: Status,
    /// Why it is not known how things are by now.
    pub(super) lost: Option<String>,
    selected: usize,
    pub(super) over: Over,
    pub(super) note: Option<Note>,
    /// What the agent was asked to do and has not answered yet.
    doing: Option<Doing>,
}

/// What lies over the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Over {
    Nothing,
    Help,
    /// A text, from this line on.
    Text {
        title: String,
        text: String,
        from: usize,
    },
    /// Whether what was obtained for this app and kind is to be invalidated.
    Sure(Subject),
}

/// What came of something, on the last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) is_good: bool,
}

struct Doing {
    what: &'static str,
    subject: Subject,
}

/// What to do once a key was pressed.
#[derive(Debug)]
pub(super) enum Next {
    GoOn,
    Ask(Request),
    Redraw,
    Stop,
    End,
}

/// An app and kind, with a token or without.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    Cached(&'a AppStatus),
    Without(&'a UnservedStatus),
}

impl<'a> Row<'a> {
    pub(super) fn app(self) -> &'a AppName {
        match self {
            Self::Cached(AppStatus { lease: LeaseFacts { app, .. }, .. }) | Self::Without(UnservedStatus { app, .. }) => app,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Cached(AppStatus { lease: LeaseFacts { kind, .. }, .. }) | Self::Without(UnservedStatus { kind, .. }) => *kind,
        }
    }

    fn subject(self) -> Subject {
        Subject { app: self.app().clone(), kind: self.kind() }
    }
}

impl Top {
    pub(super) fn new(status: Status) -> Self {
        Self { status, lost: None, selected: 0, over: Over::Nothing, note: None, doing: None }
    }

    /// Every app and kind in the order of their names: a row stays where it is, whatever becomes of its token.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<Row<'_>> =
            self.status.apps.iter().map(Row::Cached).chain(self.status.unserved.iter().map(Row::Without)).collect();
        rows.sort_by(|a, b| (a.app(), a.kind()).cmp(&(b.app(), b.kind())));
        rows
    }

    /// The place of the selected row, if there is any.
    pub(super) fn selected(&self) -> usize {
        self.selected
    }

    /// Takes note of what came of asking how things are.
    pub(super) fn look(&mut self, heard: Heard) {
        match heard {
            Ok(Some(Reply::Status(status))) => {
                let before = self.subject();
                self.status = *status;
                self.lost = None;
                // The selection stays with its app, not with its line.
                let rows = self.rows();
                let place = rows.iter().position(|row| Some(row.subject()) == before);
                self.selected = place.unwrap_or(self.selected).min(rows.len().saturating_sub(1));
            }
            Ok(Some(_)) => self.lost = Some(super::unexpected().message),
            Ok(None) => self.lost = Some("no agent answers; start one: `flytoken agent`".into()),
            Err(failure) => self.lost = Some(format!("{}; {}", failure.message, failure.hint)),
        }
    }

    /// Does what somebody wants who sees what was drawn.
    pub(super) fn obey(&mut self, key: Key, drawn: Drawn) -> Next {
        self.note = None;
        match (key, &self.over) {
            (Key::Interrupt, _) | (Key::Back, Over::Nothing) => return Next::End,
            (Key::Stop, _) => return Next::Stop,
            (Key::Redraw, _) => return Next::Redraw,
            (_, Over::Sure(subject)) => {
                let subject = subject.clone();
                self.over = Over::Nothing;
                if key == Key::Yes {
                    let Subject { app, kind } = subject.clone();
                    return self.begin("invalidate", subject, Request::Invalidate { app, kind: Some(kind), fingerprint: None });
                }
                self.tell("nothing was changed", true);
            }
            (Key::Back, _) | (Key::Help, Over::Help) | (Key::Explain, Over::Text { .. }) => self.over = Over::Nothing,
            (_, Over::Text { .. }) => self.scroll(key, drawn),
            (Key::Help, Over::Nothing) => self.over = Over::Help,
            (_, Over::Help) => {}
            (_, Over::Nothing) => return self.obey_at_the_tables(key, drawn.page),
        }
        Next::GoOn
    }

    fn obey_at_the_tables(&mut self, key: Key, page: usize) -> Next {
        self.selected = moved(self.selected, key, page, self.rows().len().saturating_sub(1));
        let Some(subject) = self.subject() else { return Next::GoOn };
        let Subject { app, kind } = subject.clone();
        match key {
            Key::Explain => self.begin("explain", subject, Request::Explain { app, kind, resolve: false }),
            Key::Refresh => self.begin("refresh", subject, Request::Refresh { app, kind: Some(kind) }),
            Key::Invalidate => {
                self.over = Over::Sure(subject);
                Next::GoOn
            }
            _ => Next::GoOn,
        }
    }

    fn scroll(&mut self, key: Key, Drawn { page, last }: Drawn) {
        if let Over::Text { from, .. } = &mut self.over {
            *from = moved(*from, key, page, last);
        }
    }

    fn begin(&mut self, what: &'static str, subject: Subject, request: Request) -> Next {
        if let Some(Doing { what, subject: Subject { app, kind } }) = &self.doing {
            let text = format!("{what} of {app} {kind} is not done yet");
            self.tell(text, false);
            return Next::GoOn;
        }
        self.tell(format!("{what} {} {} …", subject.app, subject.kind), true);
        self.doing = Some(Doing { what, subject });
        Next::Ask(request)
    }

    /// Takes note of what came of what the agent was asked to do.
    pub(super) fn done(&mut self, heard: Heard, view: &View) {
        self.note = None;
        let Some(Doing { what, subject: Subject { app, kind } }) = self.doing.take() else { return };
        match heard {
            Ok(Some(Reply::Explained { explanation })) => {
                let text = match explanation {
                    Some(explanation) => explain::text(&view.typed.explanation(*explanation), Paint::new(false), &view.moments),
                    None => view.typed.text(&explain::nothing(&app, kind, true)),
                };
                self.over = Over::Text { title: format!("explain {app} {kind}"), text, from: 0 };
            }
            Ok(Some(Reply::Refreshed { leases })) => match leases.first() {
                Some(LeaseFacts { source, expiry, .. }) => {
                    self.tell(format!("{app} {kind}: a new token from {}, {}", plain::line(source), view.moments.until(*expiry)), true);
                }
                None => self.tell(format!("{app} {kind}: there was nothing to renew"), true),
            },
            Ok(Some(Reply::Invalidated { fingerprints })) => match fingerprints.first() {
                Some(fingerprint) => self.tell(format!("{app} {kind}: dropped token {fingerprint}"), true),
                None => self.tell(format!("{app} {kind}: none obtained before now is handed out again"), true),
            },
            Ok(Some(_)) => self.fail(format!("{what} {app} {kind}"), super::unexpected(), view),
            Ok(None) => self.tell(format!("{app} {kind}: no agent answers"), false),
            Err(failure) => self.fail(format!("{what} {app} {kind}"), failure, view),
        }
    }

    fn fail(&mut self, title: String, failure: Failure, view: &View) {
        self.over = Over::Text { title, text: told(&view.typed.failure(failure), Paint::new(false)), from: 0 };
    }

    fn tell(&mut self, text: impl Into<String>, is_good: bool) {
        self.note = Some(Note { text: text.into(), is_good });
    }

    fn subject(&self) -> Option<Subject> {
        self.rows().get(self.selected).map(|row| row.subject())
    }
}

/// Where a key leads from a place on a list.
fn moved(place: usize, key: Key, page: usize, last: usize) -> usize {
    let place = match key {
        Key::Up => place.saturating_sub(1),
        Key::Down => place + 1,
        Key::PageUp => place.saturating_sub(page),
        Key::PageDown => place + page,
        Key::First => 0,
        Key::Last => last,
        _ => place,
    };
    place.min(last)
}
