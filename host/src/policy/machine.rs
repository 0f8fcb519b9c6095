//! What this machine can enforce.

use std::path::Path;

use super::{
    accounts::{Accounts, SystemAccounts},
    text::Platform,
};

/// The machine as far as rules depend on it. Handed in, so that tests can be about another one.
pub struct Machine {
    /// Its operating system.
    pub platform: Platform,
    /// Whether it tells which program a process runs.
    pub tells_programs: bool,
    /// Whether it tells the control group of a process.
    pub tells_cgroups: bool,
    /// Its users and groups.
    pub accounts: Box<dyn Accounts>,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let own = Path::new("/proc/self");
        Self {
            platform: if cfg!(target_os = "macos") { Platform::Macos } else { Platform::Linux },
            tells_programs: std::fs::read_link(own.join("exe")).is_ok(),
            tells_cgroups: std::fs::read_to_string(own.join("cgroup")).is_ok_and(|text| !text.trim().is_empty()),
            accounts: Box::new(SystemAccounts),
        }
    }

    /// Why a rule that names this fact of a client cannot be enforced here.
    pub(super) fn lacks(&self, fact: &str) -> Option<&'static str> {
        match (self.platform, fact) {
            (Platform::Macos, _) => Some("only Linux tells it of a process: write `on: linux` into the rule"),
            (Platform::Linux, "unit" | "cgroup") if !self.tells_cgroups => Some("this kernel has no control groups"),
            (Platform::Linux, "executable" | "root-owned" | "sha256" | "group") if !self.tells_programs => Some("there is no /proc here"),
            (Platform::Linux, _) => None,
        }
    }
}
