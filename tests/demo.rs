//! `flytoken demo`, as somebody runs it who has just built flytoken and has nothing else.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::harness::{Home, canary, eventually, user_token};

/// A home that is empty, and a folder for temporary files that is so too.
fn newcomer() -> Home {
    let mut home = Home::new();
    home.unset("XDG_CACHE_HOME");
    home.unset("FLYTOKEN_TEST_CLOCK");
    home
}

/// Fails if anything is left of a demo: a file, or a process that was started in its throwaway home.
fn assert_nothing_left(home: &Home) {
    let left: Vec<_> = ["home", "tmp"].iter().flat_map(|folder| fs::read_dir(home.outside(folder)).unwrap()).collect();
    assert!(left.is_empty(), "{left:?}");
    let place = home.outside("tmp");
    let belongs = |process: &Path| {
        let texts = ["environ", "cmdline"].map(|fact| fs::read(process.join(fact)).unwrap_or_default());
        let inside = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&place));
        // The environment of the test itself does not name the folder, but that of the demo does.
        inside || texts.iter().any(|text| String::from_utf8_lossy(text).contains(&*place.display().to_string()))
    };
    eventually("the end of every process", || {
        let mut processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        (!processes.any(|process| belongs(&process))).then_some(())
    });
}

#[test]
fn a_newcomer_sees_the_whole_chain_a_swap_and_a_refused_source_and_nothing_is_left() {
    let home = newcomer();
    let ran = home.run(&["demo"]);
    assert_eq!(ran.ends_with(0), "");
    canary::assert_clean("the demo's output", ran.stdout.as_bytes());
    // Each with the source that answered, or with what came of it.
    let expected = [
        ("flytoken demo: no account, no flyctl; everything happens in ", ""),
        ("", "SOURCE   KIND      TOKEN                TIME"),
        ("1  Four sources, asked in order: storage, config, cli, manual", ""),
        ("   web: the login is too wide, so `fly` mints ", " cli      deploy "),
        ("   web again: from memory, nobody is asked ", " cache    deploy "),
        ("   web: kept, sealed on disk; `fly` is not asked ", " storage  deploy "),
        ("   web, to look only: a read-only copy of the login ", " config   readonly "),
        ("   legacy: `fly` does not know it, a person set it ", " manual   deploy "),
        ("   | $ flytoken explain legacy --kind deploy", ""),
        ("   | STEP ", "OUTCOME"),
        ("   | storage ", " absent "),
        ("   | config ", " absent "),
        ("   | cli ", " absent "),
        ("   | manual ", " lease "),
        ("2  The login changes: another account in ~/.fly/config.yml", ""),
        ("   web, to look only: the new account's, after ", " config   readonly "),
        ("   web, to deploy: the same, narrowed to the app ", " config   deploy "),
        ("3  A source is replaced while clients ask it without pause", ""),
        ("   payroll: the company's vault, added just now ", " corp     readonly "),
        ("   payroll: its second release, with other settings ", "readonly "),
        ("   ", " requests meanwhile "),
        ("4  A source that was granted nothing, and wants the login, records and commands", ""),
        ("   | greedy imports `flytoken:source/", "sources.greedy.grants`"),
        ("   bait: greedy is passed over, the next step answers ", " corp     readonly "),
        ("5  Nothing is left", ""),
        ("   no token in the ", " lines of its log "),
        ("All as it should be, in ", "Next: `flytoken --help`"),
    ];
    let mut lines = ran.stdout.lines();
    for (start, rest) in expected {
        let found = lines.find(|line| line.starts_with(start) && line.contains(rest));
        assert!(found.is_some(), "no line {start:?} … {rest:?} in its place in\n{}", ran.stdout);
    }
    let width = |line: &str| line.chars().count();
    let heading = ran.stdout.lines().find(|line| line.ends_with(" TIME")).unwrap();
    let rows = ran.stdout.lines().filter(|line| line.starts_with("   ") && !line.starts_with("   |") && !line.ends_with(" failures"));
    for row in rows {
        assert_eq!(width(row), width(heading), "{row:?} does not line up with {heading:?}");
    }
    let failures = ran.stdout.lines().find(|line| line.contains(" requests meanwhile ")).unwrap();
    assert!(failures.ends_with(" 0 failures"), "{failures}");
    assert_nothing_left(&home);
}

/// A demo that goes on.
struct Playing {
    child: Child,
    output: std::path::PathBuf,
}

impl Playing {
    /// Starts it, in a process group of its own, as a shell does.
    fn start(home: &Home) -> Self {
        let output = home.outside("demo.out");
        let file = fs::File::create(&output).unwrap();
        let errors = file.try_clone().unwrap();
        let mut command = home.command(&["demo"]);
        let child = command.process_group(0).stdin(Stdio::null()).stdout(file).stderr(errors).spawn().unwrap();
        Self { child, output }
    }

    /// Waits until it has printed this.
    fn shows(&mut self, text: &str) {
        eventually(text, || {
            assert!(self.child.try_wait().unwrap().is_none(), "the demo is over: {}", self.printed());
            self.printed().contains(text).then_some(())
        });
    }

    fn printed(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

#[test]
fn a_demo_that_is_stopped_leaves_nothing_either() {
    /// Stops the demo.
    type Stop = fn(Pid);
    // A terminal tells every process of the group, and anybody else the demo alone.
    let ctrl_c: Stop = |pid| kill_process_group(pid, Signal::INT).unwrap();
    let terminate: Stop = |pid| kill_process(pid, Signal::TERM).unwrap();
    for (moment, stop) in [
        ("1  Four sources", ctrl_c),
        ("web again", ctrl_c),
        ("legacy: `fly` does not know it", terminate),
        ("3  A source is replaced", ctrl_c),
    ] {
        let home = newcomer();
        let mut demo = Playing::start(&home);
        demo.shows(moment);
        stop(demo.pid());
        let status = eventually("the end of the demo", || demo.child.try_wait().unwrap());
        let printed = demo.printed();
        assert_eq!(status.code(), Some(130), "{moment}: {printed}");
        assert!(printed.contains("error: interrupted; everything was removed"), "{moment}: {printed}");
        assert!(!printed.contains("the demo went wrong"), "{moment}: {printed}");
        assert_nothing_left(&home);
    }
}

#[test]
fn a_demo_that_is_stopped_as_soon_as_it_has_made_something_leaves_nothing() {
    for _ in 0..10 {
        let home = newcomer();
        let mut demo = Playing::start(&home);
        eventually("the throwaway home", || fs::read_dir(home.outside("tmp")).unwrap().next().map(drop));
        kill_process(demo.pid(), Signal::INT).unwrap();
        let status = eventually("the end of the demo", || demo.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(130), "{}", demo.printed());
        assert_nothing_left(&home);
    }
}

#[test]
fn the_demo_neither_uses_nor_touches_what_its_user_has() {
    let (mut home, fly) = Home::logged_in(&user_token());
    home.configure("chain: [cli]\n");
    let agent = home.agent();
    let before = home.run(&["status", "--json"]).json();
    home.set("FLY_API_TOKEN", &user_token());
    home.set("FLYTOKEN_PROFILE", "work");
    home.set("FLYTOKEN_CONFIG", "/nowhere/config.yaml");
    let ran = home.run(&["demo"]);
    for variable in ["FLY_API_TOKEN", "FLYTOKEN_PROFILE", "FLYTOKEN_CONFIG"] {
        home.unset(variable);
    }
    ran.ends_with(0);
    canary::assert_clean("the demo's output", ran.stdout.as_bytes());
    let after = home.run(&["status", "--json"]).json();
    assert_eq!((&after["sources"], &after["apps"], &after["agent"]), (&before["sources"], &before["apps"], &before["agent"]));
    assert!(fly.calls().is_empty());
    assert!(fs::read_dir(home.outside("tmp")).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().contains("demo")));
    agent.stop();
}

#[test]
fn a_folder_too_deep_for_a_socket_or_with_a_difficult_name_stops_no_demo() {
    for folder in [&"deep/".repeat(30), "it's a \"folder\""] {
        let mut home = newcomer();
        let place = home.outside("tmp").join(folder);
        fs::create_dir_all(&place).unwrap();
        home.set("TMPDIR", &place.display().to_string());
        home.run(&["demo"]).ends_with(0);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "{folder}");
    }
}

#[test]
fn without_a_place_for_its_files_the_demo_says_which_variable_names_one() {
    let mut home = newcomer();
    home.set("TMPDIR", "/nowhere/at/all");
    let ran = home.run(&["demo"]);
    let told = ran.ends_with(7);
    assert!(told.contains("/nowhere/at/all") && told.contains("set TMPDIR"), "{told}");
}
