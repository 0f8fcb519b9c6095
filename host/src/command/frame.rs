//! What the agent and a supervisor say to each other: one request, one answer, each a length and a MessagePack map.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    io::{self, Read, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt};
use zeroize::Zeroizing;

/// One program to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// The real file.
    pub(super) program: Bytes,
    /// What the program is told it is called.
    pub(super) name: Bytes,
    pub(super) args: Vec<Bytes>,
    /// All its variables.
    pub(super) env: Vec<(Bytes, Bytes)>,
    /// Its private folder, which the supervisor removes afterwards.
    pub(super) dir: Bytes,
    /// Where else it may write.
    pub(super) writes: Vec<Bytes>,
    pub(super) limits: Limits,
}

/// What one run may take.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Limits {
    /// The program is ended after this many milliseconds.
    pub(super) run_ms: u64,
    /// After the program's end its output is read for at most this many milliseconds: what it left running may hold it open.
    pub(super) linger_ms: u64,
    /// More bytes of standard output than this end the program.
    pub(super) stdout: usize,
    /// More bytes of standard error than this are dropped.
    pub(super) stderr: usize,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The program ended by itself.
    Finished {
        code: Option<i32>,
        stdout: Bytes,
        stderr: Bytes,
    },
    TimedOut,
    TooMuchOutput,
    /// The program was not started, or could not be watched; why.
    Failed(String),
}

/// Bytes that may be secret: wiped when dropped, never printed.
#[derive(Default)]
pub(super) struct Bytes(pub(super) Zeroizing<Vec<u8>>);

impl Bytes {
    pub(super) fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }
}

impl From<OsString> for Bytes {
    fn from(text: OsString) -> Self {
        Self(Zeroizing::new(text.into_vec()))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes)", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(Zeroizing::new(bytes.to_vec())))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

/// A message as it goes over the channel, length first. `size` is an upper bound of its bytes without structure: the buffer must not
/// grow, since growing leaves copies behind that nobody wipes.
pub(super) fn encode<T: Serialize>(message: &T, size: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut frame = Zeroizing::new(Vec::with_capacity(size + STRUCTURE));
    frame.extend_from_slice(&[0; LENGTH]);
    rmp_serde::encode::write_named(&mut *frame, message).map_err(io::Error::other)?;
    let length = u32::try_from(frame.len() - LENGTH).ok().filter(|length| *length <= LONGEST).ok_or_else(too_long)?;
    frame[..LENGTH].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

impl Request {
    pub(super) fn size(&self) -> usize {
        let pairs = self.env.iter().flat_map(|(name, value)| [name, value]);
        let texts = [&self.program, &self.name, &self.dir].into_iter().chain(&self.writes).chain(&self.args).chain(pairs);
        texts.map(|text| text.0.len() + HEADER).sum()
    }
}

impl Answer {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Finished { stdout, stderr, .. } => stdout.0.len() + stderr.0.len(),
            Self::Failed(text) => text.len(),
            Self::TimedOut | Self::TooMuchOutput => 0,
        }
    }
}

/// Reads one message, waiting for it; none if the other end hung up before it began.
pub(super) fn read<T: DeserializeOwned>(channel: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; LENGTH];
    match channel.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let mut body = body(length)?;
    channel.read_exact(&mut body)?;
    decode(&body).map(Some)
}

/// Writes one message.
pub(super) fn write<T: Serialize>(channel: &mut impl Write, message: &T, size: usize) -> io::Result<()> {
    channel.write_all(&encode(message, size)?)
}

/// Reads one message without holding a thread.
pub(super) async fn receive<T: DeserializeOwned>(channel: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let mut length = [0; LENGTH];
    channel.read_exact(&mut length).await?;
    let mut body = body(length)?;
    channel.read_exact(&mut body).await?;
    decode(&body)
}

fn body(length: [u8; LENGTH]) -> io::Result<Zeroizing<Vec<u8>>> {
    let length = u32::from_be_bytes(length);
    if length > LONGEST { Err(too_long()) } else { Ok(Zeroizing::new(vec![0; length as usize])) }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    rmp_serde::from_slice(body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message between agent and supervisor is too long")
}

const LENGTH: usize = size_of::<u32>();

/// Room for what MessagePack puts around one text, and around everything else.
const HEADER: usize = 8;
const STRUCTURE: usize = 512;

/// Neither side makes the other allocate more than this. An answer holds 1 MiB and 64 KiB, a request a few dozen KiB.
const LONGEST: u32 = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &[u8]) -> Bytes {
        Bytes(Zeroizing::new(text.to_vec()))
    }

    fn request() -> Request {
        Request {
            program: bytes(b"/bin/x\xff"),
            name: bytes(b"x"),
            args: vec![bytes(b"a"), bytes(b"")],
            env: vec![(bytes(b"FLY_API_TOKEN"), bytes(b"canary"))],
            dir: bytes(b"/tmp/x"),
            writes: vec![],
            limits: Limits { run_ms: 15_000, linger_ms: 200, stdout: 1 << 20, stderr: 1 << 16 },
        }
    }

    #[test]
    fn a_message_comes_out_as_it_went_in_and_its_buffer_never_grows() {
        let sent = request();
        let frame = encode(&sent, sent.size()).unwrap();
        assert!(frame.capacity() == sent.size() + STRUCTURE);
        let received: Request = read(&mut &frame[..]).unwrap().unwrap();
        assert_eq!(received.env[0].1.as_os_str(), "canary");
        assert_eq!(received.args.len(), 2);
        assert_eq!(*received.program.0, b"/bin/x\xff");

        let answer = Answer::Finished { code: Some(1), stdout: bytes(&vec![b'x'; 1 << 20]), stderr: bytes(&vec![b'y'; 1 << 16]) };
        let frame = encode(&answer, answer.size()).unwrap();
        assert!(frame.capacity() == answer.size() + STRUCTURE);
        let Some(Answer::Finished { code: Some(1), stdout, stderr }) = read(&mut &frame[..]).unwrap() else { panic!("another answer") };
        assert_eq!((stdout.0.len(), stderr.0.len()), (1 << 20, 1 << 16));
    }

    #[test]
    fn what_is_no_message_is_refused_before_anything_is_allocated() {
        assert!(read::<Request>(&mut &[][..]).unwrap().is_none());
        let cases: [&[u8]; 4] = [&[0xff, 0xff, 0xff, 0xff, 0], &[0, 0, 0, 9, 1], &[0, 0, 0, 1, 0xc1], &[0, 0, 0, 1, 0x80]];
        for frame in cases {
            assert!(read::<Request>(&mut &frame[..]).is_err(), "{frame:?}");
        }
        assert!(encode(&Answer::Failed("x".repeat(3 << 20)), 3 << 20).is_err());
    }

    #[test]
    fn debug_output_hides_what_is_inside() {
        assert!(!format!("{:?}", request()).contains("canary"));
    }
}
