//! The agent of the whole system: whom it answers, what only its administrator may ask, when it does not start, and who is never taken for it.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, Permissions},
    io::Read,
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        net::{UnixListener, UnixStream},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use flytoken::cli::{self, Cli};
use rustix::process::geteuid;

use crate::harness::{Agent, Home, NOBODY, Ran, Wire, as_nobody, get, minted};

const DAY: Duration = Duration::from_hours(24);

/// The agent's account.
const ACCOUNT: u32 = 65_532;

/// Somebody whom no rule names.
const STRANGER: u32 = 65_531;

const ROOT: u32 = 0;

/// A machine with folders for the agent of the whole system, as systemd would make them.
struct Machine {
    home: Home,
}

impl Machine {
    /// None where this is not root, who alone can become others.
    #[expect(clippy::print_stdout, reason = "a test that shows nothing says so")]
    fn new() -> Option<Self> {
        if !geteuid().is_root() {
            println!("not shown: only root can become another user");
            return None;
        }
        let home = Home::new();
        let machine = Self { home };
        fs::create_dir_all(machine.folder()).unwrap();
        fs::create_dir_all(machine.home.outside("state")).unwrap();
        for folder in [machine.home.outside(""), machine.home.outside("system"), machine.folder()] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        for folder in [machine.folder(), machine.home.outside("state"), cache().to_owned()] {
            chown(folder, Some(ACCOUNT), Some(ACCOUNT)).unwrap();
        }
        Some(machine)
    }

    fn governed(clients: &str) -> Option<Self> {
        let machine = Self::new()?;
        machine.govern(&format!("version: 1\nagent: required\nclients:\n{OWN_RULES}{clients}"));
        Some(machine)
    }

    fn govern(&self, policy: &str) {
        self.home.govern(policy);
        fs::set_permissions(self.home.outside("system/policy.yaml"), Permissions::from_mode(0o644)).unwrap();
    }

    /// The folder of the socket.
    fn folder(&self) -> PathBuf {
        self.home.outside("system/run")
    }

    fn socket(&self) -> PathBuf {
        self.folder().join("agent.sock")
    }

    /// The agent's command, as its unit has it.
    fn service(&self) -> Command {
        let mut command = self.home.command(&["agent", "--system", "-v"]);
        command.env("STATE_DIRECTORY", self.home.outside("state")).env("CACHE_DIRECTORY", cache()).env("RUNTIME_DIRECTORY", self.folder());
        command.uid(ACCOUNT).gid(ACCOUNT);
        command
    }

    fn start(&self) -> Agent {
        Agent::start_by(&self.home, self.service(), &self.socket())
    }

    /// Runs the binary as some user.
    fn run_as(&self, uid: u32, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.home.command(arguments);
        if uid != ROOT {
            let theirs = self.home.outside(&format!("home-of-{uid}"));
            fs::create_dir_all(&theirs).unwrap();
            chown(&theirs, Some(uid), Some(uid)).unwrap();
            command.uid(uid).gid(uid).env("HOME", theirs);
        }
        Ran::of(command, input.as_bytes())
    }
}

/// A cache that the account may write, shared by all behaviours: what is in it depends on the components alone.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache-of-an-account");
        fs::create_dir_all(&folder).unwrap();
        folder
    })
}

const OWN_RULES: &str = "  - { name: the account, user: 65532 }\n  - { name: root, user: 0 }\n";

#[test]
fn another_user_gets_what_a_rule_admits_it_to_and_hears_which_rule_denies_it_the_rest() {
    let rules = "  - { name: not that one, deny: true, user: 65533, apps: [api] }\n  - { name: one app, user: 65533, apps: [web] }\n";
    let Some(machine) = Machine::governed(rules) else { return };
    let agent = machine.start();
    let token = minted(1, DAY);
    for app in ["web", "api"] {
        machine.run_as(ACCOUNT, &["set", app], &token).ends_with(0);
    }
    assert_eq!(machine.run_as(NOBODY, &["get", "web"], "").token(), format!("FlyV1 {token}"));
    let asked = format!("the system's was asked, at {}", machine.socket().display());
    for (uid, app, why) in [
        (NOBODY, "api", "its rule `not that one` says so"),
        (NOBODY, "other", "none of its rules under `clients` admits this client"),
        (STRANGER, "web", "none of its rules under `clients` admits this client"),
    ] {
        let ran = machine.run_as(uid, &["get", app], "");
        let told = ran.ends_with(4);
        assert!(told.contains(why) && told.contains(&asked), "{uid} {app}: {told}");
        assert_eq!(ran.stdout, "");
    }
    // Where its user has an agent, that one is asked.
    let own = machine.home.agent();
    assert_eq!(machine.home.run(&["status", "--json"]).json()["agent"]["system"], false);
    own.stop();
    assert_eq!(machine.home.run(&["status", "--json"]).json()["agent"]["system"], true);
    assert!(machine.home.run(&["status"]).stdout.contains("for the whole system"));
    agent.stop();
    // And without any, the policy lets nobody do without.
    assert!(machine.run_as(NOBODY, &["get", "web"], "").ends_with(5).contains("requires an agent"));
}

#[test]
fn what_is_the_administrators_no_rule_gives_to_another_user() {
    let Some(machine) = Machine::governed("  - { name: everything, user: 65533 }\n") else { return };
    let _agent = machine.start();
    let token = minted(1, DAY);
    machine.run_as(ACCOUNT, &["set", "web"], &token).ends_with(0);
    let other = minted(2, DAY);
    for (arguments, input) in [
        (&["set", "web"][..], other.as_str()),
        (&["unset", "web"], ""),
        (&["invalidate", "web"], ""),
        (&["invalidate", "web", "--token-stdin"], token.as_str()),
        (&["status"], ""),
        (&["minted"], ""),
        (&["revoke", "flytoken-web-deploy-00c0ffee0000"], ""),
        (&["audit", "verify"], ""),
    ] {
        let ran = machine.run_as(NOBODY, arguments, input);
        assert!(ran.ends_with(4).contains("from root and its own account alone"), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(machine.run_as(NOBODY, &["get", "web"], "").token(), format!("FlyV1 {token}"), "nothing of it was done");
    machine.run_as(NOBODY, &["explain", "web"], "").ends_with(0);
    for uid in [ROOT, ACCOUNT] {
        machine.run_as(uid, &["minted"], "").ends_with(0);
    }
    let doctor = machine.run_as(NOBODY, &["doctor", "--json"], "").json();
    let check = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "agent").unwrap();
    assert_eq!(check["state"], "ok", "{check}");
    assert!(check["text"].as_str().unwrap().contains(&machine.socket().display().to_string()), "{check}");
    machine.run_as(ROOT, &["invalidate", "web"], "").ends_with(0);
    machine.run_as(NOBODY, &["get", "web"], "").ends_with(6);
}

#[test]
fn the_login_is_the_systemd_credential_and_nobodys_home() {
    let Some(machine) = Machine::governed("") else { return };
    let login = "fo1_nobodys";
    machine.home.write(".fly/config.yml", format!("access_token: {login}\nlast_login: 2026-11-01T10:00:00Z\n"));
    machine.home.write(".config/flytoken/config.yaml", "version: 1\nchain: [nope]\n");
    let agent = machine.start();
    let status = machine.home.run(&["status", "--json"]).json();
    assert_eq!(status["login"]["present"], false, "{status}");
    assert_eq!(status["config"]["files"].as_array().unwrap().len(), 0, "{status}");
    assert_eq!(status["storage"]["key"], "file", "{status}");
    assert!(status["login"]["origin"].as_str().unwrap().contains("`fly-login`"), "{status}");
    agent.stop();

    let credentials = machine.home.outside("secrets");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("fly-login"), format!("{}\n", minted(7, DAY))).unwrap();
    let mut service = machine.service();
    service.env("CREDENTIALS_DIRECTORY", &credentials);
    let _agent = Agent::start_by(&machine.home, service, &machine.socket());
    let status = machine.home.run(&["status", "--json"]).json();
    assert_eq!(status["login"]["present"], true, "{status}");
    assert_eq!(status["login"]["origin"], format!("the credential {}", credentials.join("fly-login").display()));
}

#[test]
fn without_rules_that_it_can_enforce_it_does_not_start() {
    let Some(machine) = Machine::new() else { return };
    let refused = |code: i32, words: &str| {
        let ran = Ran::of(machine.service(), b"");
        assert!(ran.ends_with(code).contains(words), "{words}: {}", ran.stderr);
        assert!(UnixStream::connect(machine.socket()).is_err());
    };
    refused(4, "there is no");
    for (policy, words) in [
        ("version: 1\n", "write `clients:"),
        ("version: 1\nclients: []\n", "write `clients:"),
        ("version: 1\nmode: report\nclients: [{ name: all }]\n", "everybody's tokens to everybody"),
        ("version: 1\nclients: [{ name: one, executable: /usr/bin/deploy }]\n", "AmbientCapabilities=CAP_SYS_PTRACE"),
        ("version: 1\nclients: [{ name: one, root-owned: true }]\n", "AmbientCapabilities=CAP_SYS_PTRACE"),
        ("version: 1\nclients: [{ name: one, deny: true, sha256: \"DIGEST\" }]\n", "AmbientCapabilities=CAP_SYS_PTRACE"),
    ] {
        machine.govern(&policy.replace("DIGEST", &"ab".repeat(32)));
        refused(4, words);
    }
}

#[test]
fn without_folders_from_its_unit_or_an_account_of_its_own_it_does_not_start() {
    let Some(machine) = Machine::governed("") else { return };
    for (variable, value, words) in [
        ("STATE_DIRECTORY", "", "write `StateDirectory=flytoken`"),
        ("CACHE_DIRECTORY", "relative", "write `CacheDirectory=flytoken`"),
        ("RUNTIME_DIRECTORY", "/run/one:/run/two", "write `RuntimeDirectory=flytoken`"),
        ("RUNTIME_DIRECTORY", "/tmp", "clients look for"),
    ] {
        let mut service = machine.service();
        service.env(variable, value);
        let ran = Ran::of(service, b"");
        assert!(ran.ends_with(7).contains(words), "{variable}: {}", ran.stderr);
    }
    let mut service = machine.service();
    service.uid(ROOT).gid(ROOT);
    assert!(Ran::of(service, b"").ends_with(7).contains("that is not root"));
}

#[test]
fn a_policy_without_clients_stops_every_answer_of_one_that_runs() {
    let Some(machine) = Machine::governed("  - { name: nobody, user: 65533, requests: [get] }\n") else { return };
    let _agent = machine.start();
    machine.run_as(ACCOUNT, &["set", "web"], &minted(1, DAY)).ends_with(0);
    machine.run_as(NOBODY, &["get", "web"], "").ends_with(0);
    machine.govern("version: 1\n");
    crate::harness::eventually("a denial", || {
        let ran = machine.run_as(NOBODY, &["get", "web"], "");
        (ran.code == Some(4)).then(|| assert!(ran.stderr.contains("while the policy does not hold"), "{}", ran.stderr))
    });
    machine.run_as(ROOT, &["status"], "").ends_with(0);
}

#[test]
fn with_the_capability_programs_are_told_apart_and_none_that_is_started_has_it() {
    let Some(machine) = Machine::governed("  - { name: this program, user: 65533, executable: \"*\", apps: [web] }\n") else { return };
    let service = machine.service();
    let mut command = Command::new("setpriv");
    let account = ACCOUNT.to_string();
    command.args([
        "--reuid",
        &account,
        "--regid",
        &account,
        "--clear-groups",
        "--inh-caps",
        "+sys_ptrace",
        "--ambient-caps",
        "+sys_ptrace",
    ]);
    command.arg(service.get_program()).args(service.get_args());
    command.env_clear().envs(service.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(service.get_current_dir().unwrap());
    let mut probe = Command::new("setpriv");
    probe.args(["--reuid", &account, "--clear-groups", "--inh-caps", "+sys_ptrace", "--ambient-caps", "+sys_ptrace", "true"]);
    if !probe.output().is_ok_and(|ran| ran.status.success()) {
        return println!("not shown: nobody can be given a capability here");
    }
    let agent = Agent::start_by(&machine.home, command, &machine.socket());
    machine.run_as(ACCOUNT, &["set", "web"], &minted(1, DAY)).ends_with(0);
    machine.run_as(NOBODY, &["get", "web"], "").ends_with(0);
    machine.run_as(STRANGER, &["get", "web"], "").ends_with(4);
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let capabilities = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_eq!((capabilities("CapAmb:"), capabilities("CapEff:")), (0, 1 << 19), "{status}");
}

/// Makes of the socket's folder what is not to be trusted, and listens there.
type Trap = fn(&Path) -> UnixListener;

#[test]
fn nobody_who_listens_in_its_place_is_told_anything() {
    let traps: &[(&str, Trap)] = &[
        ("can be written by others", |folder| {
            fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
            as_nobody(|| UnixListener::bind(folder.join("agent.sock")).unwrap())
        }),
        ("can be written by others", |folder| {
            fs::set_permissions(folder, Permissions::from_mode(0o1777)).unwrap();
            as_nobody(|| UnixListener::bind(folder.join("agent.sock")).unwrap())
        }),
        // The folder of a third user, and somebody else's socket in it.
        ("is no socket of user 65531, who owns its folder", |folder| {
            chown(folder, Some(STRANGER), None).unwrap();
            UnixListener::bind(folder.join("agent.sock")).unwrap()
        }),
        // Their socket as well, and somebody else listens on it.
        ("user 0 listens on", |folder| {
            chown(folder, Some(STRANGER), None).unwrap();
            let listener = UnixListener::bind(folder.join("agent.sock")).unwrap();
            chown(folder.join("agent.sock"), Some(STRANGER), None).unwrap();
            listener
        }),
        // A third user may have made the folder.
        ("belongs to user 65531, who could put something else there", |folder| {
            chown(folder.parent().unwrap(), Some(STRANGER), None).unwrap();
            chown(folder, Some(STRANGER), None).unwrap();
            let listener = UnixListener::bind(folder.join("agent.sock")).unwrap();
            chown(folder.join("agent.sock"), Some(STRANGER), None).unwrap();
            listener
        }),
        // Anybody may put another folder in its place.
        ("can be changed by everybody", |folder| {
            fs::set_permissions(folder.parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
            UnixListener::bind(folder.join("agent.sock")).unwrap()
        }),
        ("is no folder", |folder| {
            let elsewhere = folder.with_file_name("elsewhere");
            fs::rename(folder, &elsewhere).unwrap();
            symlink(&elsewhere, folder).unwrap();
            UnixListener::bind(elsewhere.join("agent.sock")).unwrap()
        }),
        ("is no socket of user", |folder| {
            let listener = UnixListener::bind(folder.join("other.sock")).unwrap();
            symlink("other.sock", folder.join("agent.sock")).unwrap();
            listener
        }),
    ];
    for (words, trap) in traps {
        let Some(machine) = Machine::new() else { return };
        let listener = trap(&machine.folder());
        if let Ok(socket) = fs::symlink_metadata(machine.socket())
            && !socket.is_symlink()
        {
            fs::set_permissions(machine.socket(), Permissions::from_mode(0o666)).unwrap();
        }
        let ran = machine.run_as(NOBODY, &["set", "web"], &minted(1, DAY));
        assert!(ran.ends_with(5).contains(words), "{words}: {}", ran.stderr);
        listener.set_nonblocking(true).unwrap();
        if let Ok((mut stream, _)) = listener.accept() {
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            assert_eq!(heard, b"", "{words}");
        }
    }
}

#[test]
fn a_flood_of_one_user_leaves_room_for_the_others() {
    const SHARE: usize = flytoken::agent::MAX_CONNECTIONS_OF_A_USER;
    let Some(machine) = Machine::governed("") else { return };
    let agent = machine.start();
    let flood = as_nobody(|| (0..2 * SHARE).map(|_| UnixStream::connect(&agent.socket).unwrap()).collect::<Vec<_>>());
    crate::harness::eventually("connections", || {
        let open = agent.status()["resources"]["connections"].as_u64();
        (open == Some(u64::try_from(SHARE).unwrap() + 1)).then_some(())
    });
    assert!(Wire::connect(&agent.socket).ask(&get("web"))["failure"].is_object(), "root is answered");
    drop(flood);
    crate::harness::eventually("room", || {
        let answer = as_nobody(|| Wire::connect(&agent.socket).try_ask(&get("web")));
        answer.filter(|answer| answer["failure"]["message"].as_str().is_some_and(|why| why.contains("none of its rules")))
    });
}

fn units() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/systemd");
    let units = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    units.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_command_line_of_the_units_is_one_that_this_program_takes() {
    let mut agents = Vec::new();
    for (unit, text) in units() {
        for line in text.lines().filter_map(|line| line.strip_prefix("Exec")) {
            let arguments: Vec<_> = line.split_once('=').unwrap().1.split(' ').map(Into::into).collect();
            let command = Cli::from_arguments(&arguments).unwrap_or_else(|error| panic!("{unit}: {error}")).command;
            let cli::Command::Agent(agent) = command else { panic!("{unit}: {command:?}") };
            agents.push((unit.clone(), agent.system));
        }
    }
    agents.sort();
    assert_eq!(agents, [("flytoken-system.service".to_owned(), true), ("flytoken.service".to_owned(), false)]);
}

#[test]
fn systemd_takes_the_units_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_flytokend");
    // All of them first: one names another.
    for (unit, text) in units() {
        let text = text.replace("/usr/local/bin/flytokend", program).replace("%h/.local/bin/flytokend", program);
        fs::write(folder.path().join(&unit), text).unwrap();
    }
    for (unit, _) in units() {
        let file = folder.path().join(&unit);
        let mut command = Command::new("systemd-analyze");
        command.arg("verify").arg(&file).env("SYSTEMD_LOG_LEVEL", "warning");
        let Ok(ran) = command.output() else { return println!("not shown: there is no systemd-analyze here") };
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success() && !said.contains(&unit), "{unit}: {said}");
    }
}

#[test]
fn the_readmes_policy_for_it_holds() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let section = readme.split("### An agent for every user").nth(1).unwrap();
    let yaml = section.split("```yaml\n").nth(1).unwrap().split("\n```").next().unwrap();
    let Some(machine) = Machine::new() else { return };
    // Its log is where the unit's account may write.
    let audit = machine.home.outside("state/audit.jsonl").display().to_string();
    machine.govern(&yaml.replace("/var/log/flytoken/audit.jsonl", &audit));
    let agent = machine.start();
    machine.run_as(ROOT, &["set", "web"], &minted(1, DAY)).ends_with(0);
    machine.run_as(NOBODY, &["get", "web"], "").ends_with(4);
    agent.stop();
}
