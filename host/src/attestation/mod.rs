//! Who a client is, as the kernel tells it.
//!
//! [`Peer`] is the process at the other end of a socket, an [`Attestor`] looks at it as far as somebody [`Wanted`] to know, and what comes of
//! it is [`Attested`]: the [`Facts`], with a hold on the process that they are about.
//!
//! What this can tell and what it cannot: user, groups and control group are what the system's administrator gave a process. The
//! executable tells programs apart and confines none. Whoever may start a program decides what it loads and is asked to do, and may hand
//! it a connection that others hold too. A peer is whoever connected, so that a connection that is passed on, or inherited by a fork,
//! goes on to be its maker's for as long as that process lives and runs the same program.

#[cfg(target_os = "linux")]
mod ancestry;
mod attested;
mod attestor;
#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod digests;
#[cfg(target_os = "linux")]
mod executable;
mod file;
#[cfg(target_os = "linux")]
mod groups;
#[cfg(target_os = "linux")]
mod lookup;
mod peer;
#[cfg(target_os = "linux")]
mod process;

pub use attested::{Attested, Unconfirmed};
pub use attestor::Attestor;
pub use file::executable_at;
pub use peer::Peer;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A process that asks for something. What is none or empty was not looked at, or the system does not tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Facts {
    /// The process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The other groups it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// The program that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<Executable>,
    /// The unit of the system's service manager that it belongs to, such as `deploy.service`. Whatever a user's own manager runs is of the
    /// one unit `user@UID.service`: users name their own units as they like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its control group, as a path below the root of the hierarchy, such as `/system.slice/deploy.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Whether the process itself is flytoken's own executable, and the executable is that of its nearest ancestor that is another: advice,
    /// since whoever may run flytoken may run it from a process of any of their programs. All else is of the process itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub via_flytoken: bool,
    /// Whether it came over TCP, where the kernel tells nothing, and showed the bearer: whoever has that was given it by the agent's own user,
    /// whose number and group these are. Nothing for a rule to go by.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_bearer: bool,
}

impl std::fmt::Display for Facts {
    /// As one line of a log: the keys that they have in the audit, and their values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::plain::whole_line(&serde_json::to_string(self).unwrap_or_default()))
    }
}

/// The program of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Executable {
    /// Where it lies. None if it cannot be found at a path here: see `elsewhere`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// What the kernel calls it, where that path leads to something else here, or to nothing: it was replaced or removed, or the process
    /// lives in other mounts. For people; it says nothing about what the file is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// Whether the file and every folder on the way belong to root, and nobody else may write to them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub root_owned: bool,
    /// The SHA-256 digest of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "digest")]
    pub sha256: Option<[u8; 32]>,
}

/// Which facts somebody wants to know: none is looked for in vain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each fact is wanted or not, whatever the others are")]
pub struct Wanted {
    /// All groups.
    pub groups: bool,
    /// The executable's path and owner; whoever wants to know these or the next hears of the ancestor of a flytoken.
    pub executable: bool,
    /// The executable's digest.
    pub sha256: bool,
    /// Unit and control group.
    pub cgroup: bool,
}

impl Wanted {
    /// What either of the two wants.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            groups: self.groups || other.groups,
            executable: self.executable || other.executable,
            sha256: self.sha256 || other.sha256,
            cgroup: self.cgroup || other.cgroup,
        }
    }

    /// Everything.
    pub const ALL: Self = Self { groups: true, executable: true, sha256: true, cgroup: true };

    /// Whether what comes with the connection is enough.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// Whether who knows all this knows all of `other`.
    pub fn covers(self, other: Self) -> bool {
        let has = |here: bool, there: bool| here || !there;
        has(self.groups, other.groups)
            && has(self.executable, other.executable)
            && has(self.sha256, other.sha256)
            && has(self.cgroup, other.cgroup)
    }
}

/// This process, as an agent that it asks would see it: on behalf of whatever called it.
pub fn of_this_process(wanted: Wanted) -> Attested {
    let peer = Peer::this_process();
    if wanted.is_nothing() { Attested::unseen(peer.into_facts(), wanted) } else { Attestor::new().look(peer, wanted) }
}

mod digest {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::hex;

    #[expect(clippy::ref_option, reason = "serde hands it in that way")]
    pub(super) fn serialize<S: Serializer>(digest: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => serializer.serialize_str(&hex::encode(digest)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 32]>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        let decode =
            |text: String| hex::decode(&text).and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| Error::custom("no SHA-256 digest"));
        text.map(decode).transpose()
    }
}

#[cfg(test)]
mod tests;
