//! Going through the lines again: which were changed, removed, put elsewhere or cut off.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use super::{
    chain::{ChainKey, Head},
    entry::{self, Event},
    journal,
};

/// What came of going through an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many whole lines there are.
    pub lines: u64,
    /// The numbers of the first and the last of them.
    pub range: Option<(u64, u64)>,
    /// What is wrong, in order.
    pub findings: Vec<Finding>,
    /// What the audit says of itself: half lines that were closed, gaps that were found at a start.
    pub notes: Vec<Finding>,
}

/// Something about one place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: u64,
    /// What it is.
    pub flaw: Flaw,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Its text is not the one that was written.
    Changed {
        /// Its number.
        number: u64,
    },
    /// Lines before it are gone.
    Removed {
        /// The first of them.
        from: u64,
        /// The last of them.
        through: u64,
    },
    /// It does not stand in its place.
    Reordered {
        /// Its number.
        number: u64,
    },
    /// It is no line of an audit.
    NoRecord,
    /// Lines are gone from the end.
    Cut {
        /// The first of them.
        from: u64,
        /// The last of them.
        through: u64,
    },
    /// A line was cut off by a kill or a full disk, and then closed.
    HalfLine,
    /// At a start, lines up to this number were not there.
    Gap {
        /// The number.
        through: u64,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines =
            |from: u64, through: u64| if from == through { format!("line {from} is") } else { format!("lines {from} to {through} are") };
        match *self {
            Self::Changed { number } => write!(f, "number {number} was changed"),
            Self::Removed { from, through } => write!(f, "{} missing before it", lines(from, through)),
            Self::Reordered { number } => write!(f, "number {number} does not stand in its place"),
            Self::NoRecord => f.write_str("is no line of an audit"),
            Self::Cut { from, through } => write!(f, "{} cut off behind it", lines(from, through)),
            Self::HalfLine => f.write_str("was cut off while it was written, and closed at the next start"),
            Self::Gap { through } => write!(f, "at this start the lines up to {through} were not there"),
        }
    }
}

/// Goes through every file of the audit at `path`, held against the head that was kept.
///
/// # Errors
/// If a file cannot be read.
pub fn verify(path: &Path, key: &ChainKey, kept: Option<Head>) -> io::Result<Report> {
    let mut walk =
        Walk { key, before: None, report: Report { lines: 0, range: None, findings: Vec::new(), notes: Vec::new() }, half: None };
    let mut last = (path.to_owned(), 0);
    for file in journal::files(path)? {
        let mut reader = BufReader::new(File::open(&file)?);
        let mut number = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            // More than any line has is not taken into memory.
            let read = io::Read::take(&mut reader, journal::LONGEST_LINE * 4).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            number += 1;
            walk.line(&file, number, line.strip_suffix(b"\n").unwrap_or(&line));
        }
        last = (file, number);
    }
    walk.end(&last, kept);
    Ok(walk.report)
}

struct Walk<'a> {
    key: &'a ChainKey,
    /// The line before; none before the first that is there.
    before: Option<Head>,
    report: Report,
    /// A line that is no record, and may turn out to be a half one that was closed.
    half: Option<(PathBuf, u64, u64)>,
}

impl Walk<'_> {
    fn line(&mut self, file: &Path, line: u64, bytes: &[u8]) {
        let find = |flaw| Finding { file: file.into(), line, flaw };
        let Some((covered, numbered, hash)) = entry::parse(bytes) else {
            self.give_up_half();
            self.half = Some((file.into(), line, bytes.len() as u64));
            return;
        };
        self.close_half(&numbered.event);
        let number = numbered.number;
        match self.before.or((number == 1).then_some(Head::BEGINNING)) {
            Some(before) if number > before.number + 1 => {
                self.report.findings.push(find(Flaw::Removed { from: before.number + 1, through: number - 1 }));
            }
            Some(before) if number <= before.number => {
                self.report.findings.push(find(Flaw::Reordered { number }));
                return;
            }
            Some(before) if self.key.link(before.link, &covered) != hash => self.report.findings.push(find(Flaw::Changed { number })),
            Some(_) => {}
            // Full files may have been taken away, from the oldest on: the next one says so itself.
            None if matches!(numbered.event, Event::Rotated { .. }) => {}
            None => self.report.findings.push(find(Flaw::Removed { from: 1, through: number - 1 })),
        }
        if let Event::Gap { through } = numbered.event {
            self.report.notes.push(find(Flaw::Gap { through }));
        }
        self.report.lines += 1;
        self.report.range = Some((self.report.range.map_or(number, |(first, _)| first), number));
        self.before = Some(Head { number, link: hash });
    }

    fn close_half(&mut self, event: &Event) {
        if let Some((file, line, length)) = self.half.take() {
            let closed = matches!(event, Event::ClosedHalfLine { bytes } if *bytes == length);
            let finding = Finding { file, line, flaw: if closed { Flaw::HalfLine } else { Flaw::NoRecord } };
            if closed { self.report.notes.push(finding) } else { self.report.findings.push(finding) }
        }
    }

    fn give_up_half(&mut self) {
        if let Some((file, line, _)) = self.half.take() {
            self.report.findings.push(Finding { file, line, flaw: Flaw::NoRecord });
        }
    }

    fn end(&mut self, (file, line): &(PathBuf, u64), kept: Option<Head>) {
        self.give_up_half();
        let Some(kept) = kept else { return };
        let number = self.before.map_or(0, |head| head.number);
        let find = |flaw| Finding { file: file.clone(), line: *line, flaw };
        if number < kept.number {
            self.report.findings.push(find(Flaw::Cut { from: number + 1, through: kept.number }));
        } else if number == kept.number && self.before.is_some_and(|head| head.link != kept.link) {
            self.report.findings.push(find(Flaw::Changed { number }));
        }
    }
}
