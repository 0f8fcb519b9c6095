//! The grant `sockets`.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use crate::source::Calling;

/// Answers every connection with `welcome`; the port.
fn welcome() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut hello = [0; 5];
            if stream.read_exact(&mut hello).is_ok() {
                drop(stream.write_all(b"welcome"));
            }
        }
    });
    port
}

/// What the source that calls needs to be loaded.
const HTTP: &str = "http: [{ origin: \"https://a.invalid\" }]";

#[test]
fn a_granted_destination_is_connected_to_by_its_name_and_by_its_address() {
    let (calling, port) = (Calling::new(), welcome());
    for host in ["localhost", "127.0.0.1"] {
        let grants = format!("{HTTP}, sockets: [{{ to: \"{host}:{port}\", private: true }}]");
        calling.call(&format!("connect: \"{host}:{port}\""), &grants, "").answers("answered: welcome");
    }
}

#[test]
fn no_other_name_address_or_port_is_and_the_message_names_the_line() {
    let (calling, port, other) = (Calling::new(), welcome(), welcome());
    let grant = |destination: &str| format!("{HTTP}, sockets: [{destination}]");
    let name = format!("{{ to: \"localhost:{port}\", private: true }}");
    for (connect, grants, says) in [
        (format!("localhost:{other}"), grant(&name), format!("asked for a connection to 127.0.0.1:{other}, which is not granted")),
        (format!("127.0.0.1:{port}"), grant(&name), format!("`grants.sockets`: `- \"127.0.0.1:{port}\"`")),
        (format!("a.invalid:{port}"), grant(&name), "looked up `a.invalid`, which is not granted".to_owned()),
        (format!("localhost:{port}"), grant(&format!("\"localhost:{port}\"")), "which is loopback; to allow it".to_owned()),
    ] {
        calling.call(&format!("connect: \"{connect}\""), &grants, "").is_denied(&says);
    }
    // Without any such grant there are no sockets at all.
    calling
        .call(&format!("connect: \"127.0.0.1:{port}\""), HTTP, "")
        .is_denied("asked for a TCP socket; to allow it, add to the source's `grants.sockets`");
    calling.call(&format!("connect: \"localhost:{port}\""), HTTP, "").is_denied("asked for the addresses of `localhost`");
}

#[test]
fn nobody_listens_and_nobody_speaks_udp() {
    let calling = Calling::new();
    let called = calling.call("listen: x", &format!("{HTTP}, sockets: [{{ to: \"localhost:1\", private: true }}]"), "");
    assert!(called.outcome == "misconfigured" && called.text.contains("which no grant allows"), "{called:?}");
}
