//! A value as a shell reads it back.

/// A shell's way of quoting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoted {
    /// As bash, zsh and sh read it.
    Posix,
    /// As fish reads it.
    Fish,
}

impl Quoted {
    /// Puts the value behind what is there, between single quotes. A text with room for six times the value's length does not have to grow.
    pub(super) fn push(self, value: &str, into: &mut String) {
        into.push('\'');
        for character in value.chars() {
            match (self, character) {
                (Self::Posix, '\'') => into.push_str(r"'\''"),
                (Self::Fish, '\'') => into.push_str(r"\'"),
                (Self::Fish, '\\') => into.push_str(r"\\"),
                (_, character) => into.push(character),
            }
        }
        into.push('\'');
    }
}
