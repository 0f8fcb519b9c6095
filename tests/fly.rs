//! The `fly` command as it is met: failing, hanging, noisy, missing, in the wrong hands; and what it gets to see.

use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use crate::harness::{Bundle, Fly, Home, MINT, canary, eventually, is_there, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// A home with a `fly` that does what `script` says and would mint `token` for the app `web`.
fn with_fly(script: &str, token: &str) -> (Home, Fly) {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[token.to_owned()]);
    fly.says(script);
    // Half of it is the program's.
    home.configure("sources: { cli: { timeout: 2s } }\n");
    (home, fly)
}

/// What the step `cli` said when all steps failed.
fn complaint(home: &Home, code: i32) -> String {
    let ran = home.run(&["get", "web", "--json"]);
    ran.ends_with(code);
    let error = ran.json()["error"].clone();
    let step = error["steps"].as_array().unwrap().iter().find(|step| step["source"] == "cli").unwrap().clone();
    step["text"].as_str().unwrap().to_owned()
}

/// Fails unless a token set by hand is the answer.
fn assert_manual_answers(home: &Home) {
    let manual = minted(1, DAY);
    home.run_with(&["set", "web"], &manual).ends_with(0);
    let answer = home.run(&["get", "web", "--json"]).json();
    assert_eq!(answer["source"], "manual", "{answer}");
    assert!(Bundle::of(answer["token"].as_str().unwrap()).is_from(&manual));
}

/// A script, the exit code it leads to, and what the step says.
const FAILURES: [(&str, i32, &str); 10] = [
    ("echo 'Error: upstream is down' >&2; exit 1", 8, "`fly` failed with exit code 1: upstream is down"),
    ("exit 126", 8, "`fly` failed with exit code 126"),
    ("kill -9 $$", 8, "`fly` was ended by a signal"),
    ("echo 'Error: failed creating token: Unauthorized' >&2; exit 1", 6, "Unauthorized"),
    ("echo 'Error: failed retrieving app web: Could not find App \"web\"' >&2; exit 1", 3, "Could not find App"),
    (
        "echo 'Warning: Metrics token unavailable: unauthorized' >&2; printf 'Error: upstream is down\\r\\n' >&2; exit 1",
        8,
        "`fly` failed with exit code 1: upstream is down",
    ),
    ("echo 'Error: upstream is down' >&2; exit 0", 7, "`fly` ended well but printed no token: upstream is down"),
    ("echo 'Error: upstream is down'; exit 0", 7, "`fly` ended well but printed no token: upstream is down"),
    ("exit 0", 7, "`fly` ended well but printed no token"),
    ("echo '{\"token\": \"hello\"}'", 7, "token"),
];

#[test]
fn a_failing_fly_has_its_exit_code_and_the_manual_token_is_still_reached() {
    for (script, code, said) in FAILURES {
        let (home, _) = with_fly(script, "");
        let text = complaint(&home, code);
        assert!(text.contains(said), "{script}: {text}");
        assert_manual_answers(&home);
    }
}

#[test]
fn a_token_among_noise_is_found() {
    let mint = MINT.replace("cat ", "out ");
    for (what, out) in [
        (
            "notices on standard error",
            "echo 'Warning: Metrics send issue: timeout' >&2; cat \"$1\"; echo 'Update available 0.3 -> 0.4' >&2",
        ),
        ("CR and LF", "sed 's/$/\\r/' \"$1\""),
        ("debug lines around it", "echo 'DEBUG --> POST {\"a\": 1}'; cat \"$1\"; echo 'DEBUG <-- 200 {\"data\": {}} in 12ms'"),
        ("a broken configuration", "echo 'Error loading config {oh: no'; cat \"$1\""),
        ("no JSON", "sed -n 's/.*\"\\(FlyV1 .*\\)\"/\\1/p' \"$1\""),
        ("bytes that are no text", "printf '\\377\\376{\\n'; cat \"$1\""),
    ] {
        let token = minted(1, DAY);
        let (home, _) = with_fly(&format!("out() {{ {out}; }}\n{}", mint.replace("$(out ", "$(cat ")), &token);
        let ran = home.run(&["get", "web", "--kind", "deploy"]);
        assert_eq!(ran.code, Some(0), "{what}: {}", ran.stderr);
        assert_eq!(ran.token(), format!("FlyV1 {token}"), "{what}");
    }
}

/// A process in a session of its own that holds the output open, and notes its number before the script goes on.
const DAEMON: &str = "setsid sh -c \"echo \\$\\$ > $notes/pid.new; mv $notes/pid.new $notes/pid2; exec sleep 1000\" & \
                      while [ ! -e $notes/pid2 ]; do sleep 0.01; done\n";

#[test]
fn whatever_stays_behind_is_gone_when_the_answer_is_there() {
    let note = "echo $$ > $notes/pid1\n";
    let child = "sleep 1000 & echo $! > $notes/pid2\n";
    for (what, script) in
        [("a grandchild", [note, child, MINT].concat()), ("a grandchild in a session of its own", [note, DAEMON, MINT].concat())]
    {
        let token = minted(1, DAY);
        let (home, fly) = with_fly(&script, &token);
        let ran = home.run(&["get", "web", "--kind", "deploy"]);
        assert_eq!(ran.code, Some(0), "{what}: {}", ran.stderr);
        assert_eq!(ran.token(), format!("FlyV1 {token}"), "{what}");
        assert_eq!(fly.pids().into_iter().filter(|pid| is_there(*pid)).count(), 0, "{what}");
        assert_eq!(fly.pids().len(), 2, "{what}");
    }
}

#[test]
fn a_fly_that_does_not_come_to_an_end_is_ended_and_the_manual_token_is_still_reached() {
    let note = "echo $$ > $notes/pid1\n";
    for (what, script, said) in [
        ("hanging", [note, "trap '' TERM\n", DAEMON, "sleep 1000"].concat(), "did not finish in time"),
        ("writing 50 MB", [note, DAEMON, "head -c 52428800 /dev/zero; sleep 1000"].concat(), "wrote more than allowed"),
        ("writing 50 MB of errors", [note, DAEMON, "head -c 52428800 /dev/zero >&2; exit 1"].concat(), "exit code 1"),
    ] {
        let (home, fly) = with_fly(&script, "");
        let agent = home.agent();
        let text = complaint(&home, 8);
        assert!(text.contains(said), "{what}: {text}");
        assert_eq!(fly.pids().into_iter().filter(|pid| is_there(*pid)).count(), 0, "{what}");
        assert_eq!(fly.pids().len(), 2, "{what}");
        assert_manual_answers(&home);
        agent.stop();
    }
}

#[test]
fn a_prompt_finds_no_input_and_no_terminal() {
    let prompt = "printf 'Select Organization: '; read answer || answer=nothing; (: < /dev/tty) && answer=terminal\n\
                  echo \"Error: read $answer\" >&2; exit 1";
    let (home, _) = with_fly(prompt, "");
    let text = complaint(&home, 8);
    assert!(text.contains("read nothing"), "{text}");
}

#[test]
fn an_agent_that_is_stopped_while_fly_runs_leaves_no_process() {
    for ends in [crate::harness::Agent::stop, crate::harness::Agent::kill] {
        let (home, fly) = with_fly(&["echo $$ > $notes/pid1\n", DAEMON, "sleep 1000"].concat(), "");
        home.configure("sources: { cli: { timeout: 30s } }\n");
        let agent = home.agent();
        let mut asking = home.command(&["get", "web"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        eventually("the daemon", || (fly.pids().len() == 2).then_some(()));
        // It would ask again, or by itself, once the agent is gone.
        asking.kill().unwrap();
        asking.wait().unwrap();
        ends(agent);
        eventually("the end", || (!fly.pids().into_iter().any(is_there)).then_some(()));
    }
}

#[test]
fn flyctl_is_found_where_fly_is_missing() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    fs::rename(home.outside("bin/fly"), home.outside("bin/flyctl")).unwrap();
    assert_eq!(home.run(&["get", "web", "--json"]).json()["source"], "cli");
}

#[test]
fn neither_fly_nor_flyctl_is_absent_with_the_places_looked_at() {
    // A machine where one of them is in a usual place has no way to be without.
    let usual = ["/usr/local/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin", "/usr/bin", "/bin"];
    if usual.iter().any(|folder| ["fly", "flyctl"].iter().any(|name| Path::new(folder).join(name).exists())) {
        return;
    }
    let home = Home::new();
    home.log_in(&user_token());
    let text = complaint(&home, 3);
    assert!(text.starts_with("`fly` is not installed"), "{text}");
    let own = [home.outside("bin/fly"), home.outside("bin/flyctl"), home.path(".fly/bin/fly"), home.path(".fly/bin/flyctl")];
    for place in own.iter().map(|path| path.display().to_string()).chain(usual.map(|folder| format!("{folder}/flyctl"))) {
        assert!(text.contains(&place), "{place}: {text}");
    }
    assert_manual_answers(&home);
}

#[test]
fn a_fly_that_others_can_change_is_refused_with_the_command_that_mends_it() {
    for changed in ["bin", "bin/fly"] {
        let (home, fly) = Home::logged_in(&user_token());
        fly.mints("web", &[minted(1, DAY)]);
        let path = home.outside(changed);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let text = complaint(&home, 8);
        let command = format!("chmod go-w {}", path.canonicalize().unwrap().display());
        assert!(text.contains(&format!("`{command}`")), "{text}");
        assert!(fly.calls().is_empty());
        assert!(std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success());
        home.run(&["get", "web"]).ends_with(0);
    }
}

/// Notes all that it was given.
const INVENTORY: &str = "env > $notes/env; pwd > $notes/pwd; ls -A . \"$FLY_CONFIG_DIR\" > $notes/files
stat -c %a \"$FLY_CONFIG_DIR\" > $notes/mode; tr '\\0' '\\n' < /proc/$$/cmdline > $notes/cmdline
echo '{}' > \"$FLY_CONFIG_DIR/config.yml\"\n";

#[test]
fn fly_gets_the_login_in_one_variable_and_a_private_empty_folder() {
    let token = user_token();
    let (mut home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    fly.says(&[INVENTORY, MINT].concat());
    // The caller's own, and what would lead `fly` astray; the login is the one that goes first.
    for (name, value) in
        [("FLY_ACCESS_TOKEN", token.as_str()), ("FLY_API_BASE_URL", "http://evil"), ("LOG_LEVEL", "debug"), ("FLY_APP", "x")]
    {
        home.set(name, value);
    }
    home.run(&["get", "web"]).ends_with(0);
    let variables = fly.note("env").unwrap();
    let holders: Vec<_> = variables.lines().filter(|line| line.contains(&token)).collect();
    assert_eq!(holders, [format!("FLY_API_TOKEN={token}")]);
    for name in ["FLY_ACCESS_TOKEN", "FLY_API_BASE_URL", "LOG_LEVEL", "FLY_APP"] {
        assert!(!variables.lines().any(|line| line.starts_with(&format!("{name}="))), "{variables}");
    }
    let folder = variables.lines().find_map(|line| line.strip_prefix("FLY_CONFIG_DIR=")).unwrap();
    assert_eq!(fly.note("pwd").unwrap().trim(), folder);
    assert_eq!(fly.note("mode").unwrap().trim(), "700");
    let listed = format!(".:\n\n{folder}:\n");
    assert_eq!(fly.note("files").unwrap(), listed, "it is empty");
    assert!(!Path::new(folder).exists(), "it goes with the run");
    canary::assert_clean("the arguments of fly", fly.note("cmdline").unwrap().as_bytes());
}

#[test]
fn every_mint_has_a_name_of_its_own_and_an_end() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &(1..=4).map(|days| minted(1, DAY * days)).collect::<Vec<_>>());
    home.configure("sources: { cli: { settings: { expiry: 36h } } }\n");
    for arguments in [&["get", "web"][..], &["get", "web", "--kind", "deploy"], &["refresh", "web"], &["refresh", "web"]] {
        home.run(arguments).ends_with(0);
    }
    let calls = fly.calls();
    let option = |call: &str, name: &str| {
        let mut words = call.split(' ').skip_while(|word| *word != name);
        words.nth(1).unwrap_or_else(|| panic!("no {name} in {call}")).to_owned()
    };
    let names: HashSet<_> = calls.iter().map(|call| option(call, "-n")).collect();
    assert_eq!((calls.len(), names.len()), (4, 4), "{calls:?}");
    assert!(names.iter().all(|name| name.starts_with("flytoken-web-")), "{names:?}");
    assert!(calls.iter().all(|call| option(call, "-x") == "129600s" && option(call, "-a") == "web"), "{calls:?}");
}

#[test]
fn no_process_holds_a_token_in_its_arguments_while_fly_runs() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    fly.hold("web");
    let agent = home.agent();
    let asking = home.command(&["get", "web"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    fly.called(1);
    assert!(agent.descendants().len() >= 2, "a supervisor and what it runs");
    agent.search_processes();
    fly.let_go("web");
    assert!(asking.wait_with_output().unwrap().status.success());
    canary::assert_clean("the arguments of fly", fly.calls().join("\n").as_bytes());
    agent.stop();
}
