//! What the store promises, shown on real files.

mod damage;
mod disk;
mod faults;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use self::disk::Disk;
use super::*;
use crate::time::Timestamp;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000)
    }
}

/// A state directory that goes with the test.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The same in memory, where there is such a place: for tests in which no real disk has a part.
    fn without_a_disk() -> Self {
        Self(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self, hold: Hold) -> Store {
        self.try_open(hold).unwrap()
    }

    fn try_open(&self, hold: Hold) -> Result<Store, StoreError> {
        Store::open(self.0.path(), key(1), hold, &clock())
    }

    fn open_on(&self, disk: &Arc<Disk>, hold: Hold) -> Store {
        Store::open_through(self.0.path(), key(1), hold, &clock(), &disk.layer()).unwrap()
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(Fixed)
}

fn key(byte: u8) -> SealingKey {
    SealingKey::new(Zeroizing::new([byte; KEY_LENGTH]))
}

fn held() -> Hold {
    Hold::Held(Patience::of(Duration::ZERO))
}

fn per_operation() -> Hold {
    Hold::PerOperation(Patience::of(Duration::from_secs(20)))
}

fn text(bytes: Option<Bytes>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn load(database: &Database, name: &str) -> Option<String> {
    text(database.load(Table::Manual, name).unwrap())
}

fn save(database: &Database, name: &str, plain: &str) {
    database.save(Table::Manual, name, plain.as_bytes()).unwrap();
}

#[test]
fn records_are_read_changed_and_removed_in_every_kind_of_store() {
    let (first, second) = (Home::new(), Home::new());
    for store in [first.open(held()), second.open(per_operation()), Store::memory(&clock()).unwrap()] {
        for database in [store.cache(), store.kept()] {
            database.check().unwrap();
            assert_eq!(load(database, "web"), None);
            save(database, "web", "one");
            save(database, "web", "two");
            save(database, "worker", "three");
            database.save(Table::Leases, "web", b"a lease").unwrap();
            assert_eq!(load(database, "web").as_deref(), Some("two"));
            let names = |prefix| database.scan(Table::Manual, prefix).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
            assert_eq!(names(""), ["web", "worker"]);
            assert_eq!(names("wo"), ["worker"]);
            assert!(names("x").is_empty());
            assert_eq!(database.remove_where(Table::Manual, |_, bytes| bytes == b"three").unwrap(), 1);
            assert!(database.remove(Table::Manual, "web").unwrap());
            assert!(!database.remove(Table::Manual, "web").unwrap());
            assert!(names("").is_empty());
            assert_eq!(text(database.load(Table::Leases, "web").unwrap()).as_deref(), Some("a lease"));
        }
    }
}

#[test]
fn what_was_saved_is_there_for_the_next_process_and_sealed_on_disk() {
    let home = Home::new();
    for hold in [held(), per_operation(), held()] {
        let store = home.open(hold);
        assert!(store.is_durable());
        assert!(load(store.kept(), "web").is_none_or(|text| text == "canary"));
        save(store.kept(), "web", "canary");
    }
    assert_eq!(load(home.open(per_operation()).kept(), "web").as_deref(), Some("canary"));
    for entry in fs::read_dir(home.0.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"), "{:?}", entry.file_name());
    }
}

#[test]
fn reading_makes_no_database_for_a_command_without_an_agent() {
    let home = Home::new();
    let store = home.open(per_operation());
    assert_eq!(load(store.kept(), "web"), None);
    assert!(!home.path("kept.redb").exists());
}

/// An error of a caller's own.
#[derive(Debug)]
struct Refused;

impl From<StoreError> for Refused {
    fn from(_: StoreError) -> Self {
        Self
    }
}

#[test]
fn an_update_decides_on_what_is_there_and_its_error_changes_nothing() {
    let store = Store::memory(&clock()).unwrap();
    let newest = |sequence: u8| {
        store.kept().update::<StoreError>(Table::Leases, "web", |old| match old {
            Some([old]) if *old >= sequence => Ok(Change::Keep),
            _ => Ok(Change::Put(Zeroizing::new(vec![sequence]))),
        })
    };
    for sequence in [3, 1, 5, 4] {
        newest(sequence).unwrap();
    }
    assert_eq!(store.kept().load(Table::Leases, "web").unwrap().unwrap().as_slice(), [5]);

    store
        .kept()
        .transaction(|transaction| {
            transaction.save(Table::Tombstones, "0123", b"x")?;
            transaction.remove(Table::Leases, "web")?;
            assert!(transaction.load(Table::Leases, "web")?.is_none());
            Err::<(), Refused>(Refused)
        })
        .unwrap_err();
    assert!(store.kept().load(Table::Leases, "web").unwrap().is_some());
    assert!(store.kept().load(Table::Tombstones, "0123").unwrap().is_none());
    store.kept().update::<StoreError>(Table::Leases, "web", |_| Ok(Change::Remove)).unwrap();
    assert!(store.kept().load(Table::Leases, "web").unwrap().is_none());
}

#[test]
fn a_record_or_name_of_unheard_length_is_refused() {
    let store = Store::memory(&clock()).unwrap();
    let (long, name) = (vec![0; LONGEST_RECORD + 1], "n".repeat(LONGEST_NAME + 1));
    assert!(matches!(store.kept().save(Table::Manual, "web", &long), Err(StoreError::TooLong { .. })));
    assert!(matches!(store.kept().save(Table::Manual, &name, b""), Err(StoreError::TooLong { .. })));
    store.kept().save(Table::Manual, &name[1..], &long[1..]).unwrap();
}

#[test]
fn who_holds_the_databases_has_them_alone() {
    let home = Home::new();
    let agent = home.open(held());
    save(agent.kept(), "web", "one");
    assert!(matches!(home.try_open(held()), Err(StoreError::Busy { .. })));
    let other = home.open(Hold::PerOperation(Patience::of(Duration::from_millis(3))));
    assert!(matches!(other.kept().load(Table::Manual, "web"), Err(StoreError::Busy { .. })));
    assert!(matches!(other.kept().save(Table::Manual, "web", b""), Err(StoreError::Busy { .. })));
    drop(agent);
    assert_eq!(load(other.kept(), "web").as_deref(), Some("one"));
}

#[test]
fn many_one_shots_at_once_lose_no_write() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let home = &home;
            scope.spawn(move || {
                for round in 0..5 {
                    let store = home.open(per_operation());
                    save(store.kept(), &format!("{thread}-{round}"), "x");
                    store
                        .kept()
                        .update::<StoreError>(Table::Meta, "count", |old| {
                            Ok(Change::Put(Zeroizing::new(vec![old.map_or(0, |old| old[0]) + 1])))
                        })
                        .unwrap();
                }
            });
        }
    });
    let store = home.open(per_operation());
    assert_eq!(store.kept().scan(Table::Manual, "").unwrap().len(), 30);
    assert_eq!(store.kept().load(Table::Meta, "count").unwrap().unwrap().as_slice(), [30]);
}

#[test]
fn threads_share_a_held_store() {
    let home = Home::new();
    let store = home.open(held());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..20 {
                    let name = format!("{thread}-{round}");
                    save(store.cache(), &name, &name);
                    assert_eq!(load(store.cache(), &name).as_deref(), Some(name.as_str()));
                }
            });
        }
    });
    assert_eq!(store.cache().scan(Table::Manual, "").unwrap().len(), 80);
}

#[test]
fn a_callers_panic_costs_its_own_transaction_alone() {
    let home = Home::new();
    let store = home.open(held());
    save(store.kept(), "web", "one");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.kept().update::<StoreError>(Table::Manual, "web", |_| panic!("in the caller"))
    }));
    assert!(panicked.is_err());
    assert_eq!(load(store.kept(), "web").as_deref(), Some("one"));
    save(store.kept(), "web", "two");
    assert_eq!(load(store.kept(), "web").as_deref(), Some("two"));
}
