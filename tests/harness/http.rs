//! HTTP as any client speaks it, put together by hand.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

/// What was answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The first line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// The value of a header, by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a failure, which has all that a failure has.
    pub(crate) fn code(&self) -> String {
        let error = self.json()["error"].take();
        for key in ["code", "message", "hint"] {
            assert!(error[key].as_str().is_some_and(|text| !text.is_empty()), "no {key}: {self:?}");
        }
        assert!(error["steps"].is_array(), "{self:?}");
        error["code"].as_str().unwrap().to_owned()
    }
}

/// A connection on a Unix socket.
pub(crate) struct Http<S> {
    stream: S,
}

impl Http<UnixStream> {
    /// Connects to whoever listens on `socket`.
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }
}

impl Http<TcpStream> {
    /// Connects to whoever listens on this port of the machine's own.
    pub(crate) fn connect_to(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }
}

impl<S: Read + Write> Http<S> {
    /// Sends bytes as they are; what an agent does not take that has hung up is no matter.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next answer; none once the agent has hung up.
    pub(crate) fn receive(&mut self) -> Option<Response> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                Ok(_) => return None,
                Err(cause) if cause.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(cause) => panic!("the agent did not answer: {cause}"),
            }
        }
        let head = String::from_utf8(head).unwrap();
        let mut response = Response { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: String::new() };
        let length = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        response.body = String::from_utf8(body).unwrap();
        Some(response)
    }

    /// What is answered to a request with these headers, each `Name: value`.
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[&str]) -> Response {
        let first = format!("{method} {path} HTTP/1.1");
        let lines = [&[first.as_str()][..], headers, &["\r\n"]].concat();
        self.send(lines.join("\r\n").as_bytes());
        self.receive().unwrap_or_else(|| panic!("hung up on {method} {path}"))
    }
}

/// Longer than an agent takes that is not held up, and longer than it lets a client take its time.
const PATIENCE: Duration = Duration::from_secs(45);
