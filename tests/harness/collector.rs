//! A collector of metrics, as an agent meets one that is well or ill.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use super::canary;

/// What was pushed.
#[derive(Debug)]
pub(crate) struct Pushed {
    /// The first line and the headers.
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// How it answers.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// By these bytes.
    Says(String),
    /// Not at all.
    Silent,
    /// With a byte now and then, and no end.
    Slow,
    /// As fast as it can, without end.
    Endless,
}

impl Manner {
    /// By a status and a body of JSON.
    pub(crate) fn answers(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Says(format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"))
    }
}

/// Listens on a port of its own until its end. No token may be pushed to it.
pub(crate) struct Collector {
    pub(crate) port: u16,
    pushed: Receiver<Pushed>,
    manner: Arc<Mutex<Manner>>,
    over: Arc<AtomicBool>,
}

impl Collector {
    /// One that takes everything.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, pushed) = channel();
        let manner = Arc::new(Mutex::new(Manner::answers("200 OK", "", "{}")));
        let over = Arc::new(AtomicBool::new(false));
        let (its, ends) = (Arc::clone(&manner), Arc::clone(&over));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (sender, manner, ends) = (sender.clone(), its.lock().unwrap().clone(), Arc::clone(&ends));
                thread::spawn(move || serve(stream.unwrap(), &sender, &manner, &ends));
            }
        });
        Self { port, pushed, manner, over }
    }

    /// Answers so from now on.
    pub(crate) fn behaves(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The next that is pushed and was not looked at yet.
    pub(crate) fn next(&self) -> Pushed {
        self.pushed.recv_timeout(PATIENCE).unwrap()
    }

    /// What is pushed from now on.
    pub(crate) fn next_from_now(&self) -> Pushed {
        while self.pushed.try_recv().is_ok() {}
        self.next()
    }

    /// Whether anything was pushed that was not looked at yet.
    pub(crate) fn has_more(&self) -> bool {
        self.pushed.try_recv().is_ok()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Whoever waits for a connection looks.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(mut stream: TcpStream, pushed: &Sender<Pushed>, manner: &Manner, over: &AtomicBool) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            // Whoever only looks whether somebody listens.
            _ => return,
        }
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    canary::assert_clean("what was pushed", &body);
    // A collector that a test is done with is told more than it looks at.
    let _ = pushed.send(Pushed { head, body: serde_json::from_slice(&body).unwrap() });
    let begin = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{";
    match manner {
        Manner::Says(answer) => {
            let _ = stream.write_all(answer.as_bytes());
        }
        Manner::Silent => while !over.load(Ordering::Relaxed) && stream.read(&mut byte).is_ok_and(|read| read > 0) {},
        Manner::Slow => {
            let mut going = stream.write_all(begin);
            while going.is_ok() && !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(100));
                going = stream.write_all(b" ");
            }
        }
        Manner::Endless => {
            let mut going = stream.write_all(begin);
            while going.is_ok() && !over.load(Ordering::Relaxed) {
                going = stream.write_all(&[b' '; 4096]);
            }
        }
    }
}

/// Longer than an agent takes from one push to the next in any test.
const PATIENCE: Duration = Duration::from_secs(45);
