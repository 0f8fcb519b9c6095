//! The grant `http`: one origin that a source may speak to, and on what terms.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Serialize, Serializer};

use super::origin::Origin;

/// One origin that a source may speak to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpGrant {
    /// The origin.
    pub origin: Origin,
    /// Whether it may lie on this machine or in a private network.
    pub private: bool,
    /// The certificates that vouch for it, in place of the machine's own roots.
    pub ca: Option<PathBuf>,
    /// Headers that the host sets on each request, by their names in lower case. No source sees or replaces them.
    pub headers: BTreeMap<String, HeaderValueFrom>,
}

/// Where the host takes a header's value from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValueFrom {
    /// A file of the grant `files`, by its name there; read at each request.
    File(String),
    /// The login, as it was when the call began.
    Login,
}

impl Serialize for HeaderValueFrom {
    /// As it is written in a configuration file.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File(name) => serializer.collect_map([("file", name)]),
            Self::Login => serializer.collect_map([("secret", "login")]),
        }
    }
}
