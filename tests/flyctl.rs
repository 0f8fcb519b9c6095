//! Beside `flyctl`, which rewrites the login all the time: half of a file does no harm, its lock is respected, and nothing of it is touched.

use std::{fs, path::Path, process::Stdio, thread, time::Duration};

use crate::harness::{Account, Flyctl, Followed, Home, MONDAY, canary, config, eventually, minted, timed, user_token};

const DAY: Duration = Duration::from_hours(24);

/// How long a login must be gone to be a logout.
const LOGOUT: Duration = Duration::from_secs(2);

/// What may be found in the file's place for a while; `{text}` is what would stand there whole.
fn noises(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let cut = |marker: &str, behind: usize| text.as_bytes()[..text.find(marker).unwrap() + behind].to_vec();
    let big = |start: &str, unit: &[u8]| [start.as_bytes(), &unit.repeat(2_000_000 / unit.len())].concat();
    vec![
        ("cut in its first key", cut("access_token", 6)),
        ("cut before the token", cut("access_token", 14)),
        ("cut in the first token", cut("fm2_", 30)),
        ("cut between two tokens", cut(",fm2_", 1)),
        ("cut in the user token", cut("fo1_", 10)),
        ("cut behind the token", cut("\nlast_login", 0)),
        ("cut at the end of the token's line", cut("\nlast_login", 1)),
        ("cut in the time", cut(MONDAY, 10)),
        ("2 MB of zeros", big("", &[0])),
        ("2 MB of bytes", big("", &(0..=255).collect::<Vec<u8>>())),
        ("2 MB of brackets", big("", b"[")),
        ("a login before 2 MB of noise", big("access_token: fo1_canaryOfNobody\n", b"#")),
        ("half a megabyte of noise", vec![0xa7; 500_000]),
        ("a list", b"- access_token: fo1_canaryOfNobody\n".to_vec()),
        ("two tokens", b"access_token: fo1_canaryOfNobody\naccess_token: fo1_canaryOfNobody\n".to_vec()),
    ]
}

#[test]
fn half_a_file_and_noise_leave_the_last_good_login_in_force_and_show_in_status() {
    let followed = Followed::new();
    let mut last = followed.account.discharged();
    followed.flyctl.writes(&config(&last.text, MONDAY));
    followed.awaits(&last, "web");
    for (number, (what, noise)) in noises(&config(&followed.account.discharged().text, MONDAY)).into_iter().enumerate() {
        fs::write(followed.flyctl.file(), noise).unwrap();
        let problem = followed.awaits_problem(what);
        assert!(problem.contains(followed.flyctl.file().to_str().unwrap()), "{what}: {problem}");
        canary::assert_clean(what, problem.as_bytes());
        // Not from the cache alone: another app is resolved now.
        followed.awaits(&last, "web");
        followed.awaits(&last, &format!("app-{number}"));
        last = followed.account.discharged();
        followed.flyctl.writes(&config(&last.text, MONDAY));
        followed.awaits(&last, "web");
        followed.is_as_before(what, 0);
    }
    fs::write(followed.flyctl.file(), "- canary\n").unwrap();
    let problem = followed.awaits_problem("a list");
    let shown = followed.home.run(&["status"]);
    assert!(shown.ends_with(0).is_empty() && shown.stdout.contains(&format!("problem: {problem}")), "{}", shown.stdout);
}

#[test]
fn a_directory_in_the_files_place_is_a_problem_and_no_logout() {
    let followed = Followed::new();
    fs::remove_file(followed.flyctl.file()).unwrap();
    fs::create_dir(followed.flyctl.file()).unwrap();
    let problem = followed.awaits_problem("a directory");
    assert!(problem.contains("not a regular file"), "{problem}");
    assert_eq!(followed.agent.status()["login"]["generation"], followed.generation);
    fs::remove_dir(followed.flyctl.file()).unwrap();
}

#[test]
fn an_empty_file_under_a_writers_lock_is_no_logout_however_long_that_takes() {
    let followed = Followed::new();
    let last = followed.account.discharged();
    followed.flyctl.writes(&config(&last.text, MONDAY));
    followed.awaits(&last, "web");
    let lock = followed.flyctl.locks();
    fs::write(followed.flyctl.file(), "").unwrap();
    let problem = followed.awaits_problem("the writer");
    assert!(problem.contains("lock"), "{problem}");
    let mut apps = 0;
    let mut waited = Duration::ZERO;
    while waited < LOGOUT + LOGOUT / 4 {
        apps += 1;
        let ((), took) = timed(|| {
            followed.awaits(&last, &format!("app-{apps}"));
            thread::sleep(Duration::from_millis(100));
        });
        waited += took;
    }
    let new = followed.account.discharged();
    fs::write(followed.flyctl.file(), config(&new.text, MONDAY)).unwrap();
    lock.releases();
    followed.awaits(&new, "web");
    followed.is_as_before("a slow writer", 0);
}

/// Whether a process has this file open; none where nobody can tell.
fn has_open(pid: u32, file: &Path) -> Option<bool> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    Some(descriptors.flatten().any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|open| open == file)))
}

#[test]
fn a_command_without_an_agent_waits_for_a_writer_to_finish() {
    if !Path::new("/proc/self/fd").exists() {
        return;
    }
    let home = Home::new();
    let (flyctl, account) = (Flyctl::at(&home.path(".fly")), Account::new());
    let [old, new] = [account.discharged(), account.discharged()];
    flyctl.logs_in(&old.text, MONDAY);
    let lock_file = fs::canonicalize(home.path(".fly/flyctl.config.lock")).unwrap();
    let lock = flyctl.locks();
    let asking = home.command(&["get", "web"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    eventually("the wait for the lock", || has_open(asking.id(), &lock_file).unwrap_or(true).then_some(()));
    fs::write(flyctl.file(), config(&new.text, MONDAY)).unwrap();
    lock.releases();
    let answer = asking.wait_with_output().unwrap();
    assert!(answer.status.success() && new.gave(&String::from_utf8(answer.stdout).unwrap()));
}

#[test]
fn sixty_rewrites_with_new_discharges_cause_no_mint_and_the_newest_are_served() {
    let followed = Followed::new();
    followed.fly.mints("web", &[minted(123, DAY), minted(123, DAY)]);
    let kept = followed.home.get(&["web", "--kind", "ssh"]);
    assert_eq!(kept["source"], "cli", "{kept}");
    for _ in 0..60 {
        let login = followed.account.discharged();
        // It fails if the lock cannot be had.
        followed.flyctl.writes(&config(&login.text, MONDAY));
        followed.awaits(&login, "web");
    }
    followed.is_as_before("a minute of rewrites", 1);
    assert_eq!(followed.home.get(&["web", "--kind", "ssh"]), kept, "what was minted stays");
    assert_eq!(followed.home.get(&["web"])["source"], "config");
    assert_eq!(followed.fly.calls().len(), 1);
}

#[test]
fn nothing_is_ever_written_beside_the_login() {
    for with_lock in [true, false] {
        let home = Home::new();
        let (fly, flyctl) = (home.install_fly(), Flyctl::at(&home.path(".fly")));
        fly.mints("web", &[minted(1, DAY)]);
        flyctl.logs_in(&user_token(), MONDAY);
        if !with_lock {
            fs::remove_file(home.path(".fly/flyctl.config.lock")).unwrap();
        }
        let before = flyctl.listing();
        let everything = || {
            for command in [&["get", "web"][..], &["refresh", "web"], &["explain", "web"], &["status"], &["invalidate", "web"]] {
                home.run(command).ends_with(0);
            }
        };
        everything();
        let agent = home.agent();
        everything();
        agent.stop();
        assert_eq!(flyctl.listing(), before, "with a lock file: {with_lock}");
        flyctl.locks().releases();
    }
}
