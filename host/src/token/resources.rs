//! Which resources, and what may be done with each: the map inside most caveats.

use super::{error::Malformed, mask::Mask, msgpack::Reader, msgpack::Writer};

/// Resource ids, ascending and each once, with the actions allowed on each.
///
/// Apps are named by number, everything else by text. The zero id (`0` or `""`) stands for every resource of the kind and must then be
/// alone: beside others it makes the caveat deny everything. An empty set denies everything too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceSet<Id> {
    entries: Vec<(Id, Mask)>,
}

impl<Id: Ord + Default> ResourceSet<Id> {
    /// A set of these resources; of two entries for one id the later counts.
    pub fn new(entries: impl IntoIterator<Item = (Id, Mask)>) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.reverse();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        entries.dedup_by(|(a, _), (b, _)| a == b);
        Self { entries }
    }

    /// The ids and their actions, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Id, Mask)> {
        self.entries.iter().map(|(id, mask)| (id, *mask))
    }

    /// Whether this is the one entry that stands for every resource.
    pub fn is_wildcard(&self) -> bool {
        self.entries.len() == 1 && self.has_wildcard()
    }

    /// Whether the wildcard stands beside other ids, so that no verifier allows anything.
    pub fn is_contradictory(&self) -> bool {
        self.entries.len() > 1 && self.has_wildcard()
    }

    /// Whether the wildcard is in it, alone or not.
    pub fn has_wildcard(&self) -> bool {
        // No id sorts before it.
        self.entries.first().is_some_and(|(id, _)| *id == Id::default())
    }

    /// Every action that is allowed on some resource of this set.
    pub fn ceiling(&self) -> Mask {
        if self.is_contradictory() {
            return Mask::NONE;
        }
        self.entries.iter().fold(Mask::NONE, |all, (_, mask)| all | *mask)
    }

    pub(super) fn read<'a>(
        reader: &mut Reader<'a>,
        of: &'static str,
        id: impl Fn(&mut Reader<'a>) -> Result<Id, Malformed>,
    ) -> Result<Self, Malformed> {
        reader.structure(of, 1, |reader| {
            let length = reader.map("a map of resources")?;
            // As for any list; an entry takes two bytes at least.
            let mut entries = Vec::with_capacity(length.min(reader.remaining() / 2));
            for _ in 0..length {
                entries.push((id(reader)?, read_mask(reader)?));
            }
            Ok(Self::new(entries))
        })
    }

    pub(super) fn write(&self, writer: &mut Writer, write_id: impl Fn(&mut Writer, &Id)) {
        writer.array(1);
        writer.map(self.entries.len());
        for (id, mask) in self.iter() {
            write_id(writer, id);
            writer.uint(mask.bits().into());
        }
    }
}

pub(super) fn read_mask(reader: &mut Reader<'_>) -> Result<Mask, Malformed> {
    let (at, what) = (reader.position(), "an action mask");
    u16::try_from(reader.uint(what)?).map(Mask::from_bits).map_err(|_| Malformed::Range { at, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_ascending_and_the_later_one_counts() {
        let set = ResourceSet::new([(7_u64, Mask::ALL), (3, Mask::READ), (7, Mask::READ)]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [(&3, Mask::READ), (&7, Mask::READ)]);
    }

    #[test]
    fn a_wildcard_beside_others_allows_nothing() {
        let alone = ResourceSet::new([(0_u64, Mask::ALL)]);
        assert!(alone.is_wildcard() && alone.ceiling() == Mask::ALL);
        let beside = ResourceSet::new([(0_u64, Mask::ALL), (1, Mask::ALL)]);
        assert!(!beside.is_wildcard() && beside.is_contradictory() && beside.ceiling() == Mask::NONE);
    }
}
