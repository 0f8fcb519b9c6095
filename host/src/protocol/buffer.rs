//! Bytes between a socket and a message: lengths are bounded before anything is allocated, and what was there is wiped.

use std::io;

use serde::Serialize;
use zeroize::Zeroize;

use super::FrameError;

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

    /// Appends a frame whose body is at most `most` bytes.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] if it is longer; nothing is appended then.
    pub(super) fn append(&mut self, body: &impl Serialize, most: usize) -> Result<(), FrameError> {
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

/// The length before each frame, in bytes.
const PREFIX: usize = 4;

/// The room a connection starts with: most requests and answers fit.
const FIRST_ROOM: usize = 2 * 1024;

/// More room than this is given back once a frame is dealt with, so that one long frame does not cost memory for a connection's life.
const KEPT_ROOM: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(text: &str) -> Vec<u8> {
        let mut outgoing = Outgoing::default();
        outgoing.append(&text, 100_000).unwrap();
        outgoing.unsent().to_vec()
    }

    fn receive(incoming: &mut Incoming, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = incoming.room();
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            incoming.received(count);
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn a_frame_is_read_when_its_last_byte_is_there() {
        let mut incoming = Incoming::new(100);
        for (index, byte) in framed("hello").iter().enumerate() {
            assert_eq!(incoming.next(<[u8]>::len).unwrap(), None, "after {index} bytes");
            receive(&mut incoming, &[*byte]);
        }
        assert_eq!(incoming.next(<[u8]>::to_vec).unwrap(), Some(b"\xa5hello".to_vec()));
        assert!(!incoming.is_inside_frame());
    }

    #[test]
    fn an_announced_length_costs_nothing_and_a_long_one_is_refused() {
        let mut incoming = Incoming::new(65_536);
        receive(&mut incoming, &65_536_u32.to_be_bytes());
        assert_eq!(incoming.next(<[u8]>::len).unwrap(), None);
        assert_eq!(incoming.bytes.len(), FIRST_ROOM);
        let mut incoming = Incoming::new(65_536);
        receive(&mut incoming, &[0xff; 4]);
        assert_eq!(incoming.next(<[u8]>::len), Err(FrameError::TooLong { length: 0xffff_ffff, most: 65_536 }));
    }

    #[test]
    fn room_stays_below_twice_the_longest_frame() {
        let frame = framed(&"x".repeat(65_000));
        let mut incoming = Incoming::new(65_536);
        let mut read = 0;
        for part in frame.repeat(3).chunks(1000) {
            receive(&mut incoming, part);
            read += usize::from(incoming.next(<[u8]>::len).unwrap().is_some());
        }
        assert_eq!(read, 3);
        assert!(incoming.bytes.len() <= 2 * 65_536);
        incoming.shrink();
        assert_eq!(incoming.bytes.len(), 0);
    }

    #[test]
    fn what_was_sent_and_what_was_read_is_wiped() {
        let mut outgoing = Outgoing::default();
        outgoing.append(&"fm2_canary", 100).unwrap();
        let bytes = outgoing.unsent().to_vec();
        outgoing.sent(bytes.len() - 1);
        assert_eq!(outgoing.unsent().len(), 1);
        outgoing.sent(1);
        outgoing.bytes.resize(outgoing.bytes.capacity(), 0);
        assert!(outgoing.bytes.iter().all(|byte| *byte == 0));

        let mut incoming = Incoming::new(100);
        receive(&mut incoming, &bytes);
        incoming.next(<[u8]>::len).unwrap();
        assert!(incoming.bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_does_not_fit_leaves_nothing_behind() {
        let mut outgoing = Outgoing::default();
        outgoing.append(&"first", 100).unwrap();
        let before = outgoing.unsent().to_vec();
        assert!(matches!(outgoing.append(&"x".repeat(200), 100), Err(FrameError::TooLong { most: 100, .. })));
        assert_eq!(outgoing.unsent(), before);
    }
}
