//! Granted commands through real processes: whatever a program does, the outcome is right and nothing of it is left.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, but not in what these share")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use flytoken::{
    app::AppName,
    command::{CommandGrant, Commands, Failure, Invocation, Output},
    system::Environment,
    token::ApiToken,
};
use rustix::process::{Pid, Signal};
use tokio::time::Instant;
use zeroize::Zeroizing;

const CANARY: &str = "fm2_canaryOfCommands";

/// A home with one program `fly`, a shell script.
struct Fixture {
    home: tempfile::TempDir,
    commands: Commands,
}

impl Fixture {
    fn new(script: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("bin")).unwrap();
        fs::set_permissions(home.path().join("bin"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(home.path().join("scratch")).unwrap();
        fs::create_dir(home.path().join("notes")).unwrap();
        let program = home.path().join("bin/fly");
        fs::write(&program, format!("#!/bin/sh\nnotes={}\n{script}\n", home.path().join("notes").display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let commands = commands(home.path());
        Self { home, commands }
    }

    fn invocation(&self, timeout: Duration) -> Invocation {
        invocation(self.home.path(), timeout)
    }

    async fn run(&self, timeout: Duration) -> Result<Output, Failure> {
        let permit = self.commands.permit().await;
        self.commands.run(&permit, self.invocation(timeout)).await
    }

    fn note(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.home.path().join("notes").join(name)).ok().filter(|text| text.ends_with('\n'))
    }

    /// Sends a signal to the process that noted its number there.
    fn signal(&self, name: &str, signal: Signal) {
        let pid: i32 = self.note(name).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    async fn noted(&self, name: &str) -> String {
        eventually(name, || self.note(name)).await
    }

    /// Waits until the processes that noted their numbers are gone.
    async fn all_gone<const N: usize>(&self, names: [&str; N]) {
        let pids: [i32; N] = names.map(|name| self.note(name).unwrap().trim().parse().unwrap());
        eventually("the end", || pids.iter().all(|pid| !is_there(*pid)).then_some(())).await;
    }

    /// Every process that noted its number is gone, and so is the private folder.
    fn assert_nothing_left(&self, processes: usize) {
        let pids: Vec<i32> = fs::read_dir(self.home.path().join("notes"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("pid"))
            .map(|name| self.note(&name).unwrap().trim().parse().unwrap())
            .collect();
        assert_eq!(pids.len(), processes, "not every process got as far as its note");
        for pid in pids {
            assert!(!is_there(pid), "process {pid} is left");
        }
        assert_eq!(fs::read_dir(self.home.path().join("scratch")).unwrap().count(), 0, "a private folder is left");
    }
}

fn commands(home: &Path) -> Commands {
    let environment = Environment::from_iter([
        ("PATH", home.join("bin").into_os_string()),
        ("https_proxy", "http://proxy:1".into()),
        ("FLYTOKEN_TEST_WRITES", home.join("notes").into()),
    ]);
    Commands::new(PathBuf::from(env!("CARGO_BIN_EXE_flytokend")), home.join("scratch"), &environment)
}

fn invocation(home: &Path, timeout: Duration) -> Invocation {
    let yaml =
        "{ program: PROGRAM, args: [-a, '{app}', -n, '{unique}'], env: { FLY_API_TOKEN: { secret: login }, FLY_CONFIG_DIR: '{dir}' } }";
    let program = home.join("bin/fly");
    Invocation {
        before: None,
        grant: serde_yaml::from_str::<CommandGrant>(&yaml.replace("PROGRAM", program.to_str().unwrap())).unwrap(),
        app: AppName::parse("web").unwrap(),
        organization: None,
        expiry: "24h0m0s".to_owned(),
        unique: "flytoken-1".to_owned(),
        id: None,
        login: Some(Arc::new(ApiToken::new(Zeroizing::new(CANARY.to_owned())))),
        timeout,
    }
}

/// Whether a process lives. A dead one whose new parent, process 1 of some container, never collects it does not count.
fn is_there(pid: i32) -> bool {
    let is_dead = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    rustix::process::test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && !is_dead
}

async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < give_up, "{what} never came");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_program_gets_its_arguments_an_empty_folder_and_a_built_environment() {
    let script = r#"
        echo "args $*"; echo "name $0"
        echo "here $(ls -A | wc -l)"; [ "$PWD" = "$HOME" ] && [ "$HOME" = "$FLY_CONFIG_DIR" ] && echo same
        env | cut -d= -f1 | sort | tr '\n' ' '
        tr '\0' ' ' < /proc/$$/cmdline > $notes/cmdline
        tr '\0' ' ' < /proc/$PPID/cmdline > $notes/supervisor
        echo "$FLY_API_TOKEN" >&2
        mkdir logs; echo x > logs/fly.log"#;
    let fixture = Fixture::new(script);
    let output = fixture.run(LONG).await.unwrap();
    assert_eq!(output.code, Some(0));
    let stdout = String::from_utf8(output.stdout.to_vec()).unwrap();
    let program = fixture.home.path().join("bin/fly");
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[..4], ["args -a web -n flytoken-1", &format!("name {}", program.display()), "here 0", "same"]);
    let variables: Vec<&str> = lines[4].split(' ').filter(|name| !["_", "PWD", "OLDPWD", "SHLVL", ""].contains(name)).collect();
    assert_eq!(variables, ["FLY_API_TOKEN", "FLY_CONFIG_DIR", "HOME", "LANG", "PATH", "TMPDIR", "https_proxy"]);
    assert_eq!(output.stderr.trim_ascii(), CANARY.as_bytes());
    for note in ["cmdline", "supervisor"] {
        let text = fs::read_to_string(fixture.home.path().join("notes").join(note)).unwrap();
        assert!(!text.contains(CANARY) && !text.is_empty(), "{note}: {text}");
    }
    fixture.assert_nothing_left(0);
}

#[tokio::test]
async fn output_and_exit_code_come_back_untouched() {
    let fixture = Fixture::new(r"printf 'a\r\nb\r\000\377'; printf 'Error: no\r\n' >&2; exit 7");
    let output = fixture.run(LONG).await.unwrap();
    assert_eq!(output.code, Some(7));
    assert_eq!(**output.stdout, *b"a\r\nb\r\0\xff");
    assert_eq!(**output.stderr, *b"Error: no\r\n");
}

#[tokio::test]
async fn a_program_ended_by_a_signal_has_no_exit_code() {
    let output = Fixture::new("echo x; kill -9 $$").run(LONG).await.unwrap();
    assert_eq!((output.code, &**output.stdout), (None, &b"x\n"[..]));
}

#[tokio::test]
async fn a_prompt_finds_no_input_and_no_terminal() {
    let script = r#"printf 'Password: '; read answer && echo "got $answer" || echo none; : < /dev/tty && echo terminal"#;
    let output = Fixture::new(script).run(LONG).await.unwrap();
    assert_eq!(&**output.stdout, b"Password: none\n");
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_with_its_children() {
    let fixture = Fixture::new("trap '' TERM INT HUP; echo $$ > $notes/pid1; sleep 1000 & echo $! > $notes/pid2; wait; wait");
    let begun = Instant::now();
    assert_eq!(fixture.run(SHORT).await.unwrap_err(), Failure::TimedOut);
    assert!(begun.elapsed() >= SHORT && begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
    fixture.assert_nothing_left(2);
}

#[tokio::test]
async fn fifty_megabytes_of_output_are_cut_off() {
    let fixture = Fixture::new("echo $$ > $notes/pid1; head -c 50000000 /dev/zero; sleep 1000");
    assert_eq!(fixture.run(LONG).await.unwrap_err(), Failure::TooMuchOutput);
    fixture.assert_nothing_left(1);
}

#[tokio::test]
async fn one_megabyte_of_output_is_allowed_and_stderr_is_dropped_past_its_bound() {
    let output = Fixture::new("head -c 1048576 /dev/zero; head -c 50000000 /dev/zero >&2").run(LONG).await.unwrap();
    assert_eq!((output.code, output.stdout.len(), output.stderr.len()), (Some(0), 1 << 20, 1 << 16));
    assert_eq!(Fixture::new("head -c 1048577 /dev/zero").run(LONG).await.unwrap_err(), Failure::TooMuchOutput);
}

/// Ways to stay behind; each notes its number as `pid1` and holds the output open.
const STRAYS: &[(&str, &str)] = &[
    ("a grandchild", "(echo $(exec sh -c 'echo $PPID') > $notes/pid1; exec sleep 1000) &"),
    ("a grandchild in a session of its own", "setsid sh -c \"echo \\$\\$ > $notes/pid1; exec sleep 1000\" &"),
    ("a daemon", "(setsid sh -c \"(echo \\$(exec sh -c 'echo \\$PPID') > $notes/pid1; trap '' TERM HUP; sleep 1000; sleep 1000) &\" &)"),
];

#[tokio::test]
async fn whatever_stays_behind_is_ended_and_holds_the_answer_up_for_a_moment_only() {
    for (what, stray) in STRAYS {
        let fixture = Fixture::new(&format!("{stray}\nwhile [ ! -s $notes/pid1 ]; do :; done; echo token"));
        let begun = Instant::now();
        let output = fixture.run(LONG).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((output.code, &**output.stdout), (Some(0), &b"token\n"[..]), "{what}");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(200) && took < LONG / 4, "{what}: {took:?}");
        fixture.assert_nothing_left(1);
    }
}

#[tokio::test]
async fn what_a_grandchild_writes_right_after_the_program_is_still_read() {
    let output = Fixture::new("(sleep 0.05; echo late) & exit 3").run(LONG).await.unwrap();
    assert_eq!((output.code, &**output.stdout), (Some(3), &b"late\n"[..]));
}

#[tokio::test]
async fn a_program_that_keeps_forking_does_not_get_away() {
    let fixture = Fixture::new(
        "echo $$ > $notes/pid1; f() { sleep 0.01; f & f; }; n=0; while [ $n -lt 8 ]; do setsid sleep 1000 & n=$((n+1)); done; f & sleep 1000",
    );
    assert_eq!(fixture.run(Duration::from_millis(60)).await.unwrap_err(), Failure::TimedOut);
    fixture.assert_nothing_left(1);
    // The supervisor had proof that nothing is left before it answered, and serves on.
    fs::write(fixture.home.path().join("bin/fly"), "#!/bin/sh\necho ok\n").unwrap();
    assert_eq!(&**fixture.run(LONG).await.unwrap().stdout, b"ok\n");
}

#[tokio::test]
async fn giving_a_call_up_ends_all_it_started() {
    let fixture =
        Fixture::new("echo $PPID > $notes/pid0; echo $$ > $notes/pid1; setsid sh -c \"echo \\$\\$ > $notes/pid2; exec sleep 1000\"");
    let permit = fixture.commands.permit().await;
    let call = fixture.commands.run(&permit, fixture.invocation(LONG));
    tokio::select! {
        result = call => panic!("it ended by itself: {result:?}"),
        _ = fixture.noted("pid2") => {}
    }
    fixture.all_gone(["pid0", "pid1", "pid2"]).await;
    fixture.assert_nothing_left(3);
}

#[tokio::test]
async fn a_supervisor_that_does_not_answer_is_ended_with_what_it_started() {
    let fixture = Fixture::new("echo $PPID > $notes/pid0; setsid sh -c \"echo \\$\\$ > $notes/pid1; exec sleep 1000\" & sleep 1000");
    let stop = async {
        fixture.noted("pid1").await;
        fixture.signal("pid0", Signal::STOP);
    };
    // Time enough to get as far as that.
    let (ran, ()) = tokio::join!(fixture.run(Duration::from_secs(2)), stop);
    assert_eq!(ran.unwrap_err(), Failure::TimedOut);
    fixture.all_gone(["pid0", "pid1"]).await;
    fixture.assert_nothing_left(2);
}

#[tokio::test]
async fn a_supervisor_that_dies_fails_the_run_and_is_replaced() {
    let fixture = Fixture::new("echo $PPID > $notes/pid0; while [ ! -e $notes/again ]; do sleep 0.01; done; echo ok");
    let kill = async {
        fixture.noted("pid0").await;
        fixture.signal("pid0", Signal::KILL);
    };
    let (ran, ()) = tokio::join!(fixture.run(LONG), kill);
    assert!(matches!(ran, Err(Failure::Failed(_))));
    fs::write(fixture.home.path().join("notes/again"), "").unwrap();
    assert_eq!(&**fixture.run(LONG).await.unwrap().stdout, b"ok\n");
}

#[tokio::test]
async fn a_program_gains_no_privileges_and_leaves_no_core() {
    let fixture = Fixture::new("grep NoNewPrivs /proc/self/status; ulimit -H -c; ulimit -H -n; ulimit -H -f");
    let stdout = String::from_utf8(fixture.run(LONG).await.unwrap().stdout.to_vec()).unwrap();
    let lines: Vec<&str> = stdout.lines().collect();
    let [privileges, core, files, blocks] = lines[..] else { panic!("{stdout}") };
    assert_eq!((privileges, core), ("NoNewPrivs:\t1", "0"));
    assert!(files.parse::<u32>().unwrap() <= 4096 && blocks.parse::<u64>().unwrap() > 0, "{stdout}");
}

/// Whether the kernel can keep a process from writing and from signalling.
fn kernel_confines() -> bool {
    use landlock::{ABI, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
    let ruleset = || {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        ruleset.handle_access(AccessFs::from_write(ABI::V3))?.scope(Scope::Signal)?.create()
    };
    ruleset().is_ok()
}

#[tokio::test]
async fn a_program_writes_in_its_own_folder_and_signals_its_own_processes_alone() {
    if !kernel_confines() {
        return;
    }
    // Each line says what was tried, and whether that was possible.
    let fixture = Fixture::new(
        r#"
        elsewhere=$(dirname "$notes")/elsewhere
        try() { what=$1; shift; if ( "$@" ) 2>/dev/null; then echo "$what: yes"; else echo "$what: no"; fi; }
        put() { echo x > "$1"; }
        append() { echo x >> "$1"; }
        try home put "$HOME/file"
        try folder mkdir "$HOME/folder"
        try temporary put "$TMPDIR/folder/file"
        try rename mv "$HOME/file" "$HOME/folder/other"
        try remove rm -r "$HOME/folder"
        try null put /dev/null
        try read cat "$elsewhere/file"
        sleep 1000 & try child kill $!
        try new put "$elsewhere/new"
        try change put "$elsewhere/file"
        try append append "$elsewhere/file"
        try unlink rm -f "$elsewhere/file"
        try move mv "$elsewhere/file" "$HOME/stolen"
        try link ln -s /etc/passwd "$elsewhere/link"
        try directory mkdir "$elsewhere/folder"
        try itself append "$0"
        try supervisor kill -STOP $PPID"#,
    );
    let elsewhere = fixture.home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("file"), "as it was\n").unwrap();
    let stdout = String::from_utf8(fixture.run(LONG).await.unwrap().stdout.to_vec()).unwrap();
    let with = |answer: &str| -> Vec<&str> { stdout.lines().filter_map(|line| line.strip_suffix(answer)).collect() };
    assert_eq!(with(": yes"), ["home", "folder", "temporary", "rename", "remove", "null", "read", "child"], "{stdout}");
    assert_eq!(with(": no"), ["new", "change", "append", "unlink", "move", "link", "directory", "itself", "supervisor"], "{stdout}");
    assert!(stdout.contains("as it was\nread: yes\n"), "{stdout}");
    assert_eq!(fs::read_to_string(elsewhere.join("file")).unwrap(), "as it was\n");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
}

#[tokio::test]
async fn one_supervisor_serves_one_run_after_another() {
    let fixture = Fixture::new("echo $PPID");
    let first = fixture.run(LONG).await.unwrap();
    for _ in 0..5 {
        assert_eq!(fixture.run(LONG).await.unwrap().stdout, first.stdout);
    }
    let pid: i32 = std::str::from_utf8(&first.stdout).unwrap().trim().parse().unwrap();
    assert!(is_there(pid));
    fixture.commands.close().await;
    assert!(!is_there(pid));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let fixture = Fixture::new("");
    let program = fixture.home.path().join("bin/fly");
    fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    let Err(Failure::Failed(text)) = fixture.run(LONG).await else { panic!("it cannot start") };
    assert!(text.contains("cannot start") && text.contains("bin/fly") && text.contains("No such file"), "{text}");
    fixture.assert_nothing_left(0);

    fs::remove_file(&program).unwrap();
    assert_eq!(fixture.run(LONG).await.unwrap_err(), Failure::NotFound(vec![program]));
}

#[tokio::test]
async fn equal_commands_run_once_and_four_at_most_at_a_time() {
    // Called as `-a APP -n NAME`.
    let fixture = Fixture::new("echo $4 >> $notes/runs; sleep 0.1; echo token");
    let runs = || fixture.note("runs").unwrap_or_default().lines().count();
    let mut askers = tokio::task::JoinSet::new();
    let permit = fixture.commands.permit().await;
    for number in 0..100 {
        let (commands, permit) = (fixture.commands.clone(), permit.clone());
        let invocation = Invocation { unique: format!("n-{number}"), ..fixture.invocation(LONG) };
        askers.spawn(async move { commands.run_shared(&permit, "cli", invocation).await });
    }
    while let Some(shared) = askers.join_next().await {
        let output = shared.unwrap().unwrap();
        assert_eq!(&**output.stdout, b"token\n");
        // Whoever joined is told the name that it ran under, not the one of its own.
        assert_eq!(format!("{}\n", output.unique), fixture.note("runs").unwrap());
    }
    assert_eq!(runs(), 1);

    let permits = [fixture.commands.permit().await, fixture.commands.permit().await, fixture.commands.permit().await];
    let fifth = tokio::time::timeout(Duration::from_millis(20), fixture.commands.permit());
    assert!(fifth.await.is_err(), "a fifth at once");
    drop(permits);
    tokio::time::timeout(LONG, fixture.commands.permit()).await.unwrap();
}

/// The test below starts this test binary once more with this variable set, to have an agent that it can kill.
const ROLE: &str = "FLYTOKEN_TEST_AGENT_HOME";

#[tokio::test]
async fn killing_the_agent_ends_everything() {
    #[expect(clippy::disallowed_methods, reason = "tells the killed agent from the test that kills it")]
    if let Some(home) = std::env::var_os(ROLE) {
        let commands = commands(Path::new(&home));
        let permit = commands.permit().await;
        let _ = commands.run(&permit, invocation(Path::new(&home), LONG)).await;
        return;
    }
    let fixture =
        Fixture::new("echo $PPID > $notes/pid0; echo $$ > $notes/pid1; setsid sh -c \"echo \\$\\$ > $notes/pid2; exec sleep 1000\"");
    let this_test = std::thread::current().name().unwrap().to_owned();
    let mut agent = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&this_test, "--exact"])
        .env(ROLE, fixture.home.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    fixture.noted("pid2").await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    fixture.all_gone(["pid0", "pid1", "pid2"]).await;
    fixture.assert_nothing_left(3);
}
