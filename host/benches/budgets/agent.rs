//! The agent as a process of its own, over its socket.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use flytoken::{
    app::AppName,
    client::Client,
    kind::Kind,
    protocol::{Outgoing, Request, Wish, encode_request},
};

use crate::{
    home::Running,
    measure::{Table, median, shown},
    setting::Setting,
};

/// Makes this program an echo server on a socket: the reference for the agent's answers.
pub(crate) const ECHO: &str = "--echo-on";

pub(crate) fn run(table: &Table) {
    let setting = Setting::new();
    setting.configure("");
    start_up(table, &setting);
    let agent = Running::agent(&setting);
    cached_get(table, &setting);
    memory(table, &setting, &agent);
}

/// For the app with this number; names are equally long, so that answers are.
pub(crate) fn request(number: usize) -> Request {
    Request::Get { app: AppName::parse(&format!("app-{number:06}")).unwrap(), kind: Kind::Readonly, wish: Wish::default() }
}

/// From starting the process until it has answered with a token, components compiled before.
fn start_up(table: &Table, setting: &Setting) {
    drop(Running::agent(setting));
    let mut times = Vec::new();
    let mut listening = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        let agent = Running::agent(setting);
        listening.push(begun.elapsed());
        let mut client = Client::connect(&setting.socket()).unwrap();
        client.ask(&request(0)).unwrap().unwrap();
        times.push(begun.elapsed());
        drop(agent);
    }
    times.sort_unstable();
    listening.sort_unstable();
    let reference = format!("listening after {}", shown(listening[listening.len() / 2]));
    table.time("agent start to first token, components cached", Duration::from_millis(30), times[times.len() / 2], &reference);
}

/// A cached answer against the same bytes echoed by a process over the same kind of socket.
fn cached_get(table: &Table, setting: &Setting) {
    let mut asked = Outgoing::default();
    encode_request(&mut asked, 1, &request(0)).unwrap();
    let asked = asked.unsent().to_vec();
    let mut agent = Exchange::with(&setting.socket(), asked.clone());
    let answered = agent.first_answer();

    let echo_socket = setting.path("echo.sock");
    let mut echo = Command::new(std::env::current_exe().unwrap());
    echo.args([ECHO, echo_socket.to_str().unwrap()]);
    let _echo = Running::start(echo, &echo_socket);
    let mut echo = Exchange::with(&echo_socket, vec![0x2a; asked.len()]);
    echo.tell_length(answered);

    for _ in 0..2_000 {
        agent.once();
        echo.once();
    }
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    // In turn, so that both meet the same machine.
    for _ in 0..40 {
        ours.push(median(500, |_| agent.once()));
        plain.push(median(500, |_| echo.once()));
    }
    ours.sort_unstable();
    plain.sort_unstable();
    let (ours, plain) = (ours[ours.len() / 2], plain[plain.len() / 2]);
    table.time("cached get over the socket", plain.mul_f64(1.3), ours, &format!("echo of the same bytes {}", shown(plain)));
}

/// One connection that asks the same again and again.
pub(crate) struct Exchange {
    stream: UnixStream,
    asked: Vec<u8>,
    answer: Vec<u8>,
}

impl Exchange {
    pub(crate) fn with(socket: &Path, asked: Vec<u8>) -> Self {
        Self { stream: UnixStream::connect(socket).unwrap(), asked, answer: Vec::new() }
    }

    /// Asks once to learn how long an answer is.
    pub(crate) fn first_answer(&mut self) -> usize {
        self.stream.write_all(&self.asked).unwrap();
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let length = u32::from_be_bytes(length) as usize;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        self.answer = vec![0; length + 4];
        length + 4
    }

    /// Tells the echo how many bytes it gets and how many it answers with.
    fn tell_length(&mut self, answer: usize) {
        self.answer = vec![0; answer];
        let lengths = [self.asked.len(), answer].map(|length| u32::try_from(length).unwrap().to_be_bytes());
        self.stream.write_all(&lengths.concat()).unwrap();
    }

    fn once(&mut self) {
        self.stream.write_all(&self.asked).unwrap();
        self.stream.read_exact(&mut self.answer).unwrap();
    }

    /// The same with another request, whose answer is as long.
    pub(crate) fn once_with(&mut self, asked: &[u8]) {
        self.stream.write_all(asked).unwrap();
        self.stream.read_exact(&mut self.answer).unwrap();
    }
}

/// Answers each request of one connection with as many bytes as it was told at first.
pub(crate) fn echo(socket: &str) {
    let listener = UnixListener::bind(socket).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut lengths = [0; 8];
        if stream.read_exact(&mut lengths).is_err() {
            continue;
        }
        let length = |at: usize| u32::from_be_bytes(lengths[at..at + 4].try_into().unwrap()) as usize;
        let (mut asked, answer) = (vec![0; length(0)], vec![0x2a; length(4)]);
        while stream.read_exact(&mut asked).is_ok() && stream.write_all(&answer).is_ok() {}
    }
}

/// Memory with the four built-ins, and what each further app costs.
fn memory(table: &Table, setting: &Setting, agent: &Running) {
    let idle = agent.resident();
    table.line("memory with the four built-ins", "40 MiB", &format!("{:.1} MiB", mebibytes(idle)), mebibytes(idle) / 40.0, "");
    // A mint an app would take long: the manual tokens of many apps are as large.
    let mut client = Client::connect(&setting.socket()).unwrap();
    let set = |client: &mut Client, number: usize| {
        let token = std::sync::Arc::new(flytoken::token::ApiToken::new(zeroize::Zeroizing::new(crate::setting::token(123))));
        let app = AppName::parse(&format!("app-{number:06}")).unwrap();
        client.ask(&Request::Set { app, token, force: false }).unwrap().unwrap();
    };
    fs::write(setting.fly(), "#!/bin/sh\nexit 1\n").unwrap();
    for number in 0..APPS {
        set(&mut client, number);
    }
    // What is bounded, such as the last accounts of the chain and the databases' pages, is full by then.
    for number in 0..APPS / 2 {
        client.ask(&request(number)).unwrap().unwrap();
    }
    // Idle owners end.
    thread::sleep(OWNERS_END);
    let before = agent.resident();
    for number in APPS / 2..APPS {
        client.ask(&request(number)).unwrap().unwrap();
    }
    thread::sleep(OWNERS_END);
    let grown = mebibytes(agent.resident().saturating_sub(before)) * 1024.0 / 3_000.0;
    table.line("memory of each further app", "2 KiB", &format!("{grown:.2} KiB"), grown / 2.0, &format!("{APPS} apps"));
}

/// Longer than an owner without work stays.
const OWNERS_END: Duration = Duration::from_secs(5);

/// Enough that what is bounded is full at half of it, 3,000.
const APPS: usize = 6_000;

#[expect(clippy::cast_precision_loss, reason = "no memory is so large")]
fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}
