//! Frames: lengths bounded before anything is allocated, buffers wiped after use.

use std::io;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::{Failure, FailureCode, Reply, Request};
use crate::plain;

/// The version of the protocol that this build speaks.
pub const VERSION: u64 = 1;

/// The longest request, in bytes: a token of the greatest size several times over. Bounds what a client can make the agent allocate.
pub const MAX_REQUEST: usize = 64 * 1024;

/// The longest answer, in bytes: a status with some thousand apps. Bounds what an agent can make a client allocate.
pub const MAX_ANSWER: usize = 1024 * 1024;

/// What a client is told.
pub type Answer = Result<Reply, Failure>;

/// Appends the frame of a request.
///
/// # Errors
/// [`FrameError::TooLong`] if the request does not fit a frame; nothing is appended then.
pub fn encode_request(outgoing: &mut Outgoing, id: u64, request: &Request) -> Result<(), FrameError> {
    outgoing.append(&RequestOut { v: VERSION, id, request }, MAX_REQUEST)
}

/// Appends the frame of an answer. An answer that does not fit a frame becomes a failure that says so.
pub fn encode_answer(outgoing: &mut Outgoing, id: u64, answer: &Answer) {
    let body = match answer {
        Ok(reply) => AnswerOut { v: VERSION, id, reply: Some(reply), failure: None },
        Err(failure) => AnswerOut { v: VERSION, id, reply: None, failure: Some(failure) },
    };
    if outgoing.append(&body, MAX_ANSWER).is_err() {
        let failure = internal("the answer does not fit a frame of the protocol");
        // A text this short always fits.
        let _ = outgoing.append(&AnswerOut { v: VERSION, id, reply: None, failure: Some(&failure) }, MAX_ANSWER);
    }
}

/// Reads the body of a request's frame.
///
/// # Errors
/// With the id to answer under, and the failure to answer with. Id 0 means that the connection is of no use any more.
pub fn decode_request(body: &[u8]) -> Result<(u64, Request), (u64, Box<Failure>)> {
    match read::<RequestIn>(body) {
        Ok(RequestIn { v: VERSION, id, request }) if id != 0 => Ok((id, request)),
        understood => Err(match read::<Header>(body) {
            Ok(Header { v, .. }) if v != VERSION => (0, Box::new(wrong_version(v))),
            Ok(Header { id: 0, .. }) => (0, Box::new(usage("a request's id starts at 1".into()))),
            Ok(Header { id, .. }) => {
                let cause = understood.err().map(|cause| cause.to_string()).unwrap_or_default();
                (id, Box::new(usage(format!("the request cannot be understood: {}", plain::line(&cause)))))
            }
            Err(_) => (0, Box::new(usage("the bytes received are no request of the flytoken protocol".into()))),
        }),
    }
}

/// Reads the body of an answer's frame: the id of its request, and the answer.
///
/// # Errors
/// [`FrameError::Version`] if the agent speaks another version, [`FrameError::Garbage`] if it speaks something else.
pub fn decode_answer(body: &[u8]) -> Result<(u64, Answer), FrameError> {
    match read::<AnswerIn>(body) {
        Ok(AnswerIn { v: VERSION, id, reply: Some(reply), failure: None }) => Ok((id, Ok(reply))),
        Ok(AnswerIn { v: VERSION, id, reply: None, failure: Some(failure) }) => Ok((id, Err(failure))),
        _ => match read::<Header>(body) {
            Ok(Header { v, .. }) if v != VERSION => Err(FrameError::Version(v)),
            _ => Err(FrameError::Garbage),
        },
    }
}

/// Bytes that have arrived and are not read yet. Grows with the bytes that come, never by what a length announces.
#[derive(Debug)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// The unread bytes are those in `start..end`.
    start: usize,
    end: usize,
    most: usize,
}

impl Incoming {
    /// For frames of at most `most` bytes.
    pub fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, most }
    }

    /// Room for the next read; never empty. Tell [`Self::received`] how much of it was filled.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.end == self.bytes.len() {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                let kept = self.end - self.start;
                self.bytes[kept..].zeroize();
                (self.start, self.end) = (0, kept);
            } else {
                // A complete frame is read before more room is asked for, so doubling ends below twice the longest frame.
                let length = (self.bytes.len() * 2).max(FIRST_ROOM);
                grow(&mut self.bytes, length);
                self.bytes.resize(length, 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Counts `count` bytes of [`Self::room`] as received.
    pub fn received(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Reads the next complete frame's body with `read` and wipes it; none if more bytes have to come first.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] as soon as a length beyond the bound is announced.
    pub fn next<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, FrameError> {
        let unread = &self.bytes[self.start..self.end];
        let Some((prefix, rest)) = unread.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > self.most {
            return Err(FrameError::TooLong { length, most: self.most });
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let value = read(body);
        let next = self.start + PREFIX + length;
        self.bytes[self.start..next].zeroize();
        self.start = next;
        Ok(Some(value))
    }

    /// Whether a frame has begun that is not complete.
    pub fn is_inside_frame(&self) -> bool {
        self.start != self.end
    }

    /// Gives back memory that a long frame needed, if nothing is unread.
    pub fn shrink(&mut self) {
        if self.start == self.end && self.bytes.len() > KEPT_ROOM {
            *self = Self::new(self.most);
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What was read is wiped already.
        self.bytes[self.start..self.end].zeroize();
    }
}

/// Frames on their way out, wiped once they are sent.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    /// What is still to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Counts `count` bytes of [`Self::unsent`] as sent.
    pub fn sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.bytes.as_mut_slice().zeroize();
            self.bytes.clear();
            self.sent = 0;
            if self.bytes.capacity() > KEPT_ROOM {
                self.bytes = Vec::new();
            }
        }
    }

    fn append(&mut self, body: &impl Serialize, most: usize) -> Result<(), FrameError> {
        let start = self.bytes.len();
        let mut appender = Appender { bytes: &mut self.bytes, limit: start + PREFIX + most };
        appender.push(&[0; PREFIX]);
        let written = body.serialize(&mut rmp_serde::Serializer::new(&mut appender).with_struct_map());
        let length = self.bytes.len() - start - PREFIX;
        if let (Ok(()), Ok(prefix)) = (written, u32::try_from(length)) {
            self.bytes[start..start + PREFIX].copy_from_slice(&prefix.to_be_bytes());
            return Ok(());
        }
        self.bytes[start..].zeroize();
        self.bytes.truncate(start);
        Err(FrameError::TooLong { length, most })
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.bytes.as_mut_slice().zeroize();
    }
}

/// Why bytes are no frame, or a value does not fit one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame would be longer than its direction allows.
    #[error("a frame of {length} bytes or more, where at most {most} are allowed")]
    TooLong {
        /// Its length, as far as it is known.
        length: usize,
        /// The most there may be.
        most: usize,
    },
    /// The other side speaks another version.
    #[error("version {0} of the protocol, where version {VERSION} is spoken here")]
    Version(u64),
    /// The other side speaks something else.
    #[error("bytes that are no answer of the flytoken protocol")]
    Garbage,
}

#[derive(Serialize)]
struct RequestOut<'a> {
    v: u64,
    id: u64,
    request: &'a Request,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestIn {
    v: u64,
    id: u64,
    request: Request,
}

#[derive(Serialize)]
struct AnswerOut<'a> {
    v: u64,
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<&'a Reply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
}

#[derive(Deserialize)]
struct AnswerIn {
    v: u64,
    id: u64,
    #[serde(default)]
    reply: Option<Reply>,
    #[serde(default)]
    failure: Option<Failure>,
}

/// What every version of every message starts with.
#[derive(Deserialize)]
struct Header {
    v: u64,
    #[serde(default)]
    id: u64,
}

/// Appends to a buffer up to a limit, wiping what it leaves behind when it has to move.
struct Appender<'a> {
    bytes: &'a mut Vec<u8>,
    limit: usize,
}

impl Appender<'_> {
    fn push(&mut self, part: &[u8]) {
        let needed = self.bytes.len() + part.len();
        if needed > self.bytes.capacity() {
            grow(self.bytes, needed.max(self.bytes.capacity() * 2).max(FIRST_ROOM));
        }
        self.bytes.extend_from_slice(part);
    }
}

impl io::Write for Appender<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.push(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Moves the bytes to a greater allocation and wipes the old one, which a plain `Vec` would free as it is.
fn grow(bytes: &mut Vec<u8>, capacity: usize) {
    let mut greater = Vec::with_capacity(capacity);
    greater.extend_from_slice(bytes);
    bytes.as_mut_slice().zeroize();
    *bytes = greater;
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    deserializer.set_max_depth(MAX_DEPTH);
    T::deserialize(&mut deserializer)
}

fn wrong_version(theirs: u64) -> Failure {
    let mend = if theirs < VERSION { "upgrade the client" } else { "stop the agent and start the newer one: `flytoken agent`" };
    Failure { hint: Some(mend.into()), ..failure(FailureCode::Agent, FrameError::Version(theirs).to_string()) }
}

fn usage(message: String) -> Failure {
    failure(FailureCode::Usage, message)
}

fn internal(message: &str) -> Failure {
    failure(FailureCode::Internal, message.into())
}

fn failure(code: FailureCode, message: String) -> Failure {
    Failure { code, message, hint: None, steps: Vec::new() }
}

/// The length before each frame, in bytes.
const PREFIX: usize = 4;

/// The room a connection starts with: most requests and answers fit.
const FIRST_ROOM: usize = 2 * 1024;

/// More room than this is given back once a frame is dealt with, so that one long frame does not cost memory for a connection's life.
const KEPT_ROOM: usize = 16 * 1024;

/// How deeply a message may nest; the deepest has half of it. A recursion that a client drives must not reach the end of the stack.
const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        app::AppName,
        kind::Kind,
        lease::Expiry,
        protocol::{Delivered, LeaseFacts},
        time::Timestamp,
        token::ApiToken,
    };

    fn get() -> Request {
        Request::Get { app: AppName::parse("web").unwrap(), kind: Kind::Readonly, valid_for: None }
    }

    fn token() -> Reply {
        Reply::Token(Delivered {
            token: Arc::new(ApiToken::new(Zeroizing::new("fm2_canary".into()))),
            facts: LeaseFacts {
                app: AppName::parse("web").unwrap(),
                kind: Kind::Readonly,
                source: "cli".into(),
                expiry: Expiry::At(Timestamp::from_seconds(1_700_000_000)),
                obtained: Timestamp::from_seconds(1_699_913_600),
                fingerprint: "0123456789abcdef".parse().unwrap(),
            },
        })
    }

    fn bytes_of(fill: impl FnOnce(&mut Outgoing)) -> Vec<u8> {
        let mut outgoing = Outgoing::default();
        fill(&mut outgoing);
        outgoing.unsent().to_vec()
    }

    fn arrived(most: usize, bytes: &[u8]) -> Incoming {
        let mut incoming = Incoming::new(most);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = incoming.room();
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            incoming.received(count);
            rest = &rest[count..];
        }
        incoming
    }

    /// The bytes on the wire, as `MessagePack` marks and texts: a change here is a change of the protocol.
    #[test]
    fn the_bytes_on_the_wire_stay_what_they_are() {
        let request = bytes_of(|outgoing| encode_request(outgoing, 7, &get()).unwrap());
        let body = b"\x83\xa1v\x01\xa2id\x07\xa7request\x83\xa2op\xa3get\xa3app\xa3web\xa4kind\xa8readonly";
        assert_eq!(request, [&[0, 0, 0, 46], &body[..]].concat());

        let answer = bytes_of(|outgoing| encode_answer(outgoing, 7, &Ok(token())));
        let body = [
            &b"\x83\xa1v\x01\xa2id\x07\xa5reply\x83\xa5reply\xa5token\xa5token\xaafm2_canary\xa5lease\x86\xa3app\xa3web"[..],
            b"\xa4kind\xa8readonly\xa6source\xa3cli\xa6expiry\x81\xa2at\xcf\x00\x00\x01\x8b\xcf\xe5\x68\x00",
            b"\xa8obtained\xcf\x00\x00\x01\x8b\xca\xbf\x0c\x00\xabfingerprint\xb00123456789abcdef",
        ]
        .concat();
        assert_eq!(answer, [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat());

        let failure = Failure { hint: Some("wait".into()), ..failure(FailureCode::TryAgain, "busy".into()) };
        let answer = bytes_of(|outgoing| encode_answer(outgoing, 300, &Err(failure)));
        let body = b"\x83\xa1v\x01\xa2id\xcd\x01\x2c\xa7failure\x84\xa4code\xa9try-again\xa7message\xa4busy\xa4hint\xa4wait\xa5steps\x90";
        assert_eq!(answer, [&[0, 0, 0, 64], &body[..]].concat());
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut incoming = arrived(MAX_REQUEST, &bytes_of(|outgoing| encode_request(outgoing, 9, &get()).unwrap()));
        let (id, request) = incoming.next(decode_request).unwrap().unwrap().unwrap();
        assert_eq!(id, 9);
        assert!(matches!(request, Request::Get { .. }));

        let mut incoming = arrived(MAX_ANSWER, &bytes_of(|outgoing| encode_answer(outgoing, 9, &Ok(token()))));
        let (id, answer) = incoming.next(decode_answer).unwrap().unwrap().unwrap();
        let Ok(Reply::Token(delivered)) = answer else { panic!("{answer:?}") };
        assert_eq!((id, delivered.token.expose()), (9, "fm2_canary"));
    }

    #[test]
    fn every_request_survives_the_wire() {
        let app = || AppName::parse("web").unwrap();
        let token = || Arc::new(ApiToken::new(Zeroizing::new("fm2_canary".into())));
        let fingerprint = "0123456789abcdef".parse().unwrap();
        for request in [
            Request::Get { app: app(), kind: Kind::MachineExec, valid_for: Some(60) },
            Request::Set { app: app(), token: token() },
            Request::Unset { app: app() },
            Request::Refresh { app: app(), kind: None },
            Request::Invalidate { app: app(), kind: Some(Kind::Deploy), fingerprint: Some(fingerprint) },
            Request::InvalidateToken { app: app(), kind: None, token: token() },
            Request::Explain { app: app(), kind: Kind::Org, resolve: true },
            Request::Status,
        ] {
            let bytes = bytes_of(|outgoing| encode_request(outgoing, 1, &request).unwrap());
            let (_, read) = arrived(MAX_REQUEST, &bytes).next(decode_request).unwrap().unwrap().unwrap();
            assert_eq!(format!("{read:?}"), format!("{request:?}"));
        }
    }

    #[test]
    fn a_frame_is_read_when_its_last_byte_is_there() {
        let bytes = bytes_of(|outgoing| encode_request(outgoing, 1, &get()).unwrap());
        let mut incoming = Incoming::new(MAX_REQUEST);
        for (index, byte) in bytes.iter().enumerate() {
            assert!(incoming.next(decode_request).unwrap().is_none(), "after {index} bytes");
            incoming.room()[0] = *byte;
            incoming.received(1);
        }
        assert!(incoming.next(decode_request).unwrap().unwrap().is_ok());
        assert!(!incoming.is_inside_frame());
    }

    #[test]
    fn an_announced_length_costs_nothing_and_a_long_one_is_refused() {
        let mut incoming = arrived(MAX_REQUEST, &u32::try_from(MAX_REQUEST).unwrap().to_be_bytes());
        assert!(incoming.next(decode_request).unwrap().is_none());
        assert_eq!(incoming.bytes.len(), FIRST_ROOM);
        let mut incoming = arrived(MAX_REQUEST, &[0xff; 4]);
        assert!(matches!(incoming.next(decode_request), Err(FrameError::TooLong { length: 0xffff_ffff, .. })));
    }

    #[test]
    fn room_stays_below_twice_the_longest_frame() {
        let longest = vec![0; MAX_REQUEST];
        let frame = [&u32::try_from(MAX_REQUEST).unwrap().to_be_bytes()[..], &longest].concat();
        let mut incoming = Incoming::new(MAX_REQUEST);
        for _ in 0..3 {
            for part in frame.chunks(1000) {
                let mut rest = part;
                while !rest.is_empty() {
                    let room = incoming.room();
                    let count = room.len().min(rest.len());
                    room[..count].copy_from_slice(&rest[..count]);
                    incoming.received(count);
                    rest = &rest[count..];
                    let _ = incoming.next(<[u8]>::len).unwrap();
                }
            }
        }
        assert!(incoming.bytes.len() <= 2 * MAX_REQUEST);
        incoming.shrink();
        assert_eq!(incoming.bytes.len(), 0);
    }

    #[test]
    fn what_is_no_request_gets_a_failure() {
        let named = |fields: &[(&str, u64)]| {
            rmp_serde::to_vec_named(&fields.iter().copied().collect::<std::collections::BTreeMap<_, _>>()).unwrap()
        };
        let nested = [&b"\x83\xa1v\x01\xa2id\x07\xa7request"[..], &vec![0x91; 60_000], b"\xc0"].concat();
        // Body, the id of the answer, its code and a part of its message.
        for (body, id, code, part) in [
            (b"GET / HTTP/1.1".to_vec(), 0, FailureCode::Usage, "no request"),
            (Vec::new(), 0, FailureCode::Usage, "no request"),
            (named(&[("v", 2), ("id", 5)]), 0, FailureCode::Agent, "version 2"),
            (named(&[("v", 1), ("id", 5)]), 5, FailureCode::Usage, "missing field"),
            (named(&[("v", 1), ("request", 1)]), 0, FailureCode::Usage, "id"),
            (b"\x83\xa1v\x01\xa2id\x07\xa7request\x83\xa2op\xa5unset\xa3app\xa3web\xa4nope\x01".to_vec(), 7, FailureCode::Usage, "nope"),
            (b"\x83\xa1v\x01\xa2id\x07\xa7request\x81\xa2op\xaafm2_canary".to_vec(), 7, FailureCode::Usage, "unknown variant"),
            (nested, 0, FailureCode::Usage, "no request"),
        ] {
            let (answered, failure) = decode_request(&body).unwrap_err();
            assert_eq!((answered, failure.code), (id, code), "{failure:?}");
            assert!(failure.message.contains(part), "{failure:?}");
            assert!(!failure.message.contains("canary"), "{failure:?}");
        }
    }

    #[test]
    fn a_request_that_does_not_fit_is_refused_and_leaves_nothing_behind() {
        let mut outgoing = Outgoing::default();
        encode_request(&mut outgoing, 1, &get()).unwrap();
        let before = outgoing.unsent().to_vec();
        let token = Arc::new(ApiToken::new(Zeroizing::new("x".repeat(MAX_REQUEST))));
        let long = Request::Set { app: AppName::parse("web").unwrap(), token };
        assert!(matches!(encode_request(&mut outgoing, 2, &long), Err(FrameError::TooLong { .. })));
        assert_eq!(outgoing.unsent(), before);
    }

    #[test]
    fn an_answer_that_does_not_fit_becomes_a_failure() {
        let long = failure(FailureCode::NoToken, "x".repeat(MAX_ANSWER));
        let bytes = bytes_of(|outgoing| encode_answer(outgoing, 3, &Err(long)));
        let (id, answer) = arrived(MAX_ANSWER, &bytes).next(decode_answer).unwrap().unwrap().unwrap();
        assert_eq!((id, answer.unwrap_err().code), (3, FailureCode::Internal));
    }

    #[test]
    fn sent_bytes_are_wiped() {
        let mut outgoing = Outgoing::default();
        encode_answer(&mut outgoing, 1, &Ok(token()));
        let length = outgoing.unsent().len();
        outgoing.sent(length - 1);
        assert_eq!(outgoing.unsent().len(), 1);
        outgoing.sent(1);
        outgoing.bytes.resize(outgoing.bytes.capacity(), 0);
        assert!(outgoing.bytes.iter().all(|byte| *byte == 0));

        let mut incoming = arrived(MAX_ANSWER, &bytes_of(|outgoing| encode_answer(outgoing, 1, &Ok(token()))));
        let _ = incoming.next(decode_answer).unwrap().unwrap().unwrap();
        assert!(incoming.bytes.iter().all(|byte| *byte == 0));
    }
}
