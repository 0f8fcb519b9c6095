//! A token service on loopback.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

/// Answers `/fly/web` with the token, whatever stands behind a `?`, and everything else with 404.
pub(crate) struct Service {
    port: u16,
}

impl Service {
    /// Starts it; it ends with the process.
    pub(crate) fn start(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Blanks, so that it comes in several parts.
        let found = format!("{{\"token\": \"{token}\", \"expires_in\": 3600}}{}", " ".repeat(200_000));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else { continue };
                // The headers say nothing that matters here.
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let path = first.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
                let (status, body) = if path == "/fly/web" { ("200 OK", found.as_str()) } else { ("404 Not Found", "{}") };
                let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            }
        });
        Self { port }
    }

    /// As it is granted.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
