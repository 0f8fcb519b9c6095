//! The clients: each has a connection of its own and asks one thing after the other.

use std::{cell::RefCell, io, path::PathBuf, rc::Rc, time::Duration};

use flytoken::{
    app::AppName,
    kind::Kind,
    protocol::{Answer, Incoming, MAX_ANSWER, Outgoing, Reply, Request, Wish, decode_answer, encode_request},
    system::{Clock, SystemClock},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::{LocalSet, spawn_local},
    time::{Instant, interval, sleep, sleep_until},
};

use super::{
    tally::{Asked, Tally},
    world::{World, app, minted_app},
};

/// Who asks, and how much.
pub(crate) struct Load {
    /// The agent's socket.
    pub(crate) socket: PathBuf,
    /// How many apps are asked for.
    pub(crate) apps: usize,
    /// How many connections there are.
    pub(crate) connections: usize,
    /// When it is over.
    pub(crate) bound: Bound,
}

/// When the load is over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// After so many requests on each connection, each sent as soon as the one before was answered.
    #[allow(dead_code, reason = "the benchmark goes by the clock, the behaviour by counts")]
    Requests(usize),
    /// After this time, with so many requests a second over all connections.
    #[allow(dead_code, reason = "the benchmark goes by the clock, the behaviour by counts")]
    Time { lasting: Duration, per_second: u32 },
}

impl Load {
    /// Has every client ask, rewrites the configuration ten times a second meanwhile, and calls `each_second` with what was answered so far.
    pub(crate) async fn run(self, world: &World, mut each_second: impl FnMut(&Tally)) -> Tally {
        let tally = Rc::new(RefCell::new(Tally::default()));
        let local = LocalSet::new();
        let working = local.run_until(async {
            // All are connected before the first asks: that is how many there are at once.
            let mut clients = Vec::new();
            for number in 0..self.connections {
                clients.push(Client::connect(number, &self, Rc::clone(&tally)).await);
            }
            let clients: Vec<_> = clients.into_iter().map(|client| spawn_local(client.ask_on())).collect();
            let echoing = spawn_local(echo(Rc::clone(&tally)));
            let minting = spawn_local(mint(self.socket.clone(), self.bound, Rc::clone(&tally)));
            let all = async {
                for client in clients {
                    client.await.unwrap();
                }
            };
            tokio::pin!(all);
            let (mut rewrite, mut second) = (interval(REWRITTEN), interval(Duration::from_secs(1)));
            loop {
                tokio::select! {
                    () = &mut all => break,
                    _ = rewrite.tick() => {
                        let number = tally.borrow().rewrites;
                        world.rewrite(number);
                        tally.borrow_mut().rewrites += 1;
                    }
                    _ = second.tick() => each_second(&tally.borrow()),
                }
            }
            minting.await.unwrap();
            // However long all that took, the supervisor is warm now.
            mint_once(&mut Connection::to(&self.socket).await, &tally).await;
            echoing.abort();
            // It holds the tally until it has ended.
            let _ = echoing.await;
            // The last one holds, so that what is compared later is as it was.
            world.rewrite(0);
        });
        working.await;
        drop(local);
        Rc::into_inner(tally).unwrap().into_inner()
    }
}

/// Has bytes sent back by a thread that does nothing else, over the same kind of socket: what an answer takes on this machine at this
/// time when nobody has to do anything for it.
async fn echo(tally: Rc<RefCell<Tally>>) {
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let serving = move || {
        let mut bytes = [0; ECHOED];
        while io::Read::read_exact(&mut theirs, &mut bytes).and_then(|()| io::Write::write_all(&mut theirs, &bytes)).is_ok() {}
    };
    // It ends when the other end is dropped.
    std::thread::spawn(serving);
    ours.set_nonblocking(true).unwrap();
    let mut ours = UnixStream::from_std(ours).unwrap();
    let mut bytes = [0; ECHOED];
    loop {
        sleep(ECHO_PAUSE).await;
        let sent = Instant::now();
        ours.write_all(&bytes).await.unwrap();
        ours.read_exact(&mut bytes).await.unwrap();
        tally.borrow_mut().echoed.push(sent.elapsed());
    }
}

/// Mints with `fly`, one after the other, so that one supervisor does all of it.
async fn mint(socket: PathBuf, bound: Bound, tally: Rc<RefCell<Tally>>) {
    let mut connection = Connection::to(&socket).await;
    let (times, pause) = match bound {
        Bound::Requests(_) => (10, Duration::ZERO),
        Bound::Time { lasting, .. } => (lasting.as_secs() / MINTED.as_secs(), MINTED),
    };
    for _ in 0..times {
        sleep(pause).await;
        mint_once(&mut connection, &tally).await;
    }
}

async fn mint_once(connection: &mut Connection, tally: &RefCell<Tally>) {
    let request = Request::Refresh { app: minted_app(), kind: Some(Kind::Readonly) };
    connection.ask(Asked::Refresh, &minted_app(), &request, tally).await;
}

/// One connection.
struct Connection {
    stream: UnixStream,
    incoming: Incoming,
    clock: SystemClock,
    asked: u64,
}

impl Connection {
    async fn to(socket: &std::path::Path) -> Self {
        let mut waited = Duration::ZERO;
        loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => return Self { stream, incoming: Incoming::new(MAX_ANSWER), clock: SystemClock::default(), asked: 0 },
                // The queue of those that wait to be accepted is full.
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock && waited < Duration::from_secs(10) => {
                    sleep(Duration::from_millis(1)).await;
                    waited += Duration::from_millis(1);
                }
                Err(cause) => panic!("cannot connect: {cause}"),
            }
        }
    }

    /// Asks once and has the answer noted; whether it was a good one.
    async fn ask(&mut self, asked: Asked, app: &AppName, request: &Request, tally: &RefCell<Tally>) -> bool {
        self.asked += 1;
        let mut outgoing = Outgoing::default();
        encode_request(&mut outgoing, self.asked, request).unwrap();
        let (sent, at) = (Instant::now(), self.clock.now());
        match self.exchange(outgoing.unsent()).await {
            Ok(answer) => {
                let good = answer.is_ok();
                let rejected = match (request, &answer) {
                    (Request::Invalidate { fingerprint, .. }, Ok(Reply::Invalidated { .. })) => *fingerprint,
                    _ => None,
                };
                let mut tally = tally.borrow_mut();
                if let Some(rejected) = rejected {
                    tally.rejected(app, rejected);
                }
                tally.note(asked, app, sent, at, answer);
                good
            }
            Err(cause) => {
                tally.borrow_mut().blame(format!("{asked:?} {app}: {cause}"));
                false
            }
        }
    }

    async fn exchange(&mut self, frame: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(frame).await?;
        loop {
            if let Some(answer) = self.incoming.next(decode_answer).map_err(io::Error::other)? {
                let (id, answer) = answer.map_err(io::Error::other)?;
                assert_eq!(id, self.asked, "{answer:?}");
                return Ok(answer);
            }
            let count = self.stream.read(self.incoming.room()).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.incoming.received(count);
        }
    }
}

/// One client. It alone renews and rejects the tokens of its own apps; it asks for some that all ask for, too.
struct Client {
    connection: Connection,
    own: Vec<AppName>,
    shared: Vec<AppName>,
    bound: Bound,
    /// How far behind the others it begins, as a share of the pause between two requests.
    offset: f64,
    pause: Duration,
    random: Random,
    tally: Rc<RefCell<Tally>>,
}

impl Client {
    async fn connect(number: usize, load: &Load, tally: Rc<RefCell<Tally>>) -> Self {
        let connections = f64::from(u32::try_from(load.connections).unwrap());
        let pause = match load.bound {
            Bound::Requests(_) => Duration::ZERO,
            Bound::Time { per_second, .. } => Duration::from_secs_f64(connections / f64::from(per_second)),
        };
        Self {
            connection: Connection::to(&load.socket).await,
            own: (0..load.apps).filter(|app| app % load.connections == number).map(app).collect(),
            shared: (0..SHARED.min(load.apps)).map(app).collect(),
            bound: load.bound,
            offset: f64::from(u32::try_from(number).unwrap()) / connections,
            pause,
            random: Random(number as u64),
            tally,
        }
    }

    async fn ask_on(mut self) {
        let start = Instant::now() + self.pause.mul_f64(self.offset);
        let mut due = start;
        let mut done = 0;
        loop {
            match self.bound {
                Bound::Requests(most) if done == most => return,
                Bound::Time { lasting, .. } if due.duration_since(start) >= lasting => return,
                _ => {}
            }
            sleep_until(due).await;
            self.ask_something(done).await;
            done += 1;
            // Who was held up does not make up for it: the load is what it is said to be at most.
            due = (due + self.pause).max(Instant::now());
        }
    }

    async fn ask_something(&mut self, done: usize) {
        // Each of its own apps once before anything else, so that the number of apps is what it is said to be.
        let own = self.own.get(done).cloned();
        let first = own.is_some();
        let own = own.unwrap_or_else(|| self.own[self.random.below(self.own.len())].clone());
        let known = self.tally.borrow().token_of(&own);
        let chance = if first { 1000 } else { self.random.below(1000) };
        let (asked, app) = match (chance, known) {
            (0..2, Some(_)) => (Asked::Invalidate, own),
            (2..12, _) => (Asked::Refresh, own),
            (12..32, _) => (Asked::Explain, own),
            (32..33, _) => (Asked::Status, own),
            (33..130, _) => (Asked::Get, self.shared[self.random.below(self.shared.len())].clone()),
            _ => (Asked::Get, own),
        };
        let kind = Kind::Readonly;
        let request = match asked {
            Asked::Get => Request::Get { app: app.clone(), kind, wish: Wish::default() },
            Asked::Refresh => Request::Refresh { app: app.clone(), kind: Some(kind) },
            Asked::Invalidate => Request::Invalidate { app: app.clone(), kind: Some(kind), fingerprint: known },
            Asked::Explain => Request::Explain { app: app.clone(), kind, resolve: false },
            Asked::Status => Request::Status,
        };
        self.connection.ask(asked, &app, &request, &self.tally).await;
    }
}

/// The same numbers each time: a run can be repeated.
struct Random(u64);

impl Random {
    /// `SplitMix64`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// How often the configuration is rewritten.
const REWRITTEN: Duration = Duration::from_millis(100);

/// How often `fly` mints.
const MINTED: Duration = Duration::from_secs(2);

/// About as many as an answer has.
const ECHOED: usize = 600;

/// Between two echoes.
const ECHO_PAUSE: Duration = Duration::from_millis(5);

/// Apps that every client asks for.
const SHARED: usize = 40;
