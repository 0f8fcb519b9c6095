//! Requests and answers as the bodies of frames.

use serde::{Deserialize, Serialize};

use super::{Failure, FailureCode, Outgoing, Reply, Request, skew};
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
                let failure = usage(format!("the request cannot be understood: {}", plain::line(&cause)));
                (id, Box::new(Failure { hint: skew::newer_client(), ..failure }))
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
        // Of every version: what is wrong with the connection, most likely the version.
        Ok(AnswerIn { id: 0, reply: None, failure: Some(failure), .. }) => Ok((0, Err(failure))),
        _ => match read::<Header>(body) {
            Ok(Header { v, .. }) if v != VERSION => Err(FrameError::Version(v)),
            _ => Err(FrameError::Garbage),
        },
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

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    deserializer.set_max_depth(MAX_DEPTH);
    T::deserialize(&mut deserializer)
}

fn wrong_version(theirs: u64) -> Failure {
    Failure { hint: skew::hint_of_agent(theirs), ..failure(FailureCode::Agent, FrameError::Version(theirs).to_string()) }
}

fn usage(message: String) -> Failure {
    failure(FailureCode::Usage, message)
}

fn internal(message: &str) -> Failure {
    failure(FailureCode::Internal, message.into())
}

fn failure(code: FailureCode, message: String) -> Failure {
    let hint = "use the `flytoken` that the agent is of: `flytoken status` names its version".into();
    Failure { code, message, hint, steps: Vec::new() }
}

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
        protocol::{Delivered, Incoming, LeaseFacts, Wish},
        time::Timestamp,
        token::ApiToken,
    };

    fn get() -> Request {
        Request::Get { app: AppName::parse("web").unwrap(), kind: Kind::Readonly, wish: Wish::default() }
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

        let failure = Failure { hint: "wait".into(), ..failure(FailureCode::TryAgain, "busy".into()) };
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
            Request::Get { app: app(), kind: Kind::MachineExec, wish: Wish { valid_for: Some(60), ..Wish::default() } },
            Request::Set { app: app(), token: token(), force: false },
            Request::Set { app: app(), token: token(), force: true },
            Request::Unset { app: app() },
            Request::Refresh { app: app(), kind: None },
            Request::Invalidate { app: app(), kind: Some(Kind::Deploy), fingerprint: Some(fingerprint) },
            Request::InvalidateToken { app: app(), kind: None, token: token() },
            Request::Explain { app: app(), kind: Kind::Org, resolve: true },
            Request::Status,
            Request::Minted,
            Request::Revoke { name: "flytoken-web-deploy-00c0ffee0000".into() },
            Request::VerifyAudit,
        ] {
            let bytes = bytes_of(|outgoing| encode_request(outgoing, 1, &request).unwrap());
            let (_, read) = arrived(MAX_REQUEST, &bytes).next(decode_request).unwrap().unwrap().unwrap();
            assert_eq!(format!("{read:?}"), format!("{request:?}"));
        }
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
        let long = Request::Set { app: AppName::parse("web").unwrap(), token, force: false };
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
    fn a_failure_of_a_version_that_said_nothing_of_what_to_do_says_something() {
        for hint in [Some(None), Some(Some("do it")), None] {
            let mut map = serde_json::json!({ "code": "denied", "message": "no", "steps": [] });
            if let Some(hint) = hint {
                map["hint"] = hint.into();
            }
            let failure: Failure = rmp_serde::from_slice(&rmp_serde::to_vec_named(&map).unwrap()).unwrap();
            let expected = hint.flatten().unwrap_or("see how the agent is: `flytoken status`");
            assert_eq!(failure.hint, expected);
        }
    }
}
