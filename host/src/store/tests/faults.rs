//! Disks that fail, and creations that were cut short.

use std::{collections::BTreeMap, fs, sync::OnceLock, thread};

use super::{disk::Fault, *};

#[test]
fn a_fault_at_any_call_is_an_error_and_loses_nothing_acknowledged() {
    // How many calls of each kind there were to strike at.
    let struck: Vec<(Fault, i64)> = thread::scope(|scope| {
        let all =
            [Fault::Full, Fault::ShortWrite, Fault::Sync, Fault::ReadOnly].map(|fault| (fault, scope.spawn(move || at_every_call(fault))));
        all.into_iter().map(|(fault, thread)| (fault, thread.join().unwrap())).collect()
    });
    for (fault, calls) in struck {
        assert!(calls > 70, "{fault:?} struck at {calls} calls only");
    }
}

/// Lets a fault strike at the first call, then at the second, and so on, until there is none left to strike at; for both databases, however
/// they are held, and however long the fault stays. Tells how often it struck.
fn at_every_call(fault: Fault) -> i64 {
    let mut struck = 0;
    for (name, hold) in [("kept", held()), ("kept", per_operation()), ("cache", held()), ("cache", per_operation())] {
        for stays in [Stays::ForOneCall, Stays::OverARestart] {
            let per_operation = matches!(hold, Hold::PerOperation(_));
            // Nobody mounts a disk for writing again for the sake of one call, and who opens a database for each operation is always as if
            // restarted. Of a full disk, half of a write is the worse half.
            let (far_fetched, the_same) = (fault == Fault::ReadOnly || per_operation, fault == Fault::Full && per_operation);
            if (stays == Stays::ForOneCall && far_fetched) || the_same {
                continue;
            }
            let calls = (0..MOST).find(|calls| !Run::of(name, hold, fault, stays, *calls)).unwrap();
            assert!(calls > 10, "{name} {hold:?} {fault:?}: {calls} calls only");
            struck += calls;
        }
    }
    struck
}

/// The bytes of a database in which one record was acknowledged: made once, since to make one takes longer than to use it.
fn begun(name: &str) -> &'static [u8] {
    static BEGUN: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let begun = BEGUN.get_or_init(|| {
        let home = Home::new();
        let store = home.open(held());
        save(store.kept(), "first", "acknowledged");
        save(store.cache(), "first", "acknowledged");
        drop(store);
        ["kept.redb", "cache.redb"].map(|file| fs::read(home.path(file)).unwrap())
    });
    &begun[usize::from(name != "kept")]
}

/// More calls than any run here makes.
const MOST: i64 = 10_000;

/// How long a fault stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stays {
    ForOneCall,
    OverARestart,
}

/// A database that is written to while its disk fails, and what has to be in it.
struct Run<'a> {
    database: &'a dyn Fn(&Store) -> &Database,
    context: String,
    /// What each record may hold: what was acknowledged last, and what was tried after that.
    possible: BTreeMap<(Table, String), Vec<Option<String>>>,
}

impl Run<'_> {
    /// One run with one fault. Tells whether it struck.
    fn of(name: &str, hold: Hold, fault: Fault, stays: Stays, calls: i64) -> bool {
        let home = Home::without_a_disk();
        let disk = Disk::new(fault, stays != Stays::ForOneCall);
        let database: &dyn Fn(&Store) -> &Database = if name == "kept" { &Store::kept } else { &Store::cache };
        let mut run = Run { database, context: format!("{name} {hold:?} {fault:?} {stays:?} after {calls}"), possible: BTreeMap::new() };
        fs::write(home.path(name).with_extension("redb"), begun(name)).unwrap();
        run.possible.insert((Table::Manual, "first".into()), vec![Some("acknowledged".into())]);
        let store = home.open_on(&disk, hold);
        disk.fail_after(calls);
        let reads = fault != Fault::Gone;
        let mut failures = run.work(&store, reads);
        drop(store);
        let (mut store, durable) = run.start(&home, &disk, hold);
        if reads {
            run.check(&store);
        }
        if durable {
            failures += usize::from(run.write(&store, &[(Table::Manual, "again", Some("acknowledged"))]).is_err());
        }
        let struck = disk.has_failed();
        // What strikes while a file is closed strikes after the commit.
        let may_go_unseen = matches!(hold, Hold::PerOperation(_)) || stays == Stays::ForOneCall || !durable;
        assert!(!struck || failures > 0 || may_go_unseen, "{}: no error", run.context);
        if stays != Stays::OverARestart {
            disk.mend();
            if durable {
                run.check(&store);
                assert_eq!(run.write(&store, &[(Table::Manual, "last", Some("acknowledged"))]), Ok(()), "{}", run.context);
            }
        }
        drop(store);
        disk.mend();
        (store, _) = run.start(&home, &disk, held());
        assert!(store.is_durable() && store.notices().is_empty(), "{}: {:?}", run.context, store.notices());
        run.check(&store);
        assert_eq!(run.write(&store, &[(Table::Manual, "afterwards", Some("acknowledged"))]), Ok(()), "{}", run.context);
        struck
    }

    /// Opens the store as a process does at its start: one that can only be read is copied. Tells whether it can be written to.
    fn start(&self, home: &Home, disk: &Arc<Disk>, hold: Hold) -> (Store, bool) {
        let opened = Store::open_through(home.0.path(), key(1), hold, &clock(), &disk.layer());
        match opened.and_then(|store| (self.database)(&store).check().map(|()| store)) {
            Ok(store) => (store, true),
            Err(StoreError::Io { .. } | StoreError::File(PrivateFileError::Io { .. })) => {
                (Store::copied_through(home.0.path(), key(1), &clock(), &disk.layer()).unwrap(), false)
            }
            Err(error) => panic!("{}: {error:?}", self.context),
        }
    }

    /// What an agent writes in its life: tokens that are set, replaced and forgotten, mints with their budget, what is long and what is swept
    /// out. Tells how many of the writes failed.
    fn work(&mut self, store: &Store, reads: bool) -> usize {
        let long = "x".repeat(9_000);
        let mut failures = 0;
        let writes: [&[(Table, &str, Option<&str>)]; 4] = [
            &[(Table::Manual, "web", Some("one"))],
            &[(Table::Ledger, "mint", Some("1")), (Table::Meta, "mint", Some("1"))],
            &[(Table::Manual, "long", Some(&long)), (Table::Manual, "web", Some("two"))],
            &[(Table::Manual, "long", None), (Table::Ledger, "mint", Some("2")), (Table::Meta, "mint", Some("2"))],
        ];
        for records in writes {
            failures += usize::from(self.write(store, records).is_err());
        }
        if reads {
            self.check(store);
        }
        failures
    }

    /// Writes these records, or removes them, together.
    fn write(&mut self, store: &Store, records: &[(Table, &str, Option<&str>)]) -> Result<(), String> {
        let written = (self.database)(store).transaction(|transaction| {
            for (table, name, text) in records {
                match text {
                    Some(text) => transaction.save(*table, name, text.as_bytes())?,
                    None => drop(transaction.remove(*table, name)?),
                }
            }
            Ok::<_, StoreError>(())
        });
        for (table, name, text) in records {
            let possible = self.possible.entry((*table, (*name).to_owned())).or_insert_with(|| vec![None]);
            if written.is_ok() {
                possible.clear();
            }
            possible.push(text.map(str::to_owned));
        }
        match written {
            Err(error @ (StoreError::Io { .. } | StoreError::File(PrivateFileError::Io { .. }))) => Err(error.to_string()),
            written => {
                written.unwrap_or_else(|error| panic!("{}: {error:?}", self.context));
                Ok(())
            }
        }
    }

    /// Fails unless everything that was acknowledged is there, nothing else is, and what belongs together.
    fn check(&self, store: &Store) {
        let mut found = BTreeMap::new();
        for table in [Table::Manual, Table::Ledger, Table::Meta] {
            let records = (self.database)(store).scan(table, "").unwrap_or_else(|error| panic!("{}: {error:?}", self.context));
            found.extend(records.into_iter().map(|(name, bytes)| ((table, name), text(Some(bytes)).unwrap())));
        }
        for (record, possible) in &self.possible {
            let found = found.get(record).cloned();
            assert!(possible.contains(&found), "{}: {record:?} is {found:?}, which is none of {possible:?}", self.context);
        }
        let [mint, charge] = [Table::Ledger, Table::Meta].map(|table| found.get(&(table, "mint".to_owned())));
        assert_eq!(mint, charge, "{}: half of a transaction", self.context);
    }
}

#[test]
fn a_fault_while_the_database_is_made_leaves_none_and_the_next_try_succeeds() {
    for fault in [Fault::Full, Fault::ShortWrite, Fault::Sync, Fault::ReadOnly, Fault::Gone] {
        let made = |calls: i64| {
            let home = Home::without_a_disk();
            let disk = Disk::new(fault, true);
            let store = home.open_on(&disk, held());
            disk.fail_after(calls);
            let first = store.kept().save(Table::Manual, "web", b"x");
            let struck = disk.has_failed();
            disk.mend();
            let found = load(store.kept(), "web");
            assert!(found.is_some() == first.is_ok() || (struck && home.path("kept.redb").exists()), "{fault:?} {calls}");
            save(store.kept(), "web", "y");
            assert_eq!(load(store.kept(), "web").as_deref(), Some("y"));
            drop(store);
            assert_eq!(load(home.open(held()).kept(), "web").as_deref(), Some("y"));
            !struck
        };
        let calls = (0..MOST).find(|calls| made(*calls)).unwrap();
        assert!(calls > 3, "{fault:?}: {calls} calls only");
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
