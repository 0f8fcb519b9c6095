//! Who called flytoken: the nearest ancestor of a process that is another program.

use std::io;

use super::{attestor::Own, executable::Running, lookup::Lookup, process::Process};

/// A process above a flytoken, and what it runs as far as that may be looked at.
#[derive(Debug)]
pub(super) struct Ancestor {
    pub(super) process: Process,
    pub(super) running: Option<Running>,
}

impl Ancestor {
    /// The nearest above `process` that is not flytoken as well. None if there is none so near.
    ///
    /// # Errors
    /// If one of them ends meanwhile: then the next is another's parent. [`io::ErrorKind::WouldBlock`] if something has to be waited for.
    pub(super) fn nearest(process: &Process, own: &Own, lookup: Lookup) -> io::Result<Option<Self>> {
        let Some(mut ancestor) = Self::above(process)? else { return Ok(None) };
        for _ in 0..MOST_GENERATIONS {
            match &ancestor.running {
                Some(running) if own.is(running, ancestor.process.executable_path().ok().as_deref(), lookup)? => {}
                _ => return Ok(Some(ancestor)),
            }
            let Some(above) = Self::above(&ancestor.process)? else { return Ok(None) };
            ancestor = above;
        }
        Ok(None)
    }

    fn above(child: &Process) -> io::Result<Option<Self>> {
        let pid = child.parent()?;
        if pid == 0 {
            return Ok(None);
        }
        let process = Process::open(pid).ok();
        let running = process.as_ref().and_then(|process| Running::of(process).ok());
        // It was the parent before and is so now. In between it cannot have been anybody else: an ended parent's children have another.
        if child.parent()? != pid {
            return Err(io::ErrorKind::NotFound.into());
        }
        // Where the folders of other users' processes are hidden there is nothing to look at.
        Ok(process.map(|process| Self { process, running }))
    }

    /// Whether it still is there and runs the same.
    pub(super) fn holds(&self) -> bool {
        match &self.running {
            Some(running) => self.process.runs(running.identity),
            None => self.process.is_there(),
        }
    }
}

/// One flytoken below the other: nobody does that on purpose, and whoever does shall not keep the agent busy.
const MOST_GENERATIONS: usize = 16;
