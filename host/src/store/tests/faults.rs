//! Disks that fail, and creations that were cut short.

use std::fs;

use super::{disk::Fault, *};

#[test]
fn a_fault_at_any_call_is_an_error_and_loses_nothing_acknowledged() {
    let mut struck = 0;
    for fault in [Fault::Full, Fault::ShortWrite, Fault::Sync, Fault::Gone] {
        for stays in [false, true] {
            // Opening and closing are calls too, so a store that does both each time is tried in greater steps.
            for (hold, step) in [(held(), 1), (per_operation(), 3)] {
                for calls in (0..8).map(|round| round * step) {
                    struck += usize::from(survives(fault, stays, hold, calls));
                }
            }
        }
    }
    assert!(struck > 90, "only {struck} faults struck");
}

/// One run with one fault. Tells whether it struck.
fn survives(fault: Fault, stays: bool, hold: Hold, calls: i64) -> bool {
    let context = format!("{fault:?} stays={stays} {hold:?} after {calls}");
    let home = Home::new();
    let disk = Disk::new(fault, stays);
    let store = home.open_on(&disk, hold);
    save(store.kept(), "first", "acknowledged");
    disk.fail_after(calls);
    let mut acknowledged = vec!["first".to_owned()];
    for round in 0..4 {
        let name = format!("{round}");
        match store.kept().save(Table::Manual, &name, b"acknowledged") {
            Ok(()) => acknowledged.push(name),
            Err(StoreError::Io { .. }) => {}
            Err(error) => panic!("{context}: {error:?}"),
        }
        // While the disk takes no write it can still be read.
        if fault != Fault::Gone {
            assert_eq!(load(store.kept(), "first").as_deref(), Some("acknowledged"), "{context}");
        }
    }
    let struck = disk.has_failed();
    // What strikes while a file is closed strikes after the commit.
    assert!(!struck || acknowledged.len() < 5 || matches!(hold, Hold::PerOperation(_)), "{context}: no error");
    disk.mend();
    for name in &acknowledged {
        assert_eq!(load(store.kept(), name).as_deref(), Some("acknowledged"), "{context}: {name} in the same process");
    }
    save(store.kept(), "last", "acknowledged");
    acknowledged.push("last".into());
    drop(store);
    let store = home.open(held());
    for name in &acknowledged {
        assert_eq!(load(store.kept(), name).as_deref(), Some("acknowledged"), "{context}: {name} in the next process");
    }
    assert!(store.notices().is_empty(), "{context}");
    struck
}

#[test]
fn a_fault_while_the_database_is_made_leaves_none_and_the_next_try_succeeds() {
    for fault in [Fault::Full, Fault::ShortWrite, Fault::Sync] {
        for calls in 0..8 {
            let home = Home::new();
            let disk = Disk::new(fault, true);
            disk.fail_after(calls);
            let store = home.open_on(&disk, held());
            let first = store.kept().save(Table::Manual, "web", b"x");
            disk.mend();
            assert_eq!(load(store.kept(), "web").is_some(), first.is_ok(), "{fault:?} {calls}");
            save(store.kept(), "web", "y");
            assert_eq!(load(store.kept(), "web").as_deref(), Some("y"));
        }
    }
}

#[test]
fn leftovers_of_a_killed_creation_do_no_harm() {
    for hold in [held(), per_operation()] {
        let home = Home::new();
        fs::write(home.path("kept.redb.new"), "half a database").unwrap();
        fs::write(home.path("kept.redb"), "").unwrap();
        let store = home.open(hold);
        assert_eq!(load(store.kept(), "web"), None);
        save(store.kept(), "web", "one");
        assert_eq!(load(store.kept(), "web").as_deref(), Some("one"));
        assert!(!home.path("kept.redb.new").exists());
    }
}
