//! Real processes, and what is found out about them.

#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use super::{Attested, Attestor, Facts, Peer, Unconfirmed, Wanted, peer::PeerHandle};
use crate::test_support::puppet::{Puppet, write_program};

/// A socket and a program that is no flytoken, in a folder of their own.
struct Stage {
    folder: tempfile::TempDir,
    listener: UnixListener,
    attestor: Attestor,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let stage = Self { folder, listener, attestor: Attestor::new() };
        Puppet::copy_to(&stage.path("client"));
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The other end of a puppet's connection.
    fn accept(&self, puppet: &mut Puppet) -> UnixStream {
        puppet.connect(&self.path("socket"));
        self.listener.accept().unwrap().0
    }

    /// A puppet of this program, connected and looked at.
    fn client(&self, program: &str) -> (Puppet, UnixStream, Attested) {
        let mut puppet = Puppet::start(&self.path(program));
        let stream = self.accept(&mut puppet);
        let attested = self.look(&stream, SEEN);
        (puppet, stream, attested)
    }

    /// A client that has become a small program, which lies here: it reads what it is sent.
    fn small(&self, program: &str) -> (Puppet, UnixStream, Attested) {
        let mut puppet = Puppet::start(&self.path("client"));
        let stream = self.accept(&mut puppet);
        puppet.become_shell(&format!("exec {} -c 'read -r line; read -r line'", self.path(program).display()));
        until_it_runs(puppet.pid(), program);
        let attested = self.look(&stream, Wanted::ALL);
        (puppet, stream, attested)
    }

    fn look(&self, stream: &UnixStream, wanted: Wanted) -> Attested {
        self.attestor.look(peer(stream), wanted)
    }
}

fn peer(stream: &UnixStream) -> Peer {
    let credentials = rustix::net::sockopt::socket_peercred(stream).unwrap();
    let pid = u32::try_from(credentials.pid.as_raw_nonzero().get()).unwrap();
    Peer::of(stream, Facts { pid: Some(pid), uid: credentials.uid.as_raw(), gid: credentials.gid.as_raw(), ..Facts::default() })
}

fn is_changed(attested: &Attested) -> bool {
    matches!(attested.confirm(), Err(Unconfirmed::Changed { .. }))
}

fn path_of(attested: &Attested) -> Option<&Path> {
    attested.facts().executable.as_ref().unwrap().path.as_deref()
}

fn sha256_of(attested: &Attested) -> [u8; 32] {
    attested.facts().executable.as_ref().unwrap().sha256.unwrap()
}

fn digest_of(path: &Path) -> [u8; 32] {
    Sha256::digest(fs::read(path).unwrap()).into()
}

/// Waits until a process runs this file, as one that becomes another program does in its own time.
fn until_it_runs(pid: u32, name: &str) {
    let exe = PathBuf::from(format!("/proc/{pid}/exe"));
    while !fs::read_link(&exe).is_ok_and(|path| path.display().to_string().contains(name)) {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn a_client_is_told_by_its_own_process() {
    let stage = Stage::new();
    let (puppet, _stream, attested) = stage.client("client");
    let facts = attested.facts();
    let own_cgroup = fs::read_to_string("/proc/self/cgroup").unwrap();
    assert_eq!((facts.pid, facts.uid), (Some(puppet.pid()), rustix::process::geteuid().as_raw()));
    let mut groups: Vec<_> = rustix::process::getgroups().unwrap().into_iter().map(rustix::process::Gid::as_raw).collect();
    groups.sort_unstable();
    assert_eq!(facts.groups, groups);
    assert!(facts.cgroup.as_deref().is_none_or(|cgroup| own_cgroup.contains(cgroup)), "{facts:?}");
    let executable = facts.executable.as_ref().unwrap();
    assert_eq!(executable.path.as_deref(), Some(stage.path("client").as_path()));
    assert_eq!((executable.elsewhere.as_deref(), facts.via_flytoken), (None, false));
    attested.confirm().unwrap();
}

#[test]
fn nothing_is_looked_at_that_nobody_wants_to_know() {
    let stage = Stage::new();
    let mut puppet = Puppet::start(&stage.path("client"));
    let stream = stage.accept(&mut puppet);
    let none = Wanted::default();
    for (wanted, path) in
        [(Wanted { groups: true, ..none }, false), (Wanted { executable: true, ..none }, true), (Wanted { cgroup: true, ..none }, false)]
    {
        let attested = stage.look(&stream, wanted);
        let facts = attested.facts();
        let executable = facts.executable.as_ref();
        assert!(wanted.groups || facts.groups.is_empty(), "{wanted:?}");
        assert_eq!(executable.is_some_and(|executable| executable.path.is_some()), path, "{wanted:?}");
        assert!(executable.is_none_or(|executable| executable.sha256.is_none()), "{wanted:?}");
        assert!(wanted.cgroup || facts.cgroup.is_none(), "{wanted:?}");
        assert!(attested.covers(wanted) && !attested.covers(Wanted::ALL));
        attested.confirm().unwrap();
    }
}

#[test]
fn who_has_ended_is_nobody_also_if_its_connection_lives_on() {
    let stage = Stage::new();
    let (mut puppet, stream, attested) = stage.client("client");
    puppet.start_shell("read -r line");
    attested.confirm().unwrap();
    puppet.end();
    assert!(is_changed(&attested));
    // Whoever comes to look later finds nobody either, whatever the number stands for by then.
    let later = stage.look(&stream, SEEN);
    assert!(is_changed(&later) && later.facts().executable.is_none());
}

#[test]
fn who_becomes_another_program_is_another_and_stays_so() {
    let stage = Stage::new();
    let (mut puppet, _stream, attested) = stage.client("client");
    attested.confirm().unwrap();
    let client = stage.path("client").display().to_string();
    puppet.become_shell(&format!("read -r line; exec {client} --list >&2"));
    until_it_runs(puppet.pid(), "sh");
    assert!(is_changed(&attested));
    assert!(attested.last_confirmed().is_err());
}

#[test]
fn a_number_that_is_another_processs_by_now_is_told_apart() {
    let stage = Stage::new();
    let (mut first, first_stream, _) = stage.client("client");
    let mut second = Puppet::start(&stage.path("client"));
    let second_stream = stage.accept(&mut second);
    // As if the first one's number were the second's, as soon as it is gone.
    let mut reused = peer(&first_stream);
    reused.facts.pid = Some(second.pid());
    first.end();
    let attested = stage.attestor.look(reused, SEEN);
    assert!(is_changed(&attested), "{attested:?}");
    stage.look(&second_stream, SEEN).confirm().unwrap();
}

#[test]
fn a_kernel_that_knows_numbers_alone_has_the_process_held_all_the_same() {
    let stage = Stage::new();
    let mut puppet = Puppet::start(&stage.path("client"));
    let stream = stage.accept(&mut puppet);
    let by_number = || Peer { handle: PeerHandle::Unknown, ..peer(&stream) };
    let attested = stage.attestor.look(by_number(), SEEN);
    attested.confirm().unwrap();
    assert_eq!(path_of(&attested), Some(stage.path("client").as_path()));
    // A process of somebody else that has the number now.
    let mut foreign = by_number();
    foreign.facts.uid += 1;
    assert!(is_changed(&stage.attestor.look(foreign, SEEN)));
    puppet.end();
    assert!(is_changed(&attested));
    assert!(is_changed(&stage.attestor.look(by_number(), SEEN)));
}

#[test]
fn a_path_is_one_only_if_it_leads_to_the_file_that_runs() {
    let stage = Stage::new();
    let client = stage.path("client");
    let (_puppet, stream, _) = stage.client("client");
    // Replaced, as an upgrade does it, and as whoever wants to be taken for another.
    fs::rename(&client, stage.path("moved")).unwrap();
    fs::write(&client, "something else").unwrap();
    let moved = stage.look(&stream, SEEN);
    assert_eq!(path_of(&moved), Some(stage.path("moved").as_path()));
    fs::remove_file(stage.path("moved")).unwrap();
    let gone = stage.look(&stream, SEEN);
    let executable = gone.facts().executable.clone().unwrap();
    assert_eq!(executable.path, None);
    assert!(executable.elsewhere.unwrap().ends_with("moved (deleted)"));
    assert!(!executable.root_owned);
    // A file of that very name changes nothing.
    fs::copy("/bin/sh", stage.path("moved (deleted)")).unwrap();
    assert_eq!(path_of(&stage.look(&stream, SEEN)), None);
}

#[test]
fn a_file_under_a_name_that_only_other_mounts_have_lies_nowhere() {
    let stage = Stage::new();
    let (allowed, evil) = (stage.path("allowed"), stage.path("client"));
    fs::copy("/bin/sh", &allowed).unwrap();
    let works = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !works {
        return; // Only root, or whoever may make user namespaces, can show it.
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "mount --bind \"$0\" \"$1\" && exec \"$@\""]);
    command.args([&evil, &allowed]);
    let mut puppet = Puppet::start_by(command);
    let stream = stage.accept(&mut puppet);
    let attested = stage.look(&stream, SEEN);
    let executable = attested.facts().executable.clone().unwrap();
    assert_eq!((executable.path, executable.elsewhere.as_deref()), (None, allowed.to_str()));
}

#[test]
fn a_digest_is_of_what_runs_and_a_changed_file_has_another() {
    let stage = Stage::new();
    let program = stage.path("small");
    let mut bytes = fs::read("/bin/sh").unwrap();
    let mut seen = Vec::new();
    // Of the same size, in the same file, right after each other. Bytes after a program's end are nobody's.
    bytes.push(0);
    for last in [1, 2, 3] {
        *bytes.last_mut().unwrap() = last;
        write_program(&program, &bytes);
        let (_puppet, _stream, attested) = stage.small("small");
        assert_eq!(sha256_of(&attested), digest_of(&program));
        seen.push(sha256_of(&attested));
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2]);
    // What runs counts, also once something else lies there.
    let (_puppet, _stream, attested) = stage.small("small");
    fs::remove_file(&program).unwrap();
    fs::write(&program, "something else").unwrap();
    assert_eq!(sha256_of(&attested), seen[2]);
}

#[test]
fn only_what_root_alone_can_change_is_roots() {
    let stage = Stage::new();
    let (_puppet, _stream, attested) = stage.client("client");
    let root_owned = |attested: &Attested| attested.facts().executable.as_ref().unwrap().root_owned;
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(root_owned(&attested), is_root);
    if is_root {
        std::os::unix::fs::chown(stage.path("client"), Some(4242), None).unwrap();
        let (_puppet, _stream, attested) = stage.client("client");
        assert!(!root_owned(&attested));
    }
}

#[test]
fn of_a_flytoken_the_nearest_other_ancestor_is_judged_and_held() {
    let stage = Stage::new();
    // This process's own executable stands for flytoken: the same file under another name.
    let flytoken = std::env::current_exe().unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "\"$0\" \"$@\"; exit 0"]).arg(&flytoken);
    let mut puppet = Puppet::start_by(command);
    let stream = stage.accept(&mut puppet);
    let attested = stage.look(&stream, Wanted::ALL);
    let facts = attested.facts();
    assert!(facts.via_flytoken && facts.pid != Some(puppet.pid()), "{facts:?}");
    let shell = fs::canonicalize("/bin/sh").unwrap();
    assert_eq!(path_of(&attested), Some(shell.as_path()));
    assert_eq!(sha256_of(&attested), digest_of(&shell));
    attested.confirm().unwrap();
    // Who called it is gone, and it is somebody else's child by now.
    puppet.end();
    assert!(is_changed(&attested));
}

#[test]
fn this_process_is_judged_by_who_called_it() {
    let attested = Attestor::new().look(Peer::this_process(), Wanted::ALL);
    let facts = attested.facts();
    assert!(facts.via_flytoken);
    let own = fs::canonicalize(std::env::current_exe().unwrap()).unwrap();
    assert!(facts.executable.as_ref().is_none_or(|executable| executable.path.as_deref() != Some(&own)), "{facts:?}");
    attested.confirm().unwrap();
}

/// All but the digest, which takes its time in a debug build.
const SEEN: Wanted = Wanted { sha256: false, ..Wanted::ALL };

#[test]
fn what_is_found_at_once_is_what_is_found_by_waiting() {
    let stage = Stage::new();
    let (_puppet, stream, waited) = stage.client("client");
    // Nobody has read it yet, so that its digest has to be waited for.
    assert!(stage.attestor.look_at_once(peer(&stream), Wanted::ALL).is_none());
    let without_digest = Wanted { sha256: false, ..SEEN };
    let attested = stage.attestor.look_at_once(peer(&stream), without_digest).expect("the kernel has in memory what runs");
    let facts = |attested: &Attested| {
        let mut facts = attested.facts().clone();
        facts.executable.as_mut().unwrap().sha256 = None;
        facts
    };
    assert_eq!(facts(&attested), facts(&waited));
    attested.confirm().unwrap();
}
