//! The file that lines are appended to.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    HeadKeeper,
    chain::{ChainKey, Head},
    entry::{self, Event},
    forward::{Forward, Forwarder},
};
use crate::{
    store::{LockError, LockFile, Patience},
    system::Clock,
};

/// How the audit is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file, by its absolute path.
    pub path: PathBuf,
    /// Whether a line has to be on disk before the token leaves: no line, no token.
    pub required: bool,
    /// A file of this many bytes is set aside, and a new one goes on.
    pub rotate_at: u64,
    /// Who gets a copy of each line; none if nobody does.
    pub forward: Option<Forward>,
}

/// The file that lines are appended to. While this lives, no other process appends to it.
pub struct Journal {
    settings: Settings,
    key: ChainKey,
    heads: Box<dyn HeadKeeper>,
    clock: Arc<dyn Clock>,
    forwarder: Option<Forwarder>,
    state: Mutex<State>,
    _lock: LockFile,
}

struct State {
    file: File,
    /// The bytes of whole lines in it.
    length: u64,
    head: Head,
    /// The head as it was kept last.
    kept: u64,
    /// Why the last line was not handed over to whoever gets copies.
    not_forwarded: Option<io::Error>,
}

impl Journal {
    /// Opens the file, or makes it, waiting for another process that writes to it as long as `patience` lasts. What a kill or a full disk
    /// left half written is given an end, and that is on record.
    ///
    /// # Errors
    /// [`JournalError`]: where an audit is required nothing may be handed out then.
    pub fn open(
        settings: Settings,
        key: ChainKey,
        heads: Box<dyn HeadKeeper>,
        clock: Arc<dyn Clock>,
        patience: Patience,
    ) -> Result<Self, JournalError> {
        let mut lock = settings.path.clone().into_os_string();
        lock.push(".lock");
        let lock = LockFile::lock_within(Path::new(&lock), patience)?;
        let kept = heads.load().map_err(JournalError::Head)?.unwrap_or(Head::BEGINNING);
        let mut file = open(&settings.path)?;
        let (end, half) = last_line(&mut file).map_err(|cause| JournalError::io("read", &settings.path, cause))?;
        let length = file.metadata().map_err(|cause| JournalError::io("look at", &settings.path, cause))?.len();
        let head = end.filter(|end| end.number >= kept.number).unwrap_or(kept);
        let state = State { file, length, head, kept: kept.number, not_forwarded: None };
        let forwarder = settings.forward.clone().map(Forwarder::new).transpose();
        let forwarder = forwarder.map_err(|cause| JournalError::io("make a socket beside", &settings.path, cause))?;
        let journal = Self { settings, key, heads, clock, forwarder, state: Mutex::new(state), _lock: lock };
        {
            let mut state = journal.lock();
            if half > 0 {
                state.file.write_all(b"\n").map_err(|cause| JournalError::io("write", &journal.settings.path, cause))?;
                state.length += 1;
                journal.append(&mut state, Event::ClosedHalfLine { bytes: half })?;
            }
            if end.map_or(0, |end| end.number) < kept.number {
                journal.append(&mut state, Event::Gap { through: kept.number })?;
            }
        }
        Ok(journal)
    }

    /// How it is kept.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Appends one line, and hands over a copy. Where the audit is required it is on disk when this returns, so it may block.
    ///
    /// # Errors
    /// [`JournalError`]: the line is not on record, and where the audit is required the answer may not leave.
    pub fn record(&self, event: Event) -> Result<(), JournalError> {
        let mut state = self.lock();
        self.append(&mut state, event)?;
        if self.settings.required {
            state.file.sync_data().map_err(|cause| JournalError::io("sync", &self.settings.path, cause))?;
            self.keep_head(&mut state)?;
        }
        match (state.not_forwarded.take(), &self.forwarder) {
            (Some(cause), Some(forwarder)) => Err(JournalError::NotForwarded { forward: forwarder.forward().clone(), cause }),
            _ => Ok(()),
        }
    }

    /// Keeps the head if lines were written since; to be called every second and at the end. May block.
    ///
    /// # Errors
    /// [`JournalError::Head`]; it is tried again with the next call.
    pub fn settle(&self) -> Result<(), JournalError> {
        let mut state = self.lock();
        if state.head.number > state.kept { self.keep_head(&mut state) } else { Ok(()) }
    }

    /// How many lines were written since the head was kept. May block.
    pub fn unsettled(&self) -> u64 {
        let state = self.lock();
        state.head.number.saturating_sub(state.kept)
    }

    fn append(&self, state: &mut State, event: Event) -> Result<(), JournalError> {
        if state.length >= self.settings.rotate_at {
            self.rotate(state)?;
        }
        self.write(state, event)
    }

    fn write(&self, state: &mut State, event: Event) -> Result<(), JournalError> {
        let time = entry::moment(self.clock.now());
        let (line, head) = entry::line(event, time, state.head, &self.key);
        if let Err(cause) = state.file.write_all(&line) {
            // What was written of it goes again, so that the next line begins on its own; if that fails too, the next start closes it.
            let _ = state.file.set_len(state.length);
            return Err(JournalError::io("write", &self.settings.path, cause));
        }
        state.length += line.len() as u64;
        state.head = head;
        if let Some(forwarder) = &self.forwarder
            && let Err(cause) = forwarder.send(&line, time)
        {
            state.not_forwarded = Some(cause);
        }
        Ok(())
    }

    /// Sets the full file aside. The chain goes on in the next one.
    fn rotate(&self, state: &mut State) -> Result<(), JournalError> {
        let path = &self.settings.path;
        state.file.sync_data().map_err(|cause| JournalError::io("sync", path, cause))?;
        let name = rotated(path, state.head.number);
        fs::rename(path, &name).map_err(|cause| JournalError::io("rename", path, cause))?;
        state.file = open(path)?;
        state.length = 0;
        let previous = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.write(state, Event::Rotated { previous })
    }

    fn keep_head(&self, state: &mut State) -> Result<(), JournalError> {
        self.heads.save(&state.head).map_err(JournalError::Head)?;
        state.kept = state.head.number;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A line is whole or not there, also after a panic in between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a file that was full after this line.
fn rotated(path: &Path, last: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    // As many digits as the greatest number has: files sort by name.
    name.push(format!(".{last:020}"));
    name.into()
}

/// The files of an audit from the oldest to the newest, as far as they are there.
pub(super) fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (folder, name) = (path.parent().unwrap_or(Path::new("/")), path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let mut full = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.file_name().to_string_lossy().into_owned();
        let digits = found.strip_prefix(&name).and_then(|rest| rest.strip_prefix('.'));
        if digits.is_some_and(|digits| digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())) {
            full.push(entry.path());
        }
    }
    full.sort();
    full.extend(path.exists().then(|| path.to_owned()));
    Ok(full)
}

/// Opens the file to append to it. A link is refused: it would lead the lines elsewhere.
fn open(path: &Path) -> Result<File, JournalError> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path);
    let file = opened.map_err(|cause| JournalError::io("open", path, cause))?;
    let metadata = file.metadata().map_err(|cause| JournalError::io("look at", path, cause))?;
    if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(JournalError::Foreign { path: path.into() });
    }
    Ok(file)
}

/// The head by the last whole line of the file, and how many bytes there are behind its end.
fn last_line(file: &mut File) -> io::Result<(Option<Head>, u64)> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LONGEST_LINE * 2);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(LONGEST_LINE * 2).read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let whole = tail[..end].split(|byte| *byte == b'\n').rev().filter_map(entry::parse);
    let head = whole.map(|(_, numbered, link)| Head { number: numbered.number, link }).next();
    Ok((head, (tail.len() - end) as u64))
}

/// No line is longer: names and texts in it are bounded.
pub(super) const LONGEST_LINE: u64 = 16 << 10;

/// Why something is not on record.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk, or the file's place, says no.
    #[error("cannot {doing} the audit file `{path}`", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The line is in the file, and whoever is to have a copy did not take it.
    #[error("{to} took none at `{socket}`", to = forward.to, socket = forward.socket.display())]
    NotForwarded {
        /// Who.
        forward: Forward,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// Somebody else's file stands there.
    #[error("the audit file `{path}` is not a file of this user", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The end of the chain cannot be kept, or read.
    #[error("the end of the audit's chain cannot be kept: {0}")]
    Head(String),
    /// Another process writes to it.
    #[error("the audit file is in use")]
    Lock(#[from] LockError),
}

impl JournalError {
    fn io(doing: &'static str, path: &Path, cause: io::Error) -> Self {
        Self::Io { doing, path: path.into(), cause }
    }
}
