//! The whole screen of a terminal: taken for as long as somebody looks, and given back in every way out.

use std::{
    io::{self, IsTerminal},
    mem::ManuallyDrop,
    sync::atomic::{AtomicBool, Ordering},
};

use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
    layout::{Position, Rect},
};

use crate::system::Environment;

/// The screen, while it is taken.
pub struct Screen {
    /// Its own end would say on stderr that the cursor cannot be shown, and panic where nobody is left to read it.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<io::Stdout>>>,
}

impl Screen {
    /// Whether there is a terminal, in both directions, that can do more than print one line after the other.
    pub fn is_there(environment: &Environment) -> bool {
        is_terminal() && environment.text("TERM").is_some_and(|kind| kind != "dumb")
    }

    /// Takes it: what was there comes back once this value is gone, and after a panic.
    ///
    /// # Errors
    /// What the system says.
    pub fn take() -> io::Result<Self> {
        // Before the first change: half of it has to be undone as well.
        let screen = Self { terminal: ManuallyDrop::new(Terminal::new(CrosstermBackend::new(io::stdout()))?) };
        enter()?;
        Ok(screen)
    }

    /// Draws what is different from the last time.
    ///
    /// # Errors
    /// If it cannot be written: the terminal is gone.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }

    /// Gives it back for a while; [`Self::retake`] takes it again.
    pub fn lend(&self) {
        give_back();
    }

    /// Draws everything anew the next time, on a terminal that others may have used meanwhile.
    ///
    /// # Errors
    /// As [`Self::draw`].
    pub fn retake(&mut self) -> io::Result<()> {
        enter()?;
        // `clear` would ask the terminal where the cursor is, and whoever reads the keys would get the answer.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Whether the terminal is still there.
    pub fn remains(&self) -> bool {
        is_terminal()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back as it was, if it is taken. Nobody is left to be told that this fails.
pub(super) fn give_back() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

fn enter() -> io::Result<()> {
    IS_TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen)
}

fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// There is one terminal, and a panic has nothing else at hand to know by.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
