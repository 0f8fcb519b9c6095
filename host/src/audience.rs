//! Whom an agent answers.

/// Whom an agent answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    /// Its own user, and nobody else.
    #[default]
    Owner,
    /// Every user of the machine, as far as a policy admits them. Such an agent has an account of its own.
    Everybody,
}

impl Audience {
    /// Whether a user may ask an agent that runs as `own` for more than what rules hand out: its state, what it keeps, what it minted.
    pub fn trusts(self, uid: u32, own: u32) -> bool {
        // Root can read all of it anyway.
        uid == own || (self == Self::Everybody && uid == ROOT)
    }
}

const ROOT: u32 = 0;
