//! What kinds of records there are.

/// A table of records. The names are on disk, so they never change; a new kind of record is a new table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Leases that a memory keeper was handed.
    Leases,
    /// Tokens that users set by hand.
    Manual,
    /// Tokens that must not be given out again.
    Tombstones,
    /// Who is logged in.
    Login,
    /// The numbers that apps have at Fly.
    Ids,
    /// Mints that were begun.
    Ledger,
    /// Counters and other single facts.
    Meta,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 7] = [Self::Leases, Self::Manual, Self::Tombstones, Self::Login, Self::Ids, Self::Ledger, Self::Meta];

    /// The name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leases => "leases",
            Self::Manual => "manual",
            Self::Tombstones => "tombstones",
            Self::Login => "login",
            Self::Ids => "ids",
            Self::Ledger => "ledger",
            Self::Meta => "meta",
        }
    }

    pub(super) fn definition(self) -> redb::TableDefinition<'static, &'static str, &'static [u8]> {
        redb::TableDefinition::new(self.name())
    }
}
