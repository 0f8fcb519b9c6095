//! Audits in real files, and what somebody may do to them.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use zeroize::Zeroizing;

use super::*;
use crate::{
    app::AppName,
    attestation::Facts,
    kind::Kind,
    store::Patience,
    test_support::{TestClock, timestamp},
};

/// A head in memory, which a disk that fails does not take.
#[derive(Clone, Default)]
struct Heads(Arc<(Mutex<Option<Head>>, AtomicBool)>);

impl HeadKeeper for Heads {
    fn load(&self) -> Result<Option<Head>, String> {
        Ok(*self.0.0.lock().unwrap())
    }

    fn save(&self, head: &Head) -> Result<(), String> {
        if self.0.1.load(Ordering::Relaxed) {
            return Err("the disk is full".into());
        }
        *self.0.0.lock().unwrap() = Some(*head);
        Ok(())
    }
}

struct Home {
    folder: tempfile::TempDir,
    heads: Heads,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), heads: Heads::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn open(&self, required: bool, rotate_at: u64) -> Result<Journal, JournalError> {
        let settings = Settings { path: self.path(), required, rotate_at, forward: None };
        let clock = TestClock::at(timestamp(1_893_456_000));
        let journal = Journal::open(settings, key(), Box::new(self.heads.clone()), clock, Patience::of(Duration::ZERO))?;
        journal.record(Event::Opened { version: "1".into() })?;
        Ok(journal)
    }

    /// Writes so many entries, and ends in order.
    fn write(&self, entries: u32) {
        let journal = self.open(false, 1 << 20).unwrap();
        (0..entries).for_each(|number| journal.record(given(number)).unwrap());
        journal.settle().unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    /// The findings and notes, as people read them.
    fn verify(&self) -> (Vec<String>, Vec<String>) {
        let report = verify(&self.path(), &key(), self.heads.load().unwrap()).unwrap();
        let tell = |findings: &[Finding]| findings.iter().map(|finding| format!("{}: {}", finding.line, finding.flaw)).collect();
        (tell(&report.findings), tell(&report.notes))
    }
}

fn key() -> ChainKey {
    ChainKey::new(Zeroizing::new([4; 32]))
}

fn given(number: u32) -> Event {
    Event::Request(Entry {
        client: Facts { pid: Some(number), uid: 1000, gid: 100, ..Facts::default() },
        request: "get".into(),
        subject: Subject { app: AppName::parse("web").ok(), kind: Some(Kind::Deploy), mint: None },
        decision: Decision::Given,
        rule: None,
        why: None,
        source: Some("cli".into()),
        fingerprint: "00000000000000aa".parse().ok(),
        narrowed: Some(Narrowed { actions: Some("r".into()), max_lifetime: Some(600) }),
    })
}

#[test]
fn a_line_is_one_object_with_stable_keys_and_ends_in_its_hash() {
    let home = Home::new();
    home.write(1);
    let text = home.text();
    let line = text.lines().nth(1).unwrap();
    let (covered, hash) = line.split_once(",\"hash\":").unwrap();
    let expected = r#"{"number":2,"time":"2030-01-01T00:00:00Z","event":"request","client":{"pid":0,"uid":1000,"gid":100},"request":"get","app":"web","kind":"deploy","decision":"given","source":"cli","fingerprint":"00000000000000aa","narrowed":{"actions":"r","max-lifetime":600}"#;
    assert_eq!(covered, expected);
    assert_eq!(hash.len(), 32 + 3);
    serde_json::from_str::<serde_json::Value>(line).unwrap();
    assert_eq!(home.verify(), (vec![], vec![]));
}

#[test]
fn whatever_is_done_to_the_lines_is_found_and_named() {
    type Tamper = fn(&mut Vec<String>);
    let cases: Vec<(Tamper, &[&str])> = vec![
        (|_| {}, &[]),
        (|lines| lines[3] = lines[3].replace("\"web\"", "\"api\""), &["4: number 4 was changed"]),
        (
            |lines| lines[3] = lines[3].replace("\"hash\":\"", "\"hash\":\"00"),
            &["4: is no line of an audit", "5: line 4 is missing before it"],
        ),
        (|lines| drop(lines.remove(3)), &["4: line 4 is missing before it"]),
        (|lines| drop(lines.drain(2..5)), &["3: lines 3 to 5 are missing before it"]),
        (|lines| drop(lines.remove(0)), &["1: line 1 is missing before it"]),
        (|lines| lines.swap(3, 4), &["4: line 4 is missing before it", "5: number 4 does not stand in its place"]),
        (|lines| lines.insert(5, lines[2].clone()), &["6: number 3 does not stand in its place"]),
        (|lines| lines.truncate(7), &["7: lines 8 to 11 are cut off behind it"]),
        (|lines| lines.insert(2, "{}".into()), &["3: is no line of an audit"]),
        (|lines| lines.clear(), &["0: lines 1 to 11 are cut off behind it"]),
    ];
    for (tamper, expected) in cases {
        let home = Home::new();
        home.write(10);
        let mut lines: Vec<String> = home.text().lines().map(str::to_owned).collect();
        tamper(&mut lines);
        fs::write(home.path(), lines.iter().fold(String::new(), |all, line| all + line + "\n")).unwrap();
        assert_eq!(home.verify().0, expected);
    }
}

#[test]
fn who_knows_another_key_cannot_write_a_line_that_fits() {
    let home = Home::new();
    home.write(2);
    let before = home.heads.load().unwrap().unwrap();
    let (line, _) = entry::line(given(9), entry::moment(timestamp(1_893_456_000)), before, &ChainKey::new(Zeroizing::new([5; 32])));
    let mut text = home.text();
    text.push_str(std::str::from_utf8(&line).unwrap());
    fs::write(home.path(), text).unwrap();
    assert_eq!(home.verify().0, ["4: number 4 was changed"]);
}

#[test]
fn the_next_start_goes_on_with_the_chain_and_closes_a_half_line() {
    let home = Home::new();
    home.write(2);
    let whole = home.text();
    fs::write(home.path(), format!("{whole}{{\"number\":4,\"ti")).unwrap();
    home.write(1);
    assert_eq!(home.verify(), (vec![], vec!["4: was cut off while it was written, and closed at the next start".to_owned()]));
    assert_eq!(home.text().lines().count(), 3 + 1 + 3);
}

#[test]
fn lines_written_after_the_head_was_kept_last_are_no_flaw() {
    let home = Home::new();
    let journal = home.open(false, 1 << 20).unwrap();
    (0..5).for_each(|number| journal.record(given(number)).unwrap());
    drop(journal);
    assert_eq!(home.verify().0, Vec::<String>::new());
    home.write(1);
    assert_eq!(home.verify().0, Vec::<String>::new());
}

#[test]
fn a_file_that_was_taken_away_is_on_record_from_the_next_start_on() {
    let home = Home::new();
    home.write(3);
    fs::remove_file(home.path()).unwrap();
    home.write(1);
    let (findings, notes) = home.verify();
    assert_eq!(findings, ["1: lines 1 to 4 are missing before it"]);
    assert_eq!(notes, ["1: at this start the lines up to 4 were not there"]);
}

#[test]
fn the_chain_goes_on_over_full_files_and_the_oldest_may_be_taken_away() {
    let home = Home::new();
    let journal = home.open(false, 4096).unwrap();
    (0..100).for_each(|number| journal.record(given(number)).unwrap());
    journal.settle().unwrap();
    drop(journal);
    let files = journal::files(&home.path()).unwrap();
    assert!(files.len() > 4, "{files:?}");
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().len() < 4096 + 512));
    assert_eq!(home.verify(), (vec![], vec![]));
    fs::remove_file(&files[0]).unwrap();
    assert_eq!(home.verify(), (vec![], vec![]));
    fs::remove_file(&files[2]).unwrap();
    assert_eq!(home.verify().0.len(), 1);
}

#[test]
fn a_required_line_is_on_disk_and_in_the_chain_before_record_returns() {
    let home = Home::new();
    let journal = home.open(true, 1 << 20).unwrap();
    journal.record(given(1)).unwrap();
    assert_eq!(home.heads.load().unwrap().unwrap().number, 2);
    home.heads.0.1.store(true, Ordering::Relaxed);
    assert!(matches!(journal.record(given(2)), Err(JournalError::Head(_))));
    home.heads.0.1.store(false, Ordering::Relaxed);
    journal.record(given(3)).unwrap();
    assert_eq!(home.verify(), (vec![], vec![]));
}

#[test]
fn a_link_or_a_pipe_in_the_place_of_the_file_is_refused() {
    let home = Home::new();
    std::os::unix::fs::symlink(home.folder.path().join("elsewhere"), home.path()).unwrap();
    assert!(matches!(home.open(false, 1 << 20), Err(JournalError::Io { doing: "open", .. })));
    fs::remove_file(home.path()).unwrap();
    fs::create_dir(home.path()).unwrap();
    assert!(home.open(false, 1 << 20).is_err());
}

#[test]
fn no_two_processes_append_to_one_file() {
    let home = Home::new();
    let first = home.open(false, 1 << 20).unwrap();
    assert!(matches!(home.open(false, 1 << 20), Err(JournalError::Lock(_))));
    drop(first);
    home.open(false, 1 << 20).unwrap();
    assert_eq!(home.verify().0, Vec::<String>::new());
}
