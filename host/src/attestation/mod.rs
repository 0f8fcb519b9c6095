//! Who a client is, as the kernel tells it.

mod file;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use file::executable_at;

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
    /// The systemd unit that it belongs to, such as `deploy.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its control group, as a path below the root of the hierarchy, such as `/system.slice/deploy.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// Whether the process itself is flytoken's own executable, and the facts are those of its nearest ancestor that is another: advice, since
    /// whoever may run flytoken may run it from a process of any of their programs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub via_flytoken: bool,
}

impl std::fmt::Display for Facts {
    /// As one line of a log: the keys that they have in the audit, and their values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::plain::whole_line(&serde_json::to_string(self).unwrap_or_default()))
    }
}

/// The program of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Executable {
    /// Where it lies.
    pub path: PathBuf,
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
    /// The executable's path and owner; whoever wants to know anything of these or the next two hears of the ancestor of a flytoken.
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

/// This process, as somebody whom it asks sees it.
pub fn of_this_process(_: Wanted) -> Facts {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    Facts { pid: Some(std::process::id()), uid, gid, ..Facts::default() }
}
