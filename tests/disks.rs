//! Disks that are full, fail or take nothing: an error to whoever sets a token, and what was acknowledged before is there.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::geteuid;

use crate::harness::{Agent, Home, Ran, minted, wrapped};

const DAY: Duration = Duration::from_hours(24);

/// A home whose tokens are set by hand, and one that is.
fn with_a_token() -> (Home, String) {
    let home = Home::new();
    home.configure("version: 1\nchain: [manual]\n");
    let token = minted(1, DAY);
    home.run_with(&["set", "web"], &token).ends_with(0);
    (home, format!("FlyV1 {token}"))
}

fn state(home: &Home, file: &str) -> PathBuf {
    home.path(".local/state/flytoken").join(file)
}

fn start(home: &Home, command: Command) -> Agent {
    Agent::start_by(home, command, &state(home, "run/agent.sock"))
}

/// Lets the process write so many blocks of each file; what goes past them fails as on a full disk.
fn full(blocks: u64) -> String {
    format!("trap '' XFSZ; ulimit -f {blocks}")
}

/// Whether a token was set. If not, the error says so, and what to do.
fn set(home: &Home, app: &str, token: &str, around: impl Fn(&Command) -> Command) -> bool {
    let ran = Ran::of(around(&home.command(&["set", app])), token.as_bytes());
    if ran.code == Some(0) {
        return true;
    }
    let told = ran.ends_with(8);
    let words =
        [&format!("the token for app `{app}` was not set: cannot "), "File too large", "can be written and its disk has room", "hint: "];
    for word in words {
        assert!(told.contains(word), "{word:?} is not in {told}");
    }
    assert_eq!(ran.stdout, "");
    false
}

#[test]
fn on_a_full_disk_to_set_a_token_is_an_error_and_what_was_set_before_is_there() {
    // Blocks have 512 or 1024 bytes, depending on the shell. Code in memory counts as files, so that there have to be some.
    let size = fs::metadata(state(&with_a_token().0, "kept.redb")).unwrap().len() / 512;
    for (blocks, with_agent) in [size / 4, size - 1, size + 64].into_iter().flat_map(|blocks| [(blocks, true), (blocks, false)]) {
        let what = format!("{blocks} blocks, with an agent: {with_agent}");
        let (home, token) = with_a_token();
        let mut kept = vec![("web".to_owned(), token)];
        // The log lies on that disk as well.
        fs::write(home.outside("agent.log"), "\n".repeat(300_000)).unwrap();
        let line = if with_agent { ":".to_owned() } else { full(blocks) };
        let around = |command: &Command| wrapped(&line, command);
        let agent = with_agent.then(|| start(&home, wrapped(&full(blocks), &home.command(&["agent", "-v"]))));
        let mut apps = 0..500;
        let refused = apps.find(|number| {
            let (app, token) = (format!("app-{number}"), minted(1, DAY));
            let is_set = set(&home, &app, &token, around);
            kept.extend(is_set.then(|| (app, format!("FlyV1 {token}"))));
            !is_set
        });
        assert!(refused.is_some(), "{what}: the disk was never full");
        let all_there = |when: &str, command: &dyn Fn(&[&str]) -> Command| {
            for (app, token) in &kept {
                assert_eq!(Ran::of(command(&["get", app]), b"").token(), *token, "{what}: {app} {when}");
            }
        };
        all_there("while it is full", &|arguments| around(&home.command(arguments)));
        if let Some(agent) = agent {
            agent.stop();
        }
        all_there("afterwards", &|arguments| home.command(arguments));
        let again = minted(1, DAY);
        assert!(set(&home, "web", &again, |command| wrapped(":", command)), "{what}");
        assert_eq!(home.run(&["get", "web"]).token(), format!("FlyV1 {again}"), "{what}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_fails_while_an_agent_runs_is_an_error_and_one_that_recovers_needs_no_restart() {
    let (home, token) = with_a_token();
    let other = minted(1, DAY);
    home.run_with(&["set", "other"], &other).ends_with(0);
    let plain = |command: &Command| wrapped(":", command);
    let agent = start(&home, wrapped("trap '' XFSZ", &home.command(&["agent", "-v"])));
    assert_eq!(home.run(&["get", "web"]).token(), token);

    limit(&agent, Some(1024));
    assert!(!set(&home, "api", &minted(1, DAY), plain));
    home.run(&["get", "api"]).ends_with(3);
    assert_eq!(home.run(&["get", "web"]).token(), token, "from memory");
    assert_eq!(home.run(&["get", "other"]).token(), format!("FlyV1 {other}"), "from the disk");
    let ran = home.run(&["invalidate", "web"]);
    assert!(ran.ends_with(8).contains("the invalidation holds until the agent ends, but is not on disk: cannot "), "{}", ran.stderr);
    home.run(&["get", "web"]).ends_with(3);

    limit(&agent, None);
    let api = minted(1, DAY);
    assert!(set(&home, "api", &api, plain));
    home.run(&["invalidate", "web"]).ends_with(0);
    agent.kill();
    for (app, token) in [("api", api), ("other", other)] {
        assert_eq!(home.run(&["get", app]).token(), format!("FlyV1 {token}"));
    }
    home.run(&["get", "web"]).ends_with(3);
}

/// Lets the agent write so many bytes of each file, or as many as it likes.
#[cfg(target_os = "linux")]
pub(crate) fn limit(agent: &Agent, bytes: Option<u64>) {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let pid = Pid::from_raw(agent.pid().try_into().unwrap());
    let maximum = getrlimit(Resource::Fsize).maximum;
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

/// Some user who is not root, whom no mode of a file keeps from writing it.
const NOBODY: u32 = 65_533;

#[test]
fn from_a_state_directory_that_can_only_be_read_tokens_are_handed_out_and_to_set_one_is_an_error() {
    let mut home = Home::new();
    home.configure("version: 1\nchain: [manual]\n");
    home.set("XDG_CACHE_HOME", &home.path(".cache").display().to_string());
    home.set("FLYTOKEN_SOCKET", &home.path("run/agent.sock").display().to_string());
    fs::create_dir(home.path("run")).unwrap();
    fs::set_permissions(home.path("run"), Permissions::from_mode(0o700)).unwrap();
    let is_root = geteuid().is_root();
    if is_root {
        each(&home.outside(""), &mut |path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap());
    }
    let command = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    if command(&["--version"]).output().is_err() {
        return println!("not shown: nobody but root reaches this program");
    }
    let run = |arguments: &[&str], input: &str| Ran::of(command(arguments), input.as_bytes());
    let token = minted(1, DAY);
    run(&["set", "web"], &token).ends_with(0);

    let mode = |file, directory| {
        each(&state(&home, ""), &mut |path| {
            fs::set_permissions(path, Permissions::from_mode(if path.is_dir() { directory } else { file })).unwrap();
        });
    };
    mode(0o400, 0o500);
    for with_agent in [false, true] {
        let agent = with_agent.then(|| Agent::start_by(&home, command(&["agent", "-v"]), &home.path("run/agent.sock")));
        let got = run(&["get", "web"], "");
        assert_eq!(got.token(), format!("FlyV1 {token}"), "with an agent: {with_agent}");
        let ran = run(&["set", "api"], &minted(1, DAY));
        let told = ran.ends_with(6);
        assert!(told.contains("the token for app `api` was not set, because it would be lost"), "{told}");
        assert!(told.contains("Permission denied") && told.contains("can be written"), "{told}");
        run(&["get", "api"], "").ends_with(3);
        let warned = agent.map_or(got.stderr, |agent| {
            let log = agent.log();
            agent.stop();
            log
        });
        // The test itself, which looks whether the agent listens, may be another user.
        let warnings: Vec<&str> = warned.lines().filter(|line| line.contains("WARN") && !line.contains("hung up")).collect();
        assert!(warnings.len() == 1 && warnings[0].contains("nothing is kept on disk: cannot open"), "{warned}");
    }
    mode(0o600, 0o700);
    run(&["set", "api"], &minted(1, DAY)).ends_with(0);
    assert_eq!(run(&["get", "web"], "").token(), format!("FlyV1 {token}"));
}

/// Does something to a file, or to a directory and all that is in it.
fn each(path: &Path, work: &mut impl FnMut(&Path)) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            each(&entry.unwrap().path(), work);
        }
    }
    work(path);
}
