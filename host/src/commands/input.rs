//! A text that a person types or another program pipes in: never shown, never longer than it may be.

use std::io::{self, IsTerminal, Read};

use zeroize::Zeroizing;

/// What is typed at a hidden prompt, or what stdin holds if that is no terminal; at most `most` bytes.
///
/// # Errors
/// [`InputError`] says what is wrong with it.
pub(super) fn text(prompt: &str, most: usize) -> Result<Zeroizing<String>, InputError> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(InputError::Unreadable);
    }
    bounded(io::stdin().lock(), most)
}

/// Everything that `input` holds, at most `most` bytes.
///
/// # Errors
/// [`InputError`] says what is wrong with it.
pub(super) fn bounded(input: impl Read, most: usize) -> Result<Zeroizing<String>, InputError> {
    // All the room at once: a buffer that has to grow leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    input.take(most as u64 + 1).read_to_end(&mut bytes).map_err(InputError::Unreadable)?;
    if bytes.len() > most {
        return Err(InputError::TooLong { most });
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(cause) => Err(InputError::NotText { at: cause.valid_up_to() + 1 }),
    }
}

/// Why an input cannot be used. None of it is repeated.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// The system says no.
    #[error("the input cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// There is no end to it, or far too late.
    #[error("more than {most} bytes were given, which is no token")]
    TooLong {
        /// The most that is read.
        most: usize,
    },
    /// Bytes that are no text.
    #[error("what was given is no text at byte {at}, so it is no token")]
    NotText {
        /// Where, counted from 1.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_bounded_and_has_to_be_text() {
        assert_eq!(bounded(&b"fm2_AAAA\n"[..], 9).unwrap().as_str(), "fm2_AAAA\n");
        assert!(bounded(io::repeat(b'x'), 1000).unwrap_err().to_string().contains("1000 bytes"));
        assert!(bounded(&b"fm2_\xff"[..], 100).unwrap_err().to_string().contains("byte 5"));
    }
}
