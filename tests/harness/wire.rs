//! The socket as a client in any language meets it: frames of `MessagePack`, put together by hand.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};

/// One connection. Whoever waits on it longer than [`PATIENCE`] has not been answered.
pub(crate) struct Wire {
    stream: UnixStream,
}

impl Wire {
    /// Connects to the agent that listens on `socket`.
    pub(crate) fn connect(socket: &Path) -> Self {
        Self::try_connect(socket).unwrap()
    }

    /// Connects if an agent listens on `socket`.
    pub(crate) fn try_connect(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Some(Self { stream })
    }

    /// A second handle to the same connection, for a thread that reads while another writes.
    pub(crate) fn other_handle(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap() }
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends as many of these bytes as the agent takes within the next moments; the number of those.
    pub(crate) fn send_what_is_taken(&mut self, bytes: &[u8]) -> usize {
        self.stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut taken = 0;
        while taken < bytes.len() {
            match self.stream.write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                Err(cause) => panic!("the agent hung up: {cause}"),
            }
        }
        taken
    }

    /// The next answer; none once the agent has hung up.
    pub(crate) fn receive(&mut self) -> Option<Value> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
        self.fill(&mut body)?;
        Some(rmp_serde::from_slice(&body).unwrap())
    }

    /// The next answer, if there is one so soon.
    pub(crate) fn receive_within(&mut self, patience: Duration) -> Option<Value> {
        let is_there = rustix::event::poll(
            &mut [rustix::event::PollFd::new(&self.stream, rustix::event::PollFlags::IN)],
            Some(&patience.try_into().unwrap()),
        );
        if is_there.unwrap() == 0 { None } else { self.receive() }
    }

    /// Reads so many bytes; none once the agent has hung up.
    fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(cause) if matches!(cause.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => None,
            Err(cause) => panic!("the agent did not answer: {cause}"),
        }
    }

    /// As [`Self::ask`], of an agent that may be killed meanwhile: none if it was.
    pub(crate) fn try_ask(&mut self, request: &Value) -> Option<Value> {
        self.stream.write_all(&frame(1, request)).ok()?;
        self.receive()
    }

    /// Sends a request with the id 1 and waits for its answer.
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        self.send(&frame(1, request));
        let answer = self.receive().unwrap_or_else(|| panic!("the agent hung up on {request}"));
        assert_eq!(answer["id"], 1, "{answer}");
        answer
    }
}

/// The frame of a request of version 1.
pub(crate) fn frame(id: u64, request: &Value) -> Vec<u8> {
    framed(&rmp_serde::to_vec(&json!({ "v": 1, "id": id, "request": request })).unwrap())
}

/// These bytes behind their length.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

/// The request for a read-only token.
pub(crate) fn get(app: &str) -> Value {
    json!({ "op": "get", "app": app, "kind": "readonly" })
}

/// Far longer than an agent takes that is not held up, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
