//! Files that were changed from outside.

use std::fs;

use redb::ReadableTable as _;

use super::*;

#[test]
fn a_damaged_cache_is_set_aside_and_started_anew() {
    for hold in [held(), per_operation()] {
        let home = Home::new();
        save(home.open(held()).cache(), "web", "old");
        for damaged in ["cache.redb.damaged-1700000000", "cache.redb.damaged-1700000000-1"] {
            fs::write(home.path("cache.redb"), "this is no database").unwrap();
            let store = home.open(hold);
            assert_eq!(load(store.cache(), "web"), None);
            save(store.cache(), "web", "new");
            assert_eq!(load(store.cache(), "web").as_deref(), Some("new"));
            let [Notice::CacheSetAside { moved_to, .. }] = &store.notices()[..] else { panic!("one notice") };
            assert_eq!(*moved_to, home.path(damaged));
            assert_eq!(fs::read(moved_to).unwrap(), b"this is no database");
        }
    }
}

#[test]
fn a_damaged_kept_is_left_as_it_is_until_the_user_moves_it() {
    for hold in [held(), per_operation()] {
        let home = Home::new();
        save(home.open(held()).kept(), "web", "one");
        let path = home.path("kept.redb");
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes.truncate(5000);
        fs::write(&path, &bytes).unwrap();

        let store = home.open(hold);
        save(store.cache(), "web", "the cache is not concerned");
        for error in
            [store.kept().check(), store.kept().load(Table::Manual, "web").map(|_| ()), store.kept().save(Table::Manual, "web", b"")]
        {
            let error = error.unwrap_err();
            assert!(matches!(error, StoreError::KeptDamaged { .. }), "{error:?}");
            assert!(error.hint().contains(&format!("mv '{0}' '{0}.damaged'", path.display())), "{}", error.hint());
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is overwritten");

        // Mended without a restart: a backup brought back, or the damaged one moved away.
        fs::write(&path, &whole).unwrap();
        assert_eq!(load(store.kept(), "web").as_deref(), Some("one"));
        fs::rename(&path, home.path("kept.redb.damaged")).unwrap();
        assert_eq!(load(store.kept(), "web"), None);
        save(store.kept(), "web", "two");
        assert!(path.exists());
    }
}

#[test]
fn damage_anywhere_never_panics_and_never_serves_a_wrong_record() {
    let home = Home::new();
    {
        let store = home.open(held());
        for number in 0..200 {
            for database in [store.cache(), store.kept()] {
                save(database, &format!("app-{number}"), &format!("token {number} {}", "x".repeat(100)));
            }
        }
    }
    let whole = [fs::read(home.path("cache.redb")).unwrap(), fs::read(home.path("kept.redb")).unwrap()];
    let mut state = 42_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for round in 0..60 {
        let store_home = Home::new();
        for (name, whole) in ["cache.redb", "kept.redb"].into_iter().zip(&whole) {
            let mut bytes = whole.clone();
            match round % 3 {
                0 => bytes.truncate(next(whole.len())),
                1 => (0..20).for_each(|_| bytes[next(whole.len())] ^= 1 << next(8)),
                _ => {
                    let start = next(whole.len());
                    let end = (start + 4096).min(whole.len());
                    bytes[start..end].fill(0xa5);
                }
            }
            fs::write(store_home.path(name), bytes).unwrap();
        }
        let store = store_home.open(if round % 2 == 0 { held() } else { per_operation() });
        for number in (0..200).step_by(7) {
            let name = format!("app-{number}");
            let expected = format!("token {number} {}", "x".repeat(100));
            if let Some(found) = load(store.cache(), &name) {
                assert_eq!(found, expected, "round {round}");
            }
            match store.kept().load(Table::Manual, &name) {
                Ok(found) => assert_eq!(text(found), Some(expected), "round {round}: a kept record is there or an error says why"),
                Err(
                    StoreError::KeptDamaged { .. } | StoreError::Unreadable { .. } | StoreError::OtherKey { .. } | StoreError::Newer { .. },
                ) => {}
                Err(error) => panic!("round {round}: {error:?}"),
            }
        }
        save(store.cache(), "app-0", "new");
        assert_eq!(load(store.cache(), "app-0").as_deref(), Some("new"), "round {round}");
    }
}

#[test]
fn another_key_is_told_apart_from_damage() {
    let home = Home::new();
    {
        let store = home.open(held());
        save(store.kept(), "web", "one");
        save(store.cache(), "web", "one");
    }
    let store = Store::open(home.0.path(), key(2), held(), &clock()).unwrap();
    assert!(matches!(store.kept().load(Table::Manual, "web"), Err(StoreError::OtherKey { .. })));
    assert!(matches!(store.kept().save(Table::Manual, "web", b""), Err(StoreError::OtherKey { .. })));
    assert_eq!(load(store.cache(), "web"), None);
    assert_eq!(store.notices().len(), 1);
    drop(store);
    assert_eq!(load(home.open(held()).kept(), "web").as_deref(), Some("one"));
}

#[test]
fn a_record_that_does_not_open_is_named_if_kept_and_gone_if_cached() {
    let home = Home::new();
    {
        let store = home.open(held());
        for database in [store.cache(), store.kept()] {
            save(database, "api", "one");
            save(database, "web", "two");
        }
    }
    for name in ["cache", "kept"] {
        let database = redb::Database::open(home.path(name).with_extension("redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut records = transaction.open_table(Table::Manual.definition()).unwrap();
            let sealed = records.get("api").unwrap().unwrap().value().to_vec();
            records.insert("web", sealed.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
    }
    let store = home.open(held());
    assert_eq!(load(store.cache(), "web"), None);
    assert_eq!(store.cache().scan(Table::Manual, "").unwrap().len(), 1);
    assert!(!store.cache().remove(Table::Manual, "web").unwrap(), "it is gone already");

    let error = store.kept().load(Table::Manual, "web").unwrap_err();
    assert!(matches!(&error, StoreError::Unreadable { name, .. } if name == "web"), "{error:?}");
    assert!(store.kept().scan(Table::Manual, "").is_err());
    assert_eq!(load(store.kept(), "api").as_deref(), Some("one"));
    save(store.kept(), "web", "three");
    assert_eq!(load(store.kept(), "web").as_deref(), Some("three"), "saving mends it");
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let home = Home::new();
    save(home.open(held()).kept(), "web", "one");
    {
        let database = redb::Database::open(home.path("kept.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        let facts: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("flytoken");
        transaction.open_table(facts).unwrap().insert("schema", [2, 0, 0, 0].as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    for hold in [held(), per_operation()] {
        let store = home.open(hold);
        assert!(matches!(store.kept().load(Table::Manual, "web"), Err(StoreError::Newer { found: 2, .. })));
        assert!(matches!(store.kept().save(Table::Manual, "web", b""), Err(StoreError::Newer { found: 2, .. })));
    }
}

#[test]
fn a_link_in_the_place_of_a_database_is_not_followed() {
    let home = Home::new();
    let target = home.path("elsewhere");
    fs::write(&target, "precious").unwrap();
    for name in ["cache.redb", "kept.redb"] {
        std::os::unix::fs::symlink(&target, home.path(name)).unwrap();
    }
    let store = home.open(held());
    for database in [store.cache(), store.kept()] {
        let error = database.save(Table::Manual, "web", b"x").unwrap_err();
        assert!(matches!(error, StoreError::File(PrivateFileError::Kind { .. })), "{error:?}");
    }
    assert_eq!(fs::read(&target).unwrap(), b"precious");
}
