//! Files that were damaged: what can be obtained again is begun anew, and what cannot is left as it is until somebody says so.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use crate::harness::{Bundle, Fly, Home, Ran, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// What becomes of a database that was whole.
type Damage = fn(&[u8]) -> Vec<u8>;

const DAMAGES: [Damage; 3] =
    [|_| b"this is no database".to_vec(), |whole| whole[..whole.len() / 2].to_vec(), |whole| vec![0xa5; whole.len()]];

/// Somebody logged in, with a token set for `api` and one minted and kept for `web`, which could be minted once more.
fn in_use() -> (Home, Fly, [String; 2]) {
    let (home, fly) = Home::logged_in(&user_token());
    let manual = minted(2, DAY);
    home.run_with(&["set", "api"], &manual).ends_with(0);
    let mints = [minted(1, DAY), minted(1, 2 * DAY)];
    fly.mints("web", &mints);
    assert!(Bundle::answered(&home.get(&["web"])).is_from(&mints[0]));
    assert_eq!(home.get(&["api"])["source"], "manual");
    (home, fly, [manual, mints[1].clone()])
}

fn state(home: &Home, file: &str) -> PathBuf {
    home.path(".local/state/flytoken").join(file)
}

/// Damages a database and returns what lies there now.
fn damage(home: &Home, database: &str, damage: Damage) -> Vec<u8> {
    let path = state(home, database);
    let damaged = damage(&fs::read(&path).unwrap());
    home.write(&path, &damaged);
    damaged
}

#[test]
fn a_damaged_cache_is_set_aside_under_a_dated_name_and_started_anew() {
    for (to, with_agent) in DAMAGES.into_iter().flat_map(|to| [(to, false), (to, true)]) {
        let (home, fly, [manual, again]) = in_use();
        let calls = fly.calls().len();
        let damaged = damage(&home, "cache.redb", to);
        let agent = with_agent.then(|| home.agent());
        let ran = home.run(&["get", "web"]);
        assert!(Bundle::of(ran.token().trim_start_matches("FlyV1 ")).is_from(&again));
        let mut aside = fs::read_dir(state(&home, "")).unwrap().map(|entry| entry.unwrap().path());
        let aside = aside.find(|path| path.display().to_string().contains("cache.redb.damaged-")).expect("the damaged one");
        assert_eq!(fs::read(&aside).unwrap(), damaged);
        let told = agent.as_ref().map_or(ran.stderr, crate::harness::Agent::log);
        assert!(told.contains("was started anew") && told.contains(&aside.display().to_string()), "{told}");
        if let Some(agent) = agent {
            let problem = home.run(&["status", "--json"]).json()["storage"]["problem"].take();
            assert!(problem.as_str().unwrap().contains("was started anew"), "{problem}");
            agent.stop();
        }
        // The new one keeps, and the other database was not touched.
        assert!(Bundle::answered(&home.get(&["web"])).is_from(&again));
        assert!(Bundle::answered(&home.get(&["api"])).is_from(&manual));
        assert_eq!(fly.calls().iter().skip(calls).filter(|call| call.contains("-a web")).count(), 1);
    }
}

/// Fails unless a command ended for the sake of a damaged `kept`; the command of the shell that it named.
fn mending(ran: &Ran) -> String {
    let told = ran.ends_with(7);
    assert!(told.contains("kept.redb`, which holds manual tokens, is damaged"), "{told}");
    let command = told.split('`').find(|word| word.starts_with("mv ")).unwrap_or_else(|| panic!("no command in {told}"));
    command.to_owned()
}

fn mend(command: &str) {
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
}

#[test]
fn while_kept_is_damaged_nothing_starts_or_mints_and_nothing_is_overwritten() {
    for to in DAMAGES {
        let (home, fly, _) = in_use();
        let calls = fly.calls();
        let damaged = damage(&home, "kept.redb", to);
        let token = minted(1, DAY);
        let commands: [&[&str]; 6] =
            [&["agent"], &["get", "web"], &["get", "new"], &["set", "api"], &["invalidate", "web"], &["refresh", "web"]];
        let named: Vec<String> = commands.iter().map(|arguments| mending(&home.run_with(arguments, &token))).collect();
        assert_eq!(fly.calls(), calls);
        assert_eq!(fs::read(state(&home, "kept.redb")).unwrap(), damaged);

        mend(&named[0]);
        let _agent = home.agent();
        home.run(&["get", "api"]).ends_with(3);
        home.run_with(&["set", "api"], &token).ends_with(0);
        assert!(Bundle::answered(&home.get(&["api"])).is_from(&token));
        assert_eq!(fs::read(state(&home, "kept.redb.damaged")).unwrap(), damaged);
    }
}

#[test]
fn an_agent_whose_kept_is_damaged_goes_on_with_what_it_has_and_neither_mints_nor_overwrites() {
    for to in DAMAGES {
        let (home, fly, [manual, again]) = in_use();
        let agent = home.agent();
        assert!(Bundle::answered(&home.get(&["api"])).is_from(&manual));
        let calls = fly.calls();
        let damaged = damage(&home, "kept.redb", to);
        assert!(Bundle::answered(&home.get(&["api"])).is_from(&manual), "from memory");
        mending(&home.run(&["refresh", "web"]));
        let command = mending(&home.run_with(&["set", "api"], &minted(1, DAY)));
        assert_eq!(fly.calls(), calls);
        assert_eq!(fs::read(state(&home, "kept.redb")).unwrap(), damaged);

        mend(&command);
        home.run(&["refresh", "web"]).ends_with(0);
        assert!(Bundle::answered(&home.get(&["web"])).is_from(&again));
        home.run_with(&["set", "api"], &manual).ends_with(0);
        agent.kill();
        assert!(Bundle::answered(&home.get(&["api"])).is_from(&manual));
    }
}
