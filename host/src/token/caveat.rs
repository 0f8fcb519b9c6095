//! One restriction inside a token.
//!
//! Every caveat type that Fly's own library knows has a variant; every other one is kept byte for byte as [`Caveat::Unknown`].
//! Names and numbers are those of Fly's library, <https://github.com/superfly/macaroon>.

use std::fmt;

use zeroize::Zeroizing;

use super::{mask::Mask, resources::ResourceSet};

/// One restriction. A token allows what every one of its caveats allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caveat {
    /// Only this organisation, by its internal number, and only these actions in it.
    Organization {
        /// The organisation's internal number.
        id: u64,
        /// The actions.
        mask: Mask,
    },
    /// Only these volumes.
    Volumes(ResourceSet<Box<str>>),
    /// Only these apps, by internal number.
    Apps(ResourceSet<u64>),
    /// Only in this time, in unix seconds; both ends belong to it.
    ValidityWindow {
        /// The first second.
        not_before: i64,
        /// The last second.
        not_after: i64,
    },
    /// Only these features of the organisation, such as `wg` or `builder`.
    FeatureSet(ResourceSet<Box<str>>),
    /// Only these GraphQL mutations, and nothing that is none.
    Mutations(Vec<Box<str>>),
    /// Only these machines.
    Machines(ResourceSet<Box<str>>),
    /// Only for this user, whom a discharge must attest.
    ConfineUser(u64),
    /// Only for members of this organisation, which a discharge must attest.
    ConfineOrganization(u64),
    /// An old note without effect.
    IsUser(u64),
    /// Only with a discharge from a third party.
    ThirdParty(Box<ThirdParty>),
    /// Only together with the token whose tail has a SHA-256 that starts so. Found on discharges.
    BindToParentToken(Box<[u8]>),
    /// These caveats where they apply, and other actions where none of them does.
    IfPresent(Box<IfPresent>),
    /// Only these features of machines.
    MachineFeatureSet(ResourceSet<Box<str>>),
    /// Only from this machine.
    FromMachineSource(Box<str>),
    /// Only these `LiteFS` clusters.
    Clusters(ResourceSet<Box<str>>),
    /// Asks a third party: only for users of this Google Workspace domain.
    ConfineGoogleHd(Box<str>),
    /// Asks a third party: only for members of this GitHub organisation.
    ConfineGitHubOrg(u64),
    /// Asks a third party for discharges that live at most this many seconds.
    MaxValidity(u64),
    /// Only what a plain member of the organisation may do.
    IsMember,
    /// A discharge says: this Fly user was there.
    FlyioUserId(u64),
    /// A discharge says: this GitHub user was there.
    GitHubUserId(u64),
    /// A discharge says: this Google user was there. A big-endian number too long for 64 bits.
    GoogleUserId(Box<[u8]>),
    /// Only these actions, on whatever it is.
    Action(Mask),
    /// Only these commands on machines.
    Commands(Vec<Command>),
    /// Only these features of apps.
    AppFeatureSet(ResourceSet<Box<str>>),
    /// Only objects whose URL starts so.
    StorageObjects(ResourceSet<Box<str>>),
    /// Only these roles: bit 0 member, bit 1 billing manager, all bits admin.
    AllowedRoles(u32),
    /// Only from a machine of this organisation, app and instance.
    FlySrc(Box<FlySrc>),
    /// A caveat of a type that is not known here. It restricts in a way nobody here can tell.
    Unknown(Box<UnknownCaveat>),
}

/// A caveat that somebody else must discharge: its ticket goes there, and a token with the ticket as its key id comes back.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ThirdParty {
    /// Where the third party is, as a URL.
    pub location: Box<str>,
    /// The discharge's key, sealed for whoever verifies.
    pub verifier_key: Zeroizing<Vec<u8>>,
    /// The discharge's key and conditions, sealed for the third party.
    pub ticket: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ThirdParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThirdParty").field("location", &self.location).finish_non_exhaustive()
    }
}

/// Caveats that count only where they apply.
///
/// If none of them is about the thing accessed, the action must be in `otherwise`; if some are, each of those must allow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IfPresent {
    /// The caveats.
    pub caveats: Vec<Caveat>,
    /// The actions allowed where none of them applies.
    pub otherwise: Mask,
}

/// A command that may be run on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Command {
    /// The program and its arguments.
    pub args: Vec<Box<str>>,
    /// Whether nothing may follow `args`.
    pub exact: bool,
}

/// Where a request must come from; an empty part is not checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlySrc {
    /// The organisation's slug.
    pub organization: Box<str>,
    /// The app's name.
    pub app: Box<str>,
    /// The machine's id.
    pub instance: Box<str>,
}

/// A caveat of a type that is not known here, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownCaveat {
    pub(super) number: u64,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl UnknownCaveat {
    /// The number of its type.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its body, one MessagePack value.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for UnknownCaveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownCaveat").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Caveat {
    /// The number of its type.
    pub fn number(&self) -> u64 {
        match self {
            Self::Organization { .. } => 0,
            Self::Volumes(_) => 2,
            Self::Apps(_) => 3,
            Self::ValidityWindow { .. } => 4,
            Self::FeatureSet(_) => 5,
            Self::Mutations(_) => 6,
            Self::Machines(_) => 7,
            Self::ConfineUser(_) => 8,
            Self::ConfineOrganization(_) => 9,
            Self::IsUser(_) => 10,
            Self::ThirdParty(_) => 11,
            Self::BindToParentToken(_) => 12,
            Self::IfPresent(_) => 13,
            Self::MachineFeatureSet(_) => 14,
            Self::FromMachineSource(_) => 15,
            Self::Clusters(_) => 16,
            Self::ConfineGoogleHd(_) => 19,
            Self::ConfineGitHubOrg(_) => 20,
            Self::MaxValidity(_) => 21,
            Self::IsMember => 22,
            Self::FlyioUserId(_) => 23,
            Self::GitHubUserId(_) => 24,
            Self::GoogleUserId(_) => 25,
            Self::Action(_) => 26,
            Self::Commands(_) => 27,
            Self::AppFeatureSet(_) => 28,
            Self::StorageObjects(_) => 29,
            Self::AllowedRoles(_) => 30,
            Self::FlySrc(_) => 31,
            Self::Unknown(unknown) => unknown.number,
        }
    }

    /// The name of its type in Fly's JSON form; none if it is not known here.
    pub fn name(&self) -> Option<&'static str> {
        let number = self.number();
        NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
    }

    /// Whether it says who somebody is rather than what a token may do. Only a finished discharge may carry one.
    pub fn is_attestation(&self) -> bool {
        matches!(self, Self::FlyioUserId(_) | Self::GitHubUserId(_) | Self::GoogleUserId(_))
    }

    /// Itself and every caveat inside it, outermost first.
    pub(super) fn with_inner(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::IfPresent(inner) => Box::new(std::iter::once(self).chain(inner.caveats.iter().flat_map(Self::with_inner))),
            _ => Box::new(std::iter::once(self)),
        }
    }
}

/// Numbers and JSON names of the known types.
pub(super) const NAMES: [(u64, &str); 29] = [
    (0, "Organization"),
    (2, "Volumes"),
    (3, "Apps"),
    (4, "ValidityWindow"),
    (5, "FeatureSet"),
    (6, "Mutations"),
    (7, "Machines"),
    (8, "ConfineUser"),
    (9, "ConfineOrganization"),
    (10, "IsUser"),
    (11, "3P"),
    (12, "BindToParentToken"),
    (13, "IfPresent"),
    (14, "MachineFeatureSet"),
    (15, "FromMachineSource"),
    (16, "Clusters"),
    (19, "ConfineGoogleHD"),
    (20, "ConfineGitHubOrg"),
    (21, "MaxValidity"),
    (22, "IsMember"),
    (23, "FlyioUserID"),
    (24, "GitHubUserID"),
    (25, "GoogleUserID"),
    (26, "Action"),
    (27, "Commands"),
    (28, "AppFeatureSet"),
    (29, "StorageObjects"),
    (30, "AllowedRoles"),
    (31, "FlySrc"),
];
