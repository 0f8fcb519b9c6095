//! `flytoken top`, at a real pseudo-terminal and with a real agent: what is to be seen, what the keys do, and that the terminal is given back.

#![cfg(target_os = "linux")]

use std::{fs, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    harness::{Fly, Home, Terminal, eventually, is_there, minted, timed, user_token},
    readme::is_what_was_promised,
};

const DAY: Duration = Duration::from_hours(24);

const SIZE: (u16, u16) = (100, 30);

/// A home with an app `web`, whose tokens are minted.
fn home() -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(123, DAY), minted(123, DAY), minted(123, DAY)]);
    (home, fly)
}

#[test]
fn the_first_screen_shows_apps_sources_mints_and_what_happened() {
    let (home, fly) = home();
    let _agent = home.agent();
    home.run(&["get", "web", "--kind", "deploy"]).ends_with(0);
    fly.fails("Error: boom");
    home.run(&["get", "legacy"]).ends_with(8);
    let Some(mut terminal) = Terminal::run(&home, SIZE, "flytoken top") else { return println!("not shown: there is no `script` here") };
    let screen = terminal.shows("quit");
    assert!(terminal.is_taken() && terminal.hides_cursor() && terminal.had_colours());
    let expected = "\
flytoken top agent …, …, up …, logged in
tokens 1, 1 fresh, 1 without
mints █░░░░░░░░░░░░░░░░░░░ 2 of 60 in the last hour

APP KIND SOURCE STATE LEFT NOTE
> legacy readonly - no token - … ago: cli: `fly` failed with …
web deploy cli fresh ██████████ 23 h

SOURCE CALLS FAILURES MEDIAN P99 STATE
cli 2 0 … loaded
config 2 0 … loaded
manual 1 0 … loaded
storage … 0 … loaded

WHEN APP WHAT HAPPENED
… ago legacy readonly resolve failed: try-again (cli)
… ago web deploy resolved by cli in …
…
e explain r refresh i invalidate ? keys q quit
";
    assert!(is_what_was_promised(expected, &screen), "{screen}");
    terminal.types("q");
    terminal.ends();
}

#[test]
fn a_key_explains_where_a_token_came_from() {
    let (home, _fly) = home();
    let _agent = home.agent();
    home.run(&["get", "web", "--kind", "deploy"]).ends_with(0);
    let Some(mut terminal) = Terminal::run(&home, SIZE, "flytoken top") else { return println!("not shown: there is no `script` here") };
    terminal.shows("quit");
    terminal.types("e");
    let screen = terminal.shows("WHAT IT SAID");
    assert!(screen.contains(" explain web deploy ") && screen.contains("web deploy: resolved by cli"), "{screen}");
    terminal.types("q");
    terminal.shows_what("the tables alone", |screen| !screen.contains("WHAT IT SAID") && screen.contains("e explain"));
    terminal.types("?");
    assert!(terminal.shows("select an app").contains("obtain a newer token now"));
    terminal.types("\u{1b}");
    terminal.shows_what("the tables alone", |screen| !screen.contains("select an app"));
    terminal.types("\u{1b}");
    terminal.ends();
    assert!(!terminal.is_taken());
}

#[test]
fn a_key_obtains_a_newer_token_and_the_screen_goes_on_meanwhile() {
    let (home, fly) = home();
    let _agent = home.agent();
    home.run(&["get", "web", "--kind", "deploy"]).ends_with(0);
    let Some(mut terminal) = Terminal::run(&home, SIZE, "flytoken top") else { return println!("not shown: there is no `script` here") };
    terminal.shows("quit");
    fly.hold("web");
    terminal.types("r");
    terminal.shows("refresh web deploy …");
    terminal.types("?");
    terminal.shows("select an app");
    terminal.types("qr");
    terminal.shows("refresh of web deploy is not done yet");
    fly.let_go("web");
    terminal.shows("web deploy: a new token from cli, until ");
    terminal.shows("renewed by cli in ");
    assert_eq!(fly.called_to("create").len(), 2);
    // What fails says why, step by step.
    fly.fails("Error: boom");
    terminal.types("r");
    assert!(terminal.shows("hint: ").contains("error: no deploy token for app `web`"), "{}", terminal.screen());
}

#[test]
fn a_key_invalidates_once_somebody_has_said_yes() {
    let (home, _fly) = home();
    let agent = home.agent();
    home.run(&["get", "web", "--kind", "deploy"]).ends_with(0);
    let fingerprint = agent.status()["apps"][0]["fingerprint"].as_str().unwrap().to_owned();
    let Some(mut terminal) = Terminal::run(&home, SIZE, "flytoken top") else { return println!("not shown: there is no `script` here") };
    terminal.shows("quit");
    terminal.types("i");
    terminal.shows("invalidate web deploy?");
    terminal.types("n");
    terminal.shows("nothing was changed");
    assert_eq!(agent.status()["apps"].as_array().unwrap().len(), 1);
    terminal.types("i");
    terminal.shows("invalidate web deploy?");
    terminal.types("y");
    terminal.shows(&format!("web deploy: dropped token {fingerprint}"));
    terminal.shows("No token is cached. Ask for one: `flytoken get APP`");
    terminal.shows("invalidated");
    assert_eq!(agent.status()["apps"].as_array().unwrap().len(), 0);
}

/// How it comes to its end.
type Way = fn(&mut Terminal, &Home);

#[test]
fn the_terminal_is_given_back_whatever_ends_it() {
    let ways: [(&str, Way); 5] = [
        ("q", |terminal, _| terminal.types("q")),
        ("Ctrl-C", |terminal, _| terminal.types("\u{3}")),
        ("SIGTERM", |_, home| signal(home, Signal::TERM)),
        ("SIGINT", |_, home| signal(home, Signal::INT)),
        ("a defect", |_, home| home.break_at("top", "screen")),
    ];
    for (way, end) in ways {
        let (home, _fly) = home();
        let _agent = home.agent();
        let line = "stty -g > before; sh -c 'echo $$ > pid; exec flytoken top'; echo ended $?; stty -g > after";
        let Some(mut terminal) = Terminal::run(&home, SIZE, line) else { return println!("not shown: there is no `script` here") };
        terminal.shows("quit");
        assert_ne!(fs::read_to_string(home.path("before")).unwrap(), "");
        end(&mut terminal, &home);
        let screen = terminal.ends();
        assert!(!terminal.is_taken() && !terminal.hides_cursor(), "{way}: {screen}");
        let modes = |name: &str| fs::read_to_string(home.path(name)).unwrap();
        assert_eq!(modes("before"), modes("after"), "{way}");
        let ended = if way == "a defect" { "ended 101" } else { "ended 0" };
        assert!(screen.contains(ended), "{way}: {screen}");
        // And what went wrong is to be read.
        assert_eq!(screen.contains("flytoken panicked"), way == "a defect", "{way}: {screen}");
    }
}

/// Sends a signal to the program at the terminal.
fn signal(home: &Home, signal: Signal) {
    let pid = fs::read_to_string(home.path("pid")).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn it_stops_for_the_shell_and_goes_on_where_it_was() {
    let (home, _fly) = home();
    let _agent = home.agent();
    let line = "set -m; stty -g > before; flytoken top; stty -g > stopped; echo at the shell; read line; fg; echo over";
    let Some(mut terminal) = Terminal::run(&home, SIZE, line) else { return println!("not shown: there is no `script` here") };
    terminal.shows("quit");
    terminal.types("\u{1a}");
    terminal.shows("at the shell");
    assert!(!terminal.is_taken() && !terminal.hides_cursor());
    let modes = |name: &str| eventually("modes", || fs::read_to_string(home.path(name)).ok().filter(|modes| !modes.is_empty()));
    assert_eq!(modes("before"), modes("stopped"));
    terminal.types("\r");
    let screen = terminal.shows("quit");
    assert!(terminal.is_taken() && screen.starts_with("flytoken top"), "{screen}");
    // And what others left on it goes away.
    terminal.types("\u{c}");
    terminal.types("?");
    terminal.shows("select an app");
    terminal.types("q");
    terminal.types("q");
    assert!(terminal.ends().contains("over"));
}

#[test]
fn a_terminal_that_is_gone_ends_it() {
    // Also where somebody said that this is no reason to end.
    for before in ["true", "trap '' HUP"] {
        let (home, _fly) = home();
        let _agent = home.agent();
        let Some(terminal) = Terminal::run(&home, SIZE, &format!("{before}; echo $$ > pid; exec flytoken top")) else {
            return println!("not shown: there is no `script` here");
        };
        terminal.shows("quit");
        let pid = fs::read_to_string(home.path("pid")).unwrap().trim().parse().unwrap();
        assert!(is_there(pid));
        drop(terminal);
        eventually("its end", || (!is_there(pid)).then_some(()));
    }
}

#[test]
fn however_many_keys_are_pressed_the_agent_is_asked_once_a_second() {
    let (home, _fly) = home();
    let agent = home.agent();
    let Some(mut terminal) = Terminal::run(&home, SIZE, "flytoken top") else { return println!("not shown: there is no `script` here") };
    terminal.shows("quit");
    let looks = |wanted: usize| agent.log().matches("request{op=\"status\"").count().checked_sub(wanted);
    let ((), took) = timed(|| {
        eventually("three more looks", || {
            terminal.types("jkr?q");
            looks(4).map(drop)
        });
    });
    assert!(took > Duration::from_millis(2_500) && looks(5).is_none(), "{took:?}: {}", agent.log());
}

#[test]
fn an_agent_that_goes_is_told_and_its_successor_is_found() {
    let (home, _fly) = home();
    let agent = home.agent();
    home.run(&["get", "web"]).ends_with(0);
    let Some(mut terminal) = Terminal::run(&home, SIZE, "flytoken top") else { return println!("not shown: there is no `script` here") };
    terminal.shows("quit");
    agent.kill();
    let screen = terminal.shows("as it was: no agent answers; start one: `flytoken agent`");
    assert!(screen.contains("web"), "{screen}");
    let agent = home.agent();
    terminal.shows(&format!("agent {}, ", agent.pid()));
    terminal.types("q");
    terminal.ends();
}

#[test]
fn another_size_shows_what_fits() {
    let (home, _fly) = home();
    let _agent = home.agent();
    home.run(&["get", "web", "--kind", "deploy"]).ends_with(0);
    let Some(mut terminal) = Terminal::run(&home, SIZE, "flytoken top") else { return println!("not shown: there is no `script` here") };
    assert!(terminal.shows("quit").contains("SOURCE"));
    terminal.resize(&home, (40, 10));
    let screen = terminal.shows_what("a small screen", |screen| !screen.contains("SOURCE") && screen.contains("web"));
    assert!(screen.lines().all(|line| line.chars().count() <= 40) && screen.lines().count() <= 10, "{screen}");
    terminal.resize(&home, SIZE);
    terminal.shows("WHAT HAPPENED");
    terminal.types("q");
    terminal.ends();
}

#[test]
fn without_colours_nothing_has_one() {
    let (mut home, _fly) = home();
    home.set("NO_COLOR", "1");
    let _agent = home.agent();
    home.run(&["get", "web"]).ends_with(0);
    let Some(mut terminal) = Terminal::run(&home, SIZE, "flytoken top") else { return println!("not shown: there is no `script` here") };
    assert!(terminal.shows("quit").contains("> "));
    terminal.types("q");
    terminal.ends();
    assert!(!terminal.had_colours());
}

#[test]
fn where_there_is_nothing_to_draw_on_or_nobody_to_ask_it_says_what_to_type() {
    let (home, _fly) = home();
    for (line, code, hint) in [
        ("flytoken top < /dev/null", 2, "hint: see how everything is, once: `flytoken status`"),
        ("TERM=dumb flytoken top", 2, "hint: see how everything is, once: `flytoken status`"),
        ("flytoken top", 5, "hint: start one: `flytoken agent`"),
        ("flytoken --agent never top", 2, "hint: leave it out: `flytoken top`"),
    ] {
        let Some(mut terminal) = Terminal::run(&home, SIZE, &format!("{line}; echo ended $?")) else {
            return println!("not shown: there is no `script` here");
        };
        let screen = terminal.ends();
        assert!(screen.contains(&format!("ended {code}")) && screen.contains(hint), "{line}: {screen}");
    }
    assert!(home.run(&["top"]).ends_with(2).contains("there is no terminal that can be drawn on"));
}
