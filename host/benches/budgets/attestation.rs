//! Looking at a client, and at whether it still is who it was.

use std::{
    fs,
    io::Read,
    os::unix::net::{UnixListener, UnixStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use flytoken::attestation::{Attestor, Facts, Peer, Wanted};

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
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // As a connection does it: off its own thread, whose time this is.
    let look = || {
        let (peer, attestor) = (Peer::of(&stream, facts.clone()), attestor.clone());
        runtime.block_on(runtime.spawn_blocking(move || attestor.look(peer, Wanted::ALL))).unwrap()
    };
    // Digests of files that were written just now are not remembered.
    std::thread::sleep(Duration::from_secs(4));
    let begun = Instant::now();
    let attested = look();
    let first = begun.elapsed();
    assert!(attested.facts().executable.as_ref().is_some_and(|executable| executable.path.is_some() && executable.sha256.is_some()));
    let mut times: Vec<_> = (0..5_000)
        .map(|_| {
            let begun = Instant::now();
            look().confirm().unwrap();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let reference = format!("its digest not known yet {}", shown(first));
    table.time("attestation of a connection, everything wanted", Duration::from_micros(60), times[times.len() / 2], &reference);
    let confirm = batched(200, 1_000, |_| attested.confirm().unwrap());
    table.time("whether a client is who it was, each request", Duration::from_micros(1), confirm, "");
    drop(client.stdin.take());
    client.wait().unwrap();
}

/// Connects, and waits.
pub(crate) fn client(socket: &str) {
    let _stream = UnixStream::connect(socket).unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}
