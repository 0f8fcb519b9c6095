//! One client's connection: requests in, answers out, both bounded.
//!
//! A request that the core answers at once costs one read and one write, and no task. Others wait in tasks of their own, so that a slow
//! app holds up nothing but its own answer.

use std::{
    future::{Future, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixStream, unix::WriteHalf},
    sync::watch,
    task::JoinSet,
    time::Instant,
};

use super::{ANSWER_GRACE, Answers, about_to_stop, client::Client};
use crate::protocol::{Answer, Failure, FailureCode, FrameError, Incoming, MAX_REQUEST, Outgoing, decode_request, encode_answer};

/// Serves one client until it leaves, misbehaves, or the other end of `stopping` is dropped.
pub(super) async fn run(mut stream: UnixStream, client: Client, core: impl Answers, mut stopping: watch::Receiver<()>) {
    let (mut reader, mut writer) = stream.split();
    let mut connection = Connection::new(client, core);
    // Before anything is read: who asks first and becomes somebody else then is found out.
    connection.attest(reader.as_ref()).await;
    let stop = async move { while stopping.changed().await.is_ok() {} };
    tokio::pin!(stop);
    let mut told_to_stop = None;
    loop {
        let took_all = connection.take_requests(reader.as_ref()).await;
        if connection.send_at_once(&writer).is_err() || connection.is_over() {
            break;
        }
        if !took_all && connection.reads() {
            // What held up the other requests is sent. They are here already: no event would come for them.
            continue;
        }
        let deadline = connection.deadline();
        let reads = connection.reads();
        let mut waited_enough = false;
        let Connection { incoming, outgoing, working, phase, .. } = &mut connection;
        let takes_answers = !working.is_empty() && outgoing.unsent().len() < OUTGOING_MARK;
        // In this order: what can be sent goes first, so that memory is freed before more is taken in.
        tokio::select! {
            biased;
            written = writer.write(outgoing.unsent()), if !outgoing.unsent().is_empty() => match written {
                Ok(count) if count > 0 => {
                    outgoing.sent(count);
                    connection.sending_until = None;
                }
                _ => break,
            },
            Some(Ok((id, answer))) = working.join_next(), if takes_answers => connection.answer(id, &answer),
            read = reader.read(incoming.room()), if reads => match read {
                Ok(0) => *phase = Phase::Finishing,
                Ok(count) => incoming.received(count),
                Err(_) => break,
            },
            () = &mut stop, if told_to_stop.is_none() => {
                told_to_stop = Some(Instant::now());
                if *phase == Phase::Open {
                    *phase = Phase::Finishing;
                }
            }
            () = until(told_to_stop.map(|told| told + ANSWER_GRACE)), if *phase == Phase::Finishing => waited_enough = true,
            () = until(deadline) => {
                tracing::debug!("hung up on a client that neither finished its request nor took its answers in time");
                break;
            }
        }
        if waited_enough {
            connection.give_up();
        }
    }
}

struct Connection<C> {
    client: Client,
    core: C,
    incoming: Incoming,
    outgoing: Outgoing,
    /// The requests in flight that were not answered at once.
    working: JoinSet<(u64, Answer)>,
    /// Their ids.
    in_flight: Vec<u64>,
    phase: Phase,
    /// When the frame that has begun must be complete.
    receiving_until: Option<Instant>,
    /// When the client must have taken some of what is sent.
    sending_until: Option<Instant>,
}

#[derive(PartialEq, Eq)]
enum Phase {
    /// Requests are read.
    Open,
    /// No more requests; those in flight are answered.
    Finishing,
    /// Nothing is answered any more; what is written already is sent.
    Closing,
}

impl<C: Answers> Connection<C> {
    fn new(client: Client, core: C) -> Self {
        Self {
            client,
            core,
            incoming: Incoming::new(MAX_REQUEST),
            outgoing: Outgoing::default(),
            working: JoinSet::new(),
            in_flight: Vec::new(),
            phase: Phase::Open,
            receiving_until: None,
            sending_until: None,
        }
    }

    /// Whether more may be read: neither more requests in flight nor more unsent answers than allowed.
    fn reads(&self) -> bool {
        self.phase == Phase::Open && self.working.len() < MAX_IN_FLIGHT && self.outgoing.unsent().len() < OUTGOING_MARK
    }

    fn is_over(&self) -> bool {
        self.phase != Phase::Open && self.working.is_empty() && self.outgoing.unsent().is_empty()
    }

    /// Starts every request that has arrived, as far as the bounds allow; tells whether there are none left.
    async fn take_requests(&mut self, stream: &UnixStream) -> bool {
        let mut took_all = false;
        while !took_all && self.reads() {
            match self.incoming.next(decode_request) {
                Ok(Some(Ok((id, request)))) => {
                    self.attest(stream).await;
                    // What is wrong is left to whoever answers, to be put on record with the request.
                    let _ = self.client.attested().confirm();
                    let mut work = Work { id, answer: Box::pin(self.core.answer(self.client.attested(), request)) };
                    match poll_fn(|context| Poll::Ready(Pin::new(&mut work).poll(context))).await {
                        Poll::Ready((id, answer)) => self.put_confirmed(id, &answer),
                        Poll::Pending => {
                            self.in_flight.push(id);
                            self.working.spawn(work);
                        }
                    }
                }
                Ok(Some(Err((0, failure)))) => self.close(*failure),
                Ok(Some(Err((id, failure)))) => self.put(id, &Err(*failure)),
                Ok(None) => took_all = true,
                Err(error) => self.close(too_long(&error)),
            }
        }
        // Answers that became ready together go out together.
        while !self.working.is_empty()
            && self.outgoing.unsent().len() < OUTGOING_MARK
            && let Some(Ok((id, answer))) = self.working.try_join_next()
        {
            self.answer(id, &answer);
        }
        self.incoming.shrink();
        took_all
    }

    /// Looks at the client as far as it has to be known and is not yet.
    async fn attest(&mut self, stream: &UnixStream) {
        self.client.look(stream, self.core.wanted()).await;
    }

    /// Sends what the client takes without waiting, which is nearly always everything.
    fn send_at_once(&mut self, writer: &WriteHalf<'_>) -> io::Result<()> {
        if self.outgoing.unsent().is_empty() {
            return Ok(());
        }
        match writer.try_write(self.outgoing.unsent()) {
            Ok(count) => {
                self.outgoing.sent(count);
                self.sending_until = None;
                Ok(())
            }
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(cause) => Err(cause),
        }
    }

    fn put(&mut self, id: u64, answer: &Answer) {
        encode_answer(&mut self.outgoing, id, answer);
    }

    /// Puts an answer to a client that was confirmed just before. One that has changed hears of nothing but that, and for the last time.
    fn put_confirmed(&mut self, id: u64, answer: &Answer) {
        match self.client.may_hear(self.core.enforces()) {
            Ok(()) => self.put(id, answer),
            Err(failure) => {
                self.put(id, &Err(failure));
                self.end();
            }
        }
    }

    /// The answer to a request that was in flight.
    fn answer(&mut self, id: u64, answer: &Answer) {
        if let Some(at) = self.in_flight.iter().position(|other| *other == id) {
            self.in_flight.swap_remove(at);
        }
        let _ = self.client.attested().confirm();
        self.put_confirmed(id, answer);
    }

    /// Says of everything in flight that the agent stops: who waits is told so rather than hung up on.
    fn give_up(&mut self) {
        for id in std::mem::take(&mut self.in_flight) {
            self.put(id, &Err(about_to_stop()));
        }
        self.end();
    }

    /// Says what is wrong with the connection, as the last thing said on it.
    fn close(&mut self, failure: Failure) {
        tracing::debug!(reason = failure.message, "hung up on a client");
        self.put(0, &Err(failure));
        self.end();
    }

    fn end(&mut self) {
        self.phase = Phase::Closing;
        // Their answers would come after the last frame. What they ask for goes on in the core.
        self.working.abort_all();
        self.working.detach_all();
    }

    /// When the client has had time enough, if it owes anything.
    fn deadline(&mut self) -> Option<Instant> {
        let receiving = self.incoming.is_inside_frame() && self.reads();
        arm(&mut self.receiving_until, receiving, RECEIVE_LIMIT);
        arm(&mut self.sending_until, !self.outgoing.unsent().is_empty(), SEND_LIMIT);
        [self.receiving_until, self.sending_until].into_iter().flatten().min()
    }
}

/// One request in flight. A panic while it is worked on becomes its answer.
struct Work {
    id: u64,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

impl Future for Work {
    type Output = (u64, Answer);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A future that panicked is not polled again, so nothing sees the state it left.
        let polled = catch_unwind(AssertUnwindSafe(|| self.answer.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(defect()))).map(|answer| (self.id, answer))
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn arm(deadline: &mut Option<Instant>, wanted: bool, limit: Duration) {
    if !wanted {
        *deadline = None;
    } else if deadline.is_none() {
        *deadline = Some(Instant::now() + limit);
    }
}

fn too_long(error: &FrameError) -> Failure {
    Failure {
        code: FailureCode::Usage,
        message: format!("the client announced {error}"),
        hint: "use the `flytoken` that the agent is of, or write frames as its protocol says".into(),
        steps: Vec::new(),
    }
}

fn defect() -> Failure {
    Failure {
        code: FailureCode::Internal,
        message: "the agent failed while it worked on this request".into(),
        hint: "see the agent's log, and report what it says and `flytoken doctor --json`".into(),
        steps: Vec::new(),
    }
}

/// The most requests of one connection in flight. Beyond it the agent stops reading, so that a client cannot queue work without end.
const MAX_IN_FLIGHT: usize = 128;

/// With this many bytes unsent no more answers are taken up: a client that never reads costs this and one answer.
const OUTGOING_MARK: usize = 64 * 1024;

/// How long a frame that has begun may take: a client that stalls inside a frame would hold its memory for ever.
const RECEIVE_LIMIT: Duration = Duration::from_secs(10);

/// How long a client may leave its answers unread.
const SEND_LIMIT: Duration = Duration::from_secs(30);
