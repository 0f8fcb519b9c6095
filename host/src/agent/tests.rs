//! The socket with many clients, good and bad, and a core that answers from a script.

mod clients;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    os::unix::net::UnixStream as Blocking,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinHandle};

use super::*;
use crate::{
    app::AppName,
    attestation::{Attested, Attestor, Facts},
    audience::Audience,
    client::{self, Client, ClientError},
    kind::Kind,
    lease::Expiry,
    protocol::{Incoming, MAX_ANSWER, Reply, Wish, decode_answer, encode_request},
};

/// Answers by the app's name: `slow` never, `panic` by panicking, `big` with a long text, everything else at once.
#[derive(Clone, Default)]
struct Script {
    asked: Arc<AtomicUsize>,
}

impl Answers for Script {
    fn answer(&self, _: &Arc<Attested>, request: Request) -> impl Future<Output = Answer> + Send + 'static {
        self.asked.fetch_add(1, Ordering::Relaxed);
        async move {
            let Request::Get { app, .. } = request else { return Ok(Reply::Unset { existed: true }) };
            match app.as_str() {
                "slow" => std::future::pending().await,
                "soon" => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Ok(Reply::Unset { existed: false })
                }
                "panic" => panic!("as the test asks"),
                "big" => Ok(Reply::Set {
                    fingerprint: "0123456789abcdef".parse().unwrap(),
                    expiry: Expiry::Never,
                    asked_before: vec!["x".repeat(200_000)],
                    problem: None,
                }),
                _ => Ok(Reply::Unset { existed: true }),
            }
        }
    }
}

struct Agent {
    socket: PathBuf,
    script: Script,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
    _home: tempfile::TempDir,
}

impl Agent {
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("agent.sock");
        let (endpoint, listener) = claim(&socket);
        let (stop, stopped) = oneshot::channel::<()>();
        let script = Script::default();
        let core = script.clone();
        let served = tokio::spawn(async move {
            serve(listener, core, async move { drop(stopped.await) }).await;
            drop(endpoint);
        });
        Self { socket, script, stop, served, _home: home }
    }

    /// Shows that the agent serves, from a thread of its own since the client blocks.
    async fn answers(&self) {
        let answer = blocking(&self.socket, |socket| client::ask(socket, &get("web"))).await.unwrap();
        assert!(matches!(answer, Some(Ok(Reply::Unset { existed: true }))), "{answer:?}");
    }
}

fn peer() -> Facts {
    Facts::default()
}

fn claim(socket: &Path) -> (Endpoint, UnixListener) {
    let (endpoint, listener) = Endpoint::claim(socket, Audience::Owner).unwrap();
    (endpoint, UnixListener::from_std(listener).unwrap())
}

async fn blocking<T: Send + 'static>(socket: &Path, run: impl FnOnce(&Path) -> T + Send + 'static) -> T {
    let socket = socket.to_path_buf();
    tokio::task::spawn_blocking(move || run(&socket)).await.unwrap()
}

fn get(app: &str) -> Request {
    Request::Get { app: AppName::parse(app).unwrap(), kind: Kind::Readonly, wish: Wish::default() }
}

fn frames(requests: impl IntoIterator<Item = (u64, &'static str)>) -> Vec<u8> {
    let mut outgoing = Outgoing::default();
    for (id, app) in requests {
        encode_request(&mut outgoing, id, &get(app)).unwrap();
    }
    outgoing.unsent().to_vec()
}

/// Reads answers until there are `count`, or the agent hangs up.
fn read_answers(stream: &mut Blocking, count: usize) -> Vec<(u64, Answer)> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut incoming = Incoming::new(MAX_ANSWER);
    let mut answers = Vec::new();
    while answers.len() < count {
        match incoming.next(decode_answer).unwrap() {
            Some(answer) => answers.push(answer.unwrap()),
            None => match stream.read(incoming.room()) {
                Ok(count) if count > 0 => incoming.received(count),
                _ => break,
            },
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_pipeline_ten_thousand_requests_each() {
    let agent = Agent::start();
    let clients = [(); 2].map(|()| {
        blocking(&agent.socket, |socket| {
            let mut stream = Blocking::connect(socket).unwrap();
            let mut writer = stream.try_clone().unwrap();
            let sender = std::thread::spawn(move || {
                for id in 1..=10_000_u64 {
                    // One in a hundred is slow, one in a thousand is a defect: the others do not wait for them.
                    let app = match id {
                        _ if id % 1000 == 0 => "panic",
                        _ if id % 100 == 0 => "soon",
                        _ => "web",
                    };
                    writer.write_all(&frames([(id, app)])).unwrap();
                }
            });
            let answers = read_answers(&mut stream, 10_000);
            sender.join().unwrap();
            answers
        })
    });
    for client in clients {
        let answers = client.await;
        let ids: BTreeSet<u64> = answers.iter().map(|(id, _)| *id).collect();
        assert_eq!((ids.len(), ids.first(), ids.last()), (10_000, Some(&1), Some(&10_000)));
        let defects = answers.iter().filter(|(_, answer)| matches!(answer, Err(failure) if failure.code == FailureCode::Internal));
        assert_eq!(defects.count(), 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_held_up_by_long_answers_are_answered_once_those_are_read() {
    let agent = Agent::start();
    let answers = blocking(&agent.socket, |socket| {
        let mut stream = Blocking::connect(socket).unwrap();
        // All at once, so that no later byte brings the agent back to those that wait.
        stream.write_all(&frames((1..=100).map(|id| (id, "big")))).unwrap();
        read_answers(&mut stream, 100)
    })
    .await;
    assert_eq!(answers.iter().map(|(id, _)| *id).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_holds_up_no_other() {
    let agent = Agent::start();
    let answers = blocking(&agent.socket, |socket| {
        let mut stream = Blocking::connect(socket).unwrap();
        stream.write_all(&frames([(1, "slow"), (2, "soon"), (3, "web")])).unwrap();
        read_answers(&mut stream, 2)
    })
    .await;
    assert_eq!(answers.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_told_so_and_hung_up_on() {
    let agent = Agent::start();
    let header = |length: u32| length.to_be_bytes().to_vec();
    for (bytes, part) in [
        (header(u32::MAX), "4294967295 bytes"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "bytes"),
        ([header(3), vec![0xc1; 3]].concat(), "no request"),
        ([header(0), Vec::new()].concat(), "no request"),
        ([frames([(1, "slow")]), header(0)].concat(), "no request"),
    ] {
        let answers = blocking(&agent.socket, move |socket| {
            let mut stream = Blocking::connect(socket).unwrap();
            stream.write_all(&bytes).unwrap();
            read_answers(&mut stream, 2)
        })
        .await;
        let [(0, Err(failure))] = answers.as_slice() else { panic!("{answers:?}") };
        assert!(failure.message.contains(part), "{failure:?}");
        agent.answers().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_is_not_read_from() {
    let agent = Agent::start();
    let socket = agent.socket.clone();
    let sent = tokio::task::spawn_blocking(move || {
        let mut stream = Blocking::connect(&socket).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let request = frames([(1, "big")]);
        let mut sent = 0;
        while sent < 10_000 && stream.write_all(&request).is_ok() {
            sent += 1;
        }
        (sent, stream)
    });
    let (sent, _stream) = sent.await.unwrap();
    assert!(sent < 10_000, "the agent stops reading, so the client cannot go on sending");
    // What the socket's own buffer holds, and one answer beyond the mark.
    assert!(agent.script.asked.load(Ordering::Relaxed) < 10);
    agent.answers().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_128_requests_of_a_client_are_in_flight() {
    let agent = Agent::start();
    let _stream = blocking(&agent.socket, |socket| {
        let mut stream = Blocking::connect(socket).unwrap();
        stream.write_all(&frames((1..=500).map(|id| (id, "slow")))).unwrap();
        stream
    })
    .await;
    agent.answers().await;
    assert!(agent.script.asked.load(Ordering::Relaxed) <= 129);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_frame_and_a_client_that_leaves_disturb_nobody() {
    let agent = Agent::start();
    let halves = blocking(&agent.socket, |socket| {
        let whole = frames([(1, "web")]);
        (1..whole.len())
            .map(|cut| {
                let mut stream = Blocking::connect(socket).unwrap();
                stream.write_all(&whole[..cut]).unwrap();
                stream
            })
            .collect::<Vec<_>>()
    })
    .await;
    agent.answers().await;
    drop(halves);
    agent.answers().await;
    assert_eq!(agent.script.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_stalls_ends_the_connection_and_an_idle_one_stays() {
    let (theirs, ours) = UnixStream::pair().unwrap();
    let (_stop, stopping) = watch::channel(());
    let connection =
        tokio::spawn(connection::run(ours, super::client::Client::new(peer(), Attestor::new()), Script::default(), stopping.clone()));
    theirs.writable().await.unwrap();
    theirs.try_write(&frames([(1, "web")])[..10]).unwrap();
    let started = tokio::time::Instant::now();
    connection.await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 10);

    let (_theirs, ours) = UnixStream::pair().unwrap();
    let idle = tokio::spawn(connection::run(ours, super::client::Client::new(peer(), Attestor::new()), Script::default(), stopping));
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert!(!idle.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_comes_in_drops_gets_no_more_time_than_one_that_stalls() {
    let (theirs, ours) = UnixStream::pair().unwrap();
    let (_stop, stopping) = watch::channel(());
    let connection = tokio::spawn(connection::run(ours, super::client::Client::new(peer(), Attestor::new()), Script::default(), stopping));
    let started = tokio::time::Instant::now();
    for byte in frames([(1, "web")]).chunks(1) {
        if theirs.try_write(byte).is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    connection.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(16), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_takes_end_the_connection() {
    let (theirs, ours) = UnixStream::pair().unwrap();
    let (_stop, stopping) = watch::channel(());
    let connection = tokio::spawn(connection::run(ours, super::client::Client::new(peer(), Attestor::new()), Script::default(), stopping));
    theirs.writable().await.unwrap();
    theirs.try_write(&frames((1..=20).map(|id| (id, "big")))).unwrap();
    let started = tokio::time::Instant::now();
    connection.await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_ends_its_requests_still_gets_its_answers() {
    let agent = Agent::start();
    let answers = blocking(&agent.socket, |socket| {
        let mut stream = Blocking::connect(socket).unwrap();
        stream.write_all(&frames([(1, "soon"), (2, "web")])).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        read_answers(&mut stream, 3)
    })
    .await;
    assert_eq!(answers.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_are_finished_when_the_agent_stops() {
    let agent = Agent::start();
    let socket = agent.socket.clone();
    let waiting = tokio::task::spawn_blocking(move || Client::connect(&socket).unwrap().ask(&get("soon")));
    while agent.script.asked.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    agent.stop.send(()).unwrap();
    assert!(matches!(waiting.await.unwrap(), Ok(Ok(Reply::Unset { existed: false }))));
    agent.served.await.unwrap();
    assert!(!agent.socket.exists());
    let absent = blocking(&agent.socket, |socket| client::ask(socket, &get("web"))).await;
    assert!(matches!(absent, Ok(None)), "{absent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_lock_without_a_socket_is_an_agent_that_fails() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("agent.sock");
    let endpoint = Endpoint::claim(&socket, Audience::Owner).unwrap();
    std::fs::remove_file(&socket).unwrap();
    let failed = blocking(&socket, |socket| client::ask(socket, &get("web"))).await;
    assert!(matches!(failed, Err(ClientError::Deaf { pid: Pid(Some(_)), .. })), "{failed:?}");
    drop(endpoint);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_waits_for_an_agent_that_restarts() {
    let agent = Agent::start();
    let socket = agent.socket.clone();
    agent.stop.send(()).unwrap();
    agent.served.await.unwrap();
    let lock = AgentLock::take(&socket).unwrap().unwrap();
    let waiting = tokio::spawn({
        let socket = socket.clone();
        async move { blocking(&socket, |socket| client::ask(socket, &get("web"))).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(lock);
    // Between the two the lock is free for a moment: a client that looks just then goes on without an agent.
    let (_endpoint, listener) = claim(&socket);
    let served = tokio::spawn(serve(listener, Script::default(), std::future::pending()));
    assert!(matches!(waiting.await.unwrap(), Ok(Some(Ok(_)) | None)));
    served.abort();
}

#[test]
fn a_server_that_speaks_something_else_is_found_out() {
    for (answer, expected) in [
        (&b"\x00\x00\x00\x08\x82\xa1v\x02\xa2id\x01"[..], "version 2"),
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "bytes"),
        (&b"\x00\x00\x00\x01\xc0"[..], "no answer"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("agent.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(answer).unwrap();
            // Read to the end, so that the answer is not lost with the connection.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let error = Client::connect(&socket).unwrap().ask(&get("web")).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(Failure::from(error).code, FailureCode::Agent);
        server.join().unwrap();
    }
}
