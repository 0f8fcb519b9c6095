//! Any bytes that arrive in any pieces are frames within their bounds, and whatever is read of one is written so that it reads the same.

#![no_main]

use flytoken::protocol::{
    FrameError, Incoming, MAX_ANSWER, MAX_REQUEST, Outgoing, decode_answer, decode_request, encode_answer, encode_request,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says in which pieces the rest arrives, and the rest is a body by itself as well.
    let Some((piece, rest)) = bytes.split_first() else { return };
    arrive(rest, usize::from(*piece) + 1, MAX_REQUEST, request);
    arrive(rest, usize::from(*piece) + 1, MAX_ANSWER, answer);
    request(rest);
    answer(rest);
});

/// Receives bytes as a connection does.
fn arrive(bytes: &[u8], piece: usize, most: usize, read: impl Fn(&[u8])) {
    let mut incoming = Incoming::new(most);
    for mut part in bytes.chunks(piece) {
        while !part.is_empty() {
            let room = incoming.room();
            let count = room.len().min(part.len());
            room[..count].copy_from_slice(&part[..count]);
            incoming.received(count);
            part = &part[count..];
            loop {
                match incoming.next(|body| read(body)) {
                    Ok(Some(())) => {}
                    Ok(None) => break,
                    Err(FrameError::TooLong { length, .. }) => return assert!(length > most),
                    Err(other) => panic!("{other}"),
                }
            }
            assert!(incoming.room().len() <= 2 * bytes.len().max(2048), "room is what has arrived, not what was announced");
        }
    }
}

fn request(body: &[u8]) {
    match decode_request(body) {
        Ok((id, request)) => {
            assert_ne!(id, 0);
            let written = written(|outgoing| encode_request(outgoing, id, &request).expect("it fitted a frame before"));
            let (same, again) = decode_request(&written[4..]).expect("what is written can be read");
            assert_eq!(same, id);
            assert_eq!(self::written(|outgoing| encode_request(outgoing, id, &again).expect("it fits")), written);
        }
        Err((_, failure)) => assert!(!failure.message.is_empty() && !failure.message.contains('\u{1b}')),
    }
}

fn answer(body: &[u8]) {
    let Ok((id, answer)) = decode_answer(body) else { return };
    let written = written(|outgoing| encode_answer(outgoing, id, &answer));
    let (same, again) = decode_answer(&written[4..]).expect("what is written can be read");
    assert_eq!(same, id);
    assert_eq!(self::written(|outgoing| encode_answer(outgoing, id, &again)), written);
}

fn written(write: impl FnOnce(&mut Outgoing)) -> Vec<u8> {
    let mut outgoing = Outgoing::default();
    write(&mut outgoing);
    outgoing.unsent().to_vec()
}
