//! Caveats as MessagePack: a type number and a body, one after the other.

use zeroize::Zeroizing;

use super::{
    caveat::{Caveat, Command, FlySrc, IfPresent, ThirdParty, UnknownCaveat},
    error::Malformed,
    msgpack::{Reader, Writer},
    resources::{ResourceSet, read_mask},
};

impl Caveat {
    /// Its type and body as Fly's library writes them: what a signature covers, but for the array header in front.
    pub fn encoded(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(64);
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads one type number and its body.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let number = reader.uint("a caveat type")?;
        Ok(match number {
            0 => {
                let (id, mask) = reader.structure("Organization", 2, |r| Ok((r.uint("an organisation id")?, read_mask(r)?)))?;
                Self::Organization { id, mask }
            }
            2 => Self::Volumes(named(reader, "Volumes")?),
            3 => Self::Apps(ResourceSet::read(reader, "Apps", |r| r.uint("an app id"))?),
            4 => {
                let (not_before, not_after) = reader.structure("ValidityWindow", 2, |r| Ok((r.int("a time")?, r.int("a time")?)))?;
                Self::ValidityWindow { not_before, not_after }
            }
            5 => Self::FeatureSet(named(reader, "FeatureSet")?),
            6 => Self::Mutations(reader.structure("Mutations", 1, |r| texts(r, "mutations"))?),
            7 => Self::Machines(named(reader, "Machines")?),
            8 => Self::ConfineUser(reader.structure("ConfineUser", 1, |r| r.uint("a user id"))?),
            9 => Self::ConfineOrganization(reader.structure("ConfineOrganization", 1, |r| r.uint("an organisation id"))?),
            10 => Self::IsUser(reader.structure("IsUser", 1, |r| r.uint("a user id"))?),
            11 => Self::ThirdParty(Box::new(reader.structure("3P", 3, third_party)?)),
            12 => Self::BindToParentToken(reader.bytes("the hash of a parent token")?.into()),
            13 => Self::IfPresent(Box::new(
                reader.structure("IfPresent", 2, |r| Ok(IfPresent { caveats: read_set(r)?, otherwise: read_mask(r)? }))?,
            )),
            14 => Self::MachineFeatureSet(named(reader, "MachineFeatureSet")?),
            15 => Self::FromMachineSource(reader.structure("FromMachineSource", 1, |r| r.text("a machine id").map(Box::from))?),
            16 => Self::Clusters(named(reader, "Clusters")?),
            19 => Self::ConfineGoogleHd(reader.text("a Google domain")?.into()),
            20 => Self::ConfineGitHubOrg(reader.uint("a GitHub organisation id")?),
            21 => Self::MaxValidity(reader.uint("a number of seconds")?),
            22 => reader.structure("IsMember", 0, |_| Ok(())).map(|()| Self::IsMember)?,
            23 => Self::FlyioUserId(reader.uint("a Fly user id")?),
            24 => Self::GitHubUserId(reader.uint("a GitHub user id")?),
            25 => Self::GoogleUserId(reader.bytes("a Google user id")?.into()),
            26 => Self::Action(read_mask(reader)?),
            27 => Self::Commands(reader.list("commands", |r| r.structure("a command", 2, command))?),
            28 => Self::AppFeatureSet(named(reader, "AppFeatureSet")?),
            29 => Self::StorageObjects(named(reader, "StorageObjects")?),
            30 => {
                let (at, what) = (reader.position(), "a role mask");
                Self::AllowedRoles(u32::try_from(reader.uint(what)?).map_err(|_| Malformed::Range { at, what })?)
            }
            31 => Self::FlySrc(Box::new(reader.structure("FlySrc", 3, fly_src)?)),
            _ => {
                let start = reader.position();
                reader.skip("a caveat body")?;
                Self::Unknown(Box::new(UnknownCaveat { number, body: Zeroizing::new(reader.since(start).to_vec()) }))
            }
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.uint(self.number());
        match self {
            Self::Organization { id, mask } => {
                writer.array(2);
                writer.uint(*id);
                writer.uint(mask.bits().into());
            }
            Self::Apps(apps) => apps.write(writer, |w, id| w.uint(*id)),
            Self::Volumes(set)
            | Self::FeatureSet(set)
            | Self::Machines(set)
            | Self::MachineFeatureSet(set)
            | Self::Clusters(set)
            | Self::AppFeatureSet(set)
            | Self::StorageObjects(set) => set.write(writer, |w, id| w.text(id)),
            Self::ValidityWindow { not_before, not_after } => {
                writer.array(2);
                writer.int(*not_before);
                writer.int(*not_after);
            }
            Self::Mutations(names) => {
                writer.array(1);
                write_texts(writer, names);
            }
            Self::ConfineUser(id) | Self::ConfineOrganization(id) | Self::IsUser(id) => {
                writer.array(1);
                writer.uint(*id);
            }
            Self::ThirdParty(third_party) => {
                writer.array(3);
                writer.text(&third_party.location);
                writer.bytes(&third_party.verifier_key);
                writer.bytes(&third_party.ticket);
            }
            Self::BindToParentToken(bytes) | Self::GoogleUserId(bytes) => writer.bytes(bytes),
            Self::IfPresent(inner) => {
                writer.array(2);
                writer.array(inner.caveats.len() * 2);
                for caveat in &inner.caveats {
                    caveat.write(writer);
                }
                writer.uint(inner.otherwise.bits().into());
            }
            Self::FromMachineSource(id) => {
                writer.array(1);
                writer.text(id);
            }
            Self::ConfineGoogleHd(domain) => writer.text(domain),
            Self::ConfineGitHubOrg(number) | Self::MaxValidity(number) | Self::FlyioUserId(number) | Self::GitHubUserId(number) => {
                writer.uint(*number);
            }
            Self::IsMember => writer.array(0),
            Self::Action(mask) => writer.uint(mask.bits().into()),
            Self::Commands(commands) => {
                writer.array(commands.len());
                for command in commands {
                    writer.array(2);
                    write_texts(writer, &command.args);
                    writer.bool(command.exact);
                }
            }
            Self::AllowedRoles(roles) => writer.uint((*roles).into()),
            Self::FlySrc(from) => {
                writer.array(3);
                for part in [&from.organization, &from.app, &from.instance] {
                    writer.text(part);
                }
            }
            Self::Unknown(unknown) => writer.raw(&unknown.body),
        }
    }
}

/// Reads a flat set: type, body, type, body.
pub(super) fn read_set(reader: &mut Reader<'_>) -> Result<Vec<Caveat>, Malformed> {
    let count = read_set_length(reader)?;
    reader.nested(|reader| (0..count).map(|_| Caveat::read(reader)).collect())
}

/// Reads the header of a flat set and answers how many caveats follow.
pub(super) fn read_set_length(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let at = reader.position();
    match reader.array("a caveat set")? {
        even if even % 2 == 0 => Ok(even / 2),
        found => Err(Malformed::ArrayLength { at, of: "a caveat set", expected: "an even number of", found }),
    }
}

fn named(reader: &mut Reader<'_>, of: &'static str) -> Result<ResourceSet<Box<str>>, Malformed> {
    ResourceSet::read(reader, of, |reader| reader.text("a resource id").map(Box::from))
}

fn third_party(reader: &mut Reader<'_>) -> Result<ThirdParty, Malformed> {
    Ok(ThirdParty {
        location: reader.text("a third party's location")?.into(),
        verifier_key: Zeroizing::new(reader.bytes("a verifier key")?.to_vec()),
        ticket: Zeroizing::new(reader.bytes("a ticket")?.to_vec()),
    })
}

fn command(reader: &mut Reader<'_>) -> Result<Command, Malformed> {
    Ok(Command { args: texts(reader, "arguments")?, exact: reader.bool("whether a command is exact")? })
}

fn fly_src(reader: &mut Reader<'_>) -> Result<FlySrc, Malformed> {
    Ok(FlySrc {
        organization: reader.text("an organisation's slug")?.into(),
        app: reader.text("an app's name")?.into(),
        instance: reader.text("an instance id")?.into(),
    })
}

fn texts(reader: &mut Reader<'_>, what: &'static str) -> Result<Vec<Box<str>>, Malformed> {
    reader.list(what, |reader| reader.text(what).map(Box::from))
}

fn write_texts(writer: &mut Writer, texts: &[Box<str>]) {
    writer.array(texts.len());
    for text in texts {
        writer.text(text);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::token::mask::Mask;

    /// Any caveat that Fly's library could write, unknown ones included.
    pub(crate) fn any_caveat() -> impl Strategy<Value = Caveat> {
        let text = || "[a-z0-9:/._-]{0,40}".prop_map(Box::<str>::from);
        let mask = || prop_oneof![(0_u16..32).prop_map(Mask::from_bits), Just(Mask::ANY)];
        let bytes = || prop::collection::vec(any::<u8>(), 0..300);
        let set = move || prop::collection::vec((text(), mask()), 0..5).prop_map(ResourceSet::new);
        let leaf = prop_oneof![
            (any::<u64>(), mask()).prop_map(|(id, mask)| Caveat::Organization { id, mask }),
            prop::collection::vec((any::<u64>(), mask()), 0..20).prop_map(|apps| Caveat::Apps(ResourceSet::new(apps))),
            (any::<i64>(), any::<i64>()).prop_map(|(not_before, not_after)| Caveat::ValidityWindow { not_before, not_after }),
            (0_usize..7, set()).prop_map(|(kind, set)| match kind {
                0 => Caveat::Volumes(set),
                1 => Caveat::FeatureSet(set),
                2 => Caveat::Machines(set),
                3 => Caveat::MachineFeatureSet(set),
                4 => Caveat::Clusters(set),
                5 => Caveat::AppFeatureSet(set),
                _ => Caveat::StorageObjects(set),
            }),
            prop::collection::vec(text(), 0..20).prop_map(Caveat::Mutations),
            (0_usize..8, any::<u64>()).prop_map(|(kind, id)| match kind {
                0 => Caveat::ConfineUser(id),
                1 => Caveat::ConfineOrganization(id),
                2 => Caveat::IsUser(id),
                3 => Caveat::ConfineGitHubOrg(id),
                4 => Caveat::MaxValidity(id),
                5 => Caveat::FlyioUserId(id),
                6 => Caveat::GitHubUserId(id),
                _ => Caveat::IsMember,
            }),
            (text(), bytes(), bytes()).prop_map(|(location, key, ticket)| {
                Caveat::ThirdParty(Box::new(ThirdParty { location, verifier_key: Zeroizing::new(key), ticket: Zeroizing::new(ticket) }))
            }),
            bytes().prop_map(|bytes| Caveat::BindToParentToken(bytes.into())),
            (1_u128..).prop_map(|id| { Caveat::GoogleUserId(id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()) }),
            text().prop_map(Caveat::FromMachineSource),
            text().prop_map(Caveat::ConfineGoogleHd),
            mask().prop_map(Caveat::Action),
            prop::collection::vec((prop::collection::vec(text(), 0..3), any::<bool>()), 0..3)
                .prop_map(|all| Caveat::Commands(all.into_iter().map(|(args, exact)| Command { args, exact }).collect())),
            any::<u32>().prop_map(Caveat::AllowedRoles),
            (text(), text(), text()).prop_map(|(organization, app, instance)| Caveat::FlySrc(Box::new(FlySrc {
                organization,
                app,
                instance
            }))),
            (32_u64.., bytes()).prop_map(|(number, bytes)| {
                let mut writer = Writer::with_capacity(0);
                writer.bytes(&bytes);
                Caveat::Unknown(Box::new(UnknownCaveat { number, body: writer.finish() }))
            }),
        ];
        leaf.prop_recursive(3, 12, 4, move |inner| {
            (prop::collection::vec(inner, 0..4), mask())
                .prop_map(|(caveats, otherwise)| Caveat::IfPresent(Box::new(IfPresent { caveats, otherwise })))
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(caveat in any_caveat()) {
            let bytes = caveat.encoded();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Caveat::read(&mut reader), Ok(caveat));
            prop_assert_eq!(reader.position(), bytes.len());
        }
    }

    #[test]
    fn nil_and_an_empty_array_stand_for_a_structure_of_zeros() {
        for bytes in [[0x00, 0xc0], [0x00, 0x90]] {
            assert_eq!(Caveat::read(&mut Reader::new(&bytes)), Ok(Caveat::Organization { id: 0, mask: Mask::NONE }));
        }
    }

    #[test]
    fn a_known_caveat_of_the_wrong_shape_is_an_error_that_says_where() {
        for (bytes, text) in [
            (&[0x00, 0x93, 1, 1, 1][..], "wrong array length at byte 1: Organization has 2 elements, this has 3"),
            (&[0x16, 0x91, 1], "wrong array length at byte 1: IsMember has 0 elements, this has 1"),
            (&[0x0d, 0x92, 0x91, 0x1a, 0x01], "wrong array length at byte 2: a caveat set has an even number of elements, this has 1"),
            (&[0x1a, 0xce, 0, 1, 0, 0], "an action mask at byte 1 is out of range"),
            (&[0x03, 0x91, 0x81, 0xa1, 0x61, 0x01], "expected an app id at byte 3, found a text"),
            (&[0x04, 0x81, 0x01, 0x02], "expected ValidityWindow at byte 1, found a map"),
            (&[0x0b, 0x93, 0xa1], "cut off at byte 3: a third party's location needs at least 1 more"),
        ] {
            assert_eq!(Caveat::read(&mut Reader::new(bytes)).expect_err("malformed").to_string(), text);
        }
    }

    #[test]
    fn conditions_in_conditions_end_in_an_error_and_not_in_a_full_stack() {
        let mut bytes = Vec::new();
        for _ in 0..10_000 {
            bytes.extend([0x0d, 0x92, 0x92]);
        }
        assert!(matches!(Caveat::read(&mut Reader::new(&bytes)), Err(Malformed::TooDeep { .. })));
    }

    #[test]
    fn a_caveat_is_small_so_that_many_small_ones_cannot_fill_the_memory() {
        assert!(size_of::<Caveat>() <= 32);
    }
}
