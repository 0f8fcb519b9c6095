//! `flytoken top`: how everything is, on a screen of its own, for as long as somebody looks.

mod keys;
mod questions;
mod state;
mod view;

use std::{io, time::Duration};

use ratatui::crossterm::event::{self, Event};
use rustix::process::{Signal, getpid, kill_process};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::mpsc::{self, Receiver},
    time::{MissedTickBehavior, interval, timeout},
};

use self::{
    questions::Questions,
    state::{Next, Top},
    view::{Drawn, View},
};
use super::{Context, failure, unexpected, unexpected_end, usage};
use crate::{
    agent::stop_signal,
    cli::AgentUse,
    output::Screen,
    protocol::{Failure, FailureCode, Reply, Request},
    system::Defect,
};

pub(super) fn run(context: &Context) -> Result<(), Failure> {
    if !Screen::is_there(&context.environment) {
        return Err(usage(
            "there is no terminal that can be drawn on",
            "see how everything is, once: `flytoken status`; for a program: `flytoken status --json`",
        ));
    }
    if context.global.agent == AgentUse::Never {
        return Err(usage("with `--agent never` nobody is asked, and there is nothing to watch", "leave it out: `flytoken top`"));
    }
    // Before the screen is taken: what is wrong at the start is told as by any other command.
    let Some(reply) = context.ask_agent(&Request::Status)? else {
        return Err(failure(
            FailureCode::Agent,
            "no agent runs, and there is nothing to watch",
            "start one: `flytoken agent`; or have it started whenever somebody asks: `flytoken agent install`",
        ));
    };
    let Reply::Status(status) = reply else { return Err(unexpected()) };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|cause| unusable(&cause))?;
    let outcome = runtime.block_on(watch(Top::new(*status), context));
    // The thread that reads keys waits for one that nobody needs any more.
    runtime.shutdown_background();
    outcome
}

/// Shows, asks and obeys until somebody has seen enough.
async fn watch(mut top: Top, context: &Context) -> Result<(), Failure> {
    let (mut looks, mut deeds) = (Questions::begin(context)?, Questions::begin(context)?);
    let stop = stop_signal().map_err(|cause| unusable(&cause))?;
    let mut continued = signal(SignalKind::from_raw(Signal::CONT.as_raw())).map_err(|cause| unusable(&cause))?;
    tokio::pin!(stop);
    let mut second = interval(PAUSE);
    // One question a second at most, also after a while in which none could be asked.
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    second.tick().await;

    let defect = Defect::new(&context.environment);
    let mut screen = Screen::take().map_err(|cause| unusable(&cause))?;
    let mut events = events()?;
    loop {
        let view = View { moments: context.moments(), colours: context.output.paint().is_on(), typed: context.typed() };
        defect.strike("top", "screen");
        let mut drawn = Drawn::default();
        screen.draw(|frame| drawn = view.draw(frame, &top)).map_err(|cause| unusable(&cause))?;
        let next = tokio::select! {
            () = &mut stop => Next::End,
            event = events.recv() => match event {
                Some(Event::Key(event)) => keys::meant(event).map_or(Next::GoOn, |key| top.obey(key, drawn)),
                Some(_) => Next::GoOn,
                None => Next::End,
            },
            heard = looks.answer() => {
                top.look(heard.ok_or_else(unexpected_end)?);
                Next::GoOn
            }
            heard = deeds.answer() => {
                top.done(heard.ok_or_else(unexpected_end)?, &view);
                Next::GoOn
            }
            _ = second.tick() => {
                looks.ask(Request::Status);
                // A terminal that is gone does not always come with a signal.
                if screen.remains() { Next::GoOn } else { Next::End }
            }
            _ = continued.recv() => Next::Redraw,
        };
        match next {
            Next::GoOn => {}
            Next::Ask(request) => deeds.ask(request),
            Next::Redraw => screen.retake().map_err(|cause| unusable(&cause))?,
            Next::Stop => {
                screen.lend();
                // As the terminal would have done it. Whoever has nobody to be continued by is not stopped, and goes on at once.
                let _ = kill_process(getpid(), Signal::TSTP);
                let _ = timeout(STOPPED, continued.recv()).await;
                screen.retake().map_err(|cause| unusable(&cause))?;
            }
            Next::End => return Ok(()),
        }
    }
}

/// What is typed, and that the terminal has another size: read by a thread, since a terminal can only be waited for.
fn events() -> Result<Receiver<Event>, Failure> {
    // Whoever holds a key down waits for the screen.
    let (sender, receiver) = mpsc::channel(MOST_EVENTS);
    let read = move || {
        while let Ok(event) = event::read()
            && sender.blocking_send(event).is_ok()
        {}
    };
    std::thread::Builder::new().name("keys".into()).spawn(read).map_err(|cause| unusable(&cause))?;
    Ok(receiver)
}

fn unusable(cause: &io::Error) -> Failure {
    failure(
        FailureCode::TryAgain,
        format!("the terminal cannot be used: {cause}"),
        "try again in another terminal, or see how everything is, once: `flytoken status`",
    )
}

/// Between two looks at the agent.
const PAUSE: Duration = Duration::from_secs(1);

/// How soon a process stops that was told to.
const STOPPED: Duration = Duration::from_millis(100);

/// Keys that wait for the screen.
const MOST_EVENTS: usize = 16;
