//! Looking at a client, and at whether it still is who it was.

use std::{
    fs,
    hint::black_box,
    io::Read,
    os::unix::net::{UnixListener, UnixStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use flytoken::attestation::{Attestor, Facts, Peer, Wanted};
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags, statx};

use crate::{
    measure::{Table, batched, shown},
    setting::Setting,
};

/// Makes this program a client of a socket, until its standard input ends.
pub(crate) const CLIENT: &str = "--client-of";

pub(crate) fn run(table: &Table) {
    let setting = Setting::new();
    // A copy is another file, and so another program than this one, which stands for flytoken.
    let (program, socket) = (setting.path("client"), setting.path("client.sock"));
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let mut client = Command::new(&program).arg(CLIENT).arg(&socket).stdin(Stdio::piped()).spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let facts = Facts { pid: Some(client.id()), uid: rustix::process::geteuid().as_raw(), ..Facts::default() };
    let attestor = Attestor::new();
    let peer = || Peer::of(&stream, facts.clone());
    // Digests of files that were written just now are not remembered.
    std::thread::sleep(Duration::from_secs(4));
    let begun = Instant::now();
    let attested = attestor.look(peer(), Wanted::ALL);
    let first = begun.elapsed();
    assert!(attested.facts().executable.as_ref().is_some_and(|executable| executable.path.is_some() && executable.sha256.is_some()));
    let mut times: Vec<_> = (0..5_000)
        .map(|_| {
            let begun = Instant::now();
            // As a connection does it, once the digest is known.
            attestor.look_at_once(peer(), Wanted::ALL).unwrap().confirm().unwrap();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let reference = format!("its digest not known yet {}", shown(first));
    table.time("attestation of a connection, everything wanted", Duration::from_micros(60), times[times.len() / 2], &reference);
    let confirm = batched(200, 1_000, |_| attested.confirm().unwrap());
    let process = rustix::fs::open(format!("/proc/{}", client.id()), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let look = batched(200, 1_000, |_| {
        black_box(statx(&process, "exe", AtFlags::STATX_DONT_SYNC, StatxFlags::INO).unwrap());
    });
    let least = batched(200, 1_000, |_| {
        black_box(rustix::process::getppid());
    });
    let reference = format!("statx of its /proc/PID/exe alone {}, the cheapest system call {}", shown(look), shown(least));
    table.time("whether a client is who it was, each request", Duration::from_micros(1), confirm, &reference);
    drop(client.stdin.take());
    client.wait().unwrap();
}

/// Connects, and waits.
pub(crate) fn client(socket: &str) {
    let _stream = UnixStream::connect(socket).unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}
